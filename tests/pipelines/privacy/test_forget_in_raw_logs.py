"""A guest leaves every raw log of a home: taken, claimed, refused, still in the inbox."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from data.ingest import IngestOptions, ingest
from data.readers.unpack import packing_of, unpacked
from pipelines.batch.days_ahead import quarantine_days_ahead
from pipelines.config.settings import load_settings
from pipelines.privacy import forget_guest
from pipelines.run_context import RunContext
from tests.data.conftest import Row, as_csv, sound_row
from tests.pipelines.privacy.homes import context_of

GUEST = "730"


def _rows(first: int) -> list[Row]:
    return [
        sound_row(first, id_user=GUEST),
        sound_row(first + 1, id_listing=GUEST),
        sound_row(first + 2, listing_total_price=GUEST),
        sound_row(first + 3, id_user=GUEST, label="flown"),
    ]


def _json_lines(rows: list[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _parquet(rows: list[Row]) -> bytes:
    sink = pa.BufferOutputStream()
    users = pl.DataFrame(rows).with_columns(pl.col("id_user").str.extract(r"(\d+)").cast(pl.Int64))
    users.write_parquet(sink)
    return bytes(sink.getvalue())


def _zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


FORMATS: dict[str, Callable[[list[Row]], bytes]] = {
    "log.csv": lambda rows: as_csv(rows).encode(),
    "log.csv.zst": lambda rows: _zstd(as_csv(rows).encode()),
    "log.jsonl.gz": lambda rows: gzip.compress(_json_lines(rows)),
    "log.ndjson": _json_lines,
    "log.parquet": _parquet,
}


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    context = context_of(tmp_path / "home", load_settings(batch={"settle_s": 0}))
    for folder in ("taken", "refused", "claimed"):
        (context.home.root / "inbox" / folder).mkdir(parents=True)
    return context


def _users(path: Path) -> list[str]:
    """The guests of a raw log, as anybody would read them."""
    if path.suffix == ".parquet":
        return [str(user) for user in pl.read_parquet(path)["id_user"]]
    with path.open("rb") as raw:
        packing = packing_of(raw.read(8))
        raw.seek(0)
        text = unpacked(raw, packing).read().decode()
    if text.startswith("{"):
        return [json.loads(line)["id_user"] for line in text.splitlines()]
    return pl.read_csv(text.encode(), infer_schema=False)["id_user"].to_list()


def test_of_every_format_the_guests_rows_leave_and_the_file_stays_known(
    context: RunContext,
) -> None:
    taken = context.home.root / "inbox" / "taken"
    for number, (name, content) in enumerate(FORMATS.items()):
        (taken / name).write_bytes(content(_rows(10 * number)))
    ingest(sorted(taken.iterdir()), home=context.home.root)
    erasure = forget_guest(context, GUEST)
    assert erasure.not_rewritten == ()
    assert erasure.rows["impressions"] == erasure.rows["quarantine"] == len(FORMATS)
    for name in FORMATS:
        assert erasure.files[f"inbox/taken/{name}"] == 2
        assert len(_users(taken / name)) == 2
        assert GUEST not in _users(taken / name)
    report = ingest(sorted(taken.iterdir()), home=context.home.root)
    assert {file.status for file in report.files} == {"already ingested"}
    assert not forget_guest(context, GUEST).was_found


def test_a_redo_of_a_rewritten_log_replaces_the_rows_that_it_had(context: RunContext) -> None:
    log = context.home.root / "inbox" / "taken" / "log.csv"
    log.write_text(as_csv(_rows(1)))
    ingest([log], home=context.home.root)
    forget_guest(context, GUEST)
    report = ingest([log], home=context.home.root, options=IngestOptions(redo=True))
    (file,) = report.files
    assert (file.status, file.rows_accepted, file.replaced, file.rows_quarantined) == (
        *("redone", 2, 2),
        0,
    )
    assert context.lake.rows("ingests") == 1


def test_a_log_outside_the_home_is_named_since_it_brings_the_guest_back(
    context: RunContext, tmp_path: Path
) -> None:
    outside = tmp_path / "elsewhere.csv"
    outside.write_text(as_csv(_rows(1)))
    ingest([outside], home=context.home.root)
    erasure = forget_guest(context, GUEST)
    assert erasure.outside == (str(outside),)
    assert any(str(outside) in line for line in erasure.lines(GUEST))
    assert erasure.not_rewritten == ()
    assert outside.read_text() == as_csv(_rows(1))


def test_what_was_claimed_or_refused_is_searched_an_array_too(context: RunContext) -> None:
    inbox, other = context.home.root / "inbox", {"id_user": 9, "price": 730}
    ingest([_written(inbox / "taken" / "a.csv", as_csv(_rows(1)))], home=context.home.root)
    _written(inbox / "claimed" / "b.csv", as_csv(_rows(11)))
    array = _written(inbox / "refused" / "c.json", json.dumps([{"id_user": 730}, other]))
    _written(inbox / "refused" / "c.json.reason.txt", "c.json: one JSON array\n")
    assert forget_guest(context, GUEST).not_rewritten == ()
    assert GUEST not in _users(inbox / "claimed" / "b.csv")
    assert json.loads(array.read_text()) == [other]


def test_a_delivery_is_claimed_before_it_is_rewritten_and_an_open_one_is_left(
    context: RunContext,
) -> None:
    inbox = context.home.root / "inbox"
    ingest([_written(inbox / "taken" / "a.csv", as_csv(_rows(1)))], home=context.home.root)
    _written(inbox / "b.csv", as_csv(_rows(11)))
    part = _written(inbox / "c.csv.part", as_csv(_rows(21)))
    erasure = forget_guest(context, GUEST)
    (problem,) = erasure.not_rewritten
    assert problem.startswith("inbox/c.csv.part: ")
    assert "still being delivered" in problem
    assert part.read_text() == as_csv(_rows(21))
    assert not (inbox / "b.csv").exists()
    assert GUEST not in _users(inbox / "claimed" / "b.csv")
    part.rename(inbox / "c.csv")
    assert forget_guest(context, GUEST).not_rewritten == ()
    assert GUEST not in _users(inbox / "claimed" / "c.csv")


def test_a_folder_that_names_the_guest_goes_with_its_log(context: RunContext) -> None:
    root = context.home.root
    rows = [{k: v for k, v in row.items() if k != "id_user"} for row in _rows(1)[:1]]
    for user in (GUEST, "9"):
        folder = root / "old" / f"id_user={user}"
        folder.mkdir(parents=True)
        named = [row | {"id_search": f"S{user}"} for row in rows]
        pl.DataFrame(named).write_parquet(folder / "part-0.parquet")
    ingest([root / "old"], home=root)
    erasure = forget_guest(context, GUEST)
    assert erasure.not_rewritten == ()
    assert [path.name for path in sorted((root / "old").iterdir())] == ["id_user=9"]
    assert context.lake.scan("impressions").collect()["id_user"].to_list() == ["9"]


def test_a_log_whose_name_names_the_guest_is_said(context: RunContext) -> None:
    taken = context.home.root / "inbox" / "taken"
    rows = [sound_row(1, id_user="U1234567"), sound_row(2)]
    log = _written(taken / "U1234567.csv", as_csv(rows))
    ingest([log], home=context.home.root)
    (problem,) = forget_guest(context, "U1234567").not_rewritten
    assert problem.startswith("inbox/taken/U1234567.csv: its name names the guest")
    assert _users(log) == ["U2"]
    log.rename(taken / "log.csv")
    assert forget_guest(context, "U1234567").not_rewritten == ()


def test_searches_set_aside_for_their_day_are_the_guests_too(context: RunContext) -> None:
    taken = context.home.root / "inbox" / "taken"
    rows = [sound_row(1, id_user=GUEST), sound_row(2)]
    ahead = [row | {"ts_search": "2018-03-05 10:30", "ds_search": "2018-03-05"} for row in rows]
    ahead = [row | {"query_checkin": "2018-04-01", "query_checkout": "2018-04-03"} for row in ahead]
    ingest([_written(taken / "a.csv", as_csv(ahead))], home=context.home.root)
    assert quarantine_days_ahead(context, date(2018, 2, 6))
    assert forget_guest(context, GUEST).rows["quarantine"] == 1
    assert context.lake.rows("quarantine") == 1


def test_a_packed_text_beside_the_logs_loses_its_line_and_stays_packed(
    context: RunContext,
) -> None:
    taken, notes = context.home.root / "inbox" / "taken", context.home.root / "notes.txt.zst"
    ingest([_written(taken / "a.csv", as_csv(_rows(1)))], home=context.home.root)
    notes.write_bytes(_zstd(b"guest 730 asked\n730 rows\n"))
    assert forget_guest(context, GUEST).files["notes.txt.zst"] == 1
    with notes.open("rb") as raw:
        assert unpacked(raw, "zstd").read() == b"730 rows\n"


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
