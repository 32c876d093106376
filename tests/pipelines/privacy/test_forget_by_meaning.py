"""A guest leaves a home by meaning: all that is the guest's, and nothing that is not."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.ingest import ingest
from data.lake.store import Lake
from data.readers.files import identify
from data.readers.ids import read_ids
from data.readers.open_log import open_log
from models.baselines.implicit_als import ImplicitALS
from models.two_tower.recommender import TwoTower
from pipelines.config.settings import Settings, SettingsError
from pipelines.privacy import Erasure, forget_guest
from pipelines.run_context import RunContext
from pipelines.tracking.model_checksums import check_manifest
from tests.data.conftest import as_csv, sound_row
from tests.pipelines.privacy.homes import (
    RUN,
    context_of,
    home_in_words,
    make_home,
    rows_of,
    training_rows,
)

GUESTS = ["730", "U1234567", '5" tv', "9", "naïve-1", "back\\slash"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home of six guests, to be copied, not changed."""
    return make_home(tmp_path_factory.mktemp("made") / "home", GUESTS).home.root


@pytest.fixture
def home(made: Path, tmp_path: Path) -> RunContext:
    return context_of(shutil.copytree(made, tmp_path / "home"))


def _bytes_of(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    "name", ["nobody", "73", "100", "450.5", "7300", "S1", "L1", "two_tower", "m"]
)
def test_an_id_that_nobody_has_changes_not_one_byte(home: RunContext, name: str) -> None:
    before = _bytes_of(home.home.root)
    erasure = forget_guest(home, name)
    assert not erasure.was_found
    assert erasure.lines(name) == [f"no trace of {name} was found; nothing was removed"]
    assert _bytes_of(home.home.root) == before


def test_a_guest_whom_only_a_log_names_is_found_where_it_says_guest(home: RunContext) -> None:
    log = home.home.logs / "notes.log"
    log.write_text("guest L999 asked\nL998 was booked\n")
    assert not forget_guest(home, "L998").was_found
    assert forget_guest(home, "L999").was_found
    assert log.read_text() == "L998 was booked\n"


@pytest.mark.parametrize("guest", GUESTS)
def test_what_is_the_guests_goes_and_what_is_of_others_stays(home: RunContext, guest: str) -> None:
    root, before = home.home.root, home_in_words(home)
    erasure = forget_guest(home, guest)
    assert erasure.not_rewritten == ()
    after = home_in_words(home)
    for table in ("impressions", "recommendations", "scores", "quarantine"):
        gone = [row for row in before[table] if row not in after[table]]
        assert len(gone) == erasure.rows[table] == (1 if table == "quarantine" else 2)
        assert [row for row in before[table] if row not in gone] == after[table]
    assert after["published"] == (before["published"][0] - 2,) * 2
    lines = (root / "logs" / "daily.log").read_text().splitlines()
    assert f"guest {guest} asked" not in lines
    others = [name for name in GUESTS if name != guest]
    assert [line for line in lines if line.startswith("guest")] == [
        f"guest {name} asked" for name in others
    ]
    if guest.isdigit():
        assert f"{guest} rows, price {guest}" in lines
        assert ("learning_rate", guest, "r") in after["params"]
    raw = (root / "inbox" / "taken" / "log.csv").read_bytes().decode().splitlines()
    old = before["inbox/taken/log.csv"].decode().splitlines()
    assert len(raw) == len(old) - 3
    assert [line for line in old if line in raw] == raw
    journal = json.loads((root / "batches/daily/2018-02-06/journal.json").read_text())
    assert journal == {"notes": [f"guest {name} asked" for name in others], "rows": [0, 1, 2]}
    for model in ("booster_0.txt", "ranker.json", "SHA256SUMS.json"):
        name = f"runs/{RUN}/models/ranker/{model}"
        assert after[name] == before[name]
    assert after["unfinished"] == after["drafts"] == []
    assert not forget_guest(home, guest).was_found


def test_models_forget_the_guest_keep_the_others_and_are_what_was_registered(
    home: RunContext,
) -> None:
    rows = training_rows(home.lake)
    others = rows.filter(pl.from_arrow(rows)["id_user"].ne("730").to_arrow())
    folders = {name: home.home.runs / RUN / "models" / name for name in ("als", "two_tower")}
    before = [
        ImplicitALS.load(folders["als"]).score(others),
        TwoTower.load(folders["two_tower"]).score(others),
    ]
    erasure = forget_guest(home, "730")
    assert erasure.trained_runs == (RUN,)
    assert erasure.versions == ("stayrank-two-tower 1",)
    for folder in folders.values():
        check_manifest(folder)
    als, tower = ImplicitALS.load(folders["als"]), TwoTower.load(folders["two_tower"])
    assert "730" not in als.guests.to_pylist()
    assert "730" not in tower.encoder.guests.to_list()
    assert "730" not in tower.events["id_user"].to_pylist()
    np.testing.assert_array_equal(als.score(others), before[0])
    np.testing.assert_array_equal(tower.score(others), before[1])
    # a guest whom the model never saw, like any other
    assert np.isfinite(tower.score(rows)).all()
    words = home_in_words(home)
    tags = {key: value for key, value, *_ in words["model_version_tags"]}
    for copy in (folders["two_tower"], home.home.artifacts / "two_tower/artifacts/model"):
        for file in copy.iterdir():
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            assert tags[f"sha256.{file.name}"] == digest


def test_a_model_that_is_not_what_was_saved_is_left_and_never_signed_again(
    home: RunContext,
) -> None:
    folder = home.home.runs / RUN / "models" / "als"
    (folder / "listings.parquet").write_bytes(b"damaged")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    erasure = forget_guest(home, "730")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert any("is not the file that was saved" in problem for problem in erasure.not_rewritten)
    # all else is done, and the same command goes on from there
    assert erasure.rows["impressions"] == 2
    assert forget_guest(home, "730").not_rewritten != ()
    shutil.rmtree(folder)
    assert forget_guest(home, "730").not_rewritten == ()
    assert not forget_guest(home, "730").was_found


def test_a_training_that_was_cut_off_is_no_hiding_place(home: RunContext) -> None:
    cut_off = home.home.runs / "2018-02-07T00-00-00-1"
    shutil.copytree(home.home.runs / RUN / "models", cut_off / "models")
    assert forget_guest(home, "730").not_rewritten == ()
    assert not cut_off.exists()
    assert (home.home.runs / RUN / "run.json").exists()


def test_a_raw_log_stays_known_when_it_was_rewritten(home: RunContext) -> None:
    rows = home.lake.rows("impressions")
    forget_guest(home, "730")
    report = ingest([home.home.root / "inbox" / "taken" / "log.csv"], home=home.home.root)
    assert [file.status for file in report.files] == ["already ingested"]
    assert home.lake.rows("impressions") == rows - 2


def test_what_cannot_be_searched_is_named_and_the_rest_is_done(home: RunContext) -> None:
    refused = home.home.root / "inbox" / "refused"
    refused.mkdir()
    (refused / "cut.csv").write_bytes(gzip.compress(as_csv(rows_of(GUESTS)).encode())[:-30])
    (refused / "cut.csv.reason.txt").write_text("guest 730 is in a bad file\nline 730\n")
    erasure = forget_guest(home, "730")
    assert ["inbox/refused/cut.csv" in p for p in erasure.not_rewritten] == [True]
    assert erasure.rows["impressions"] == 2
    assert (refused / "cut.csv.reason.txt").read_text() == "line 730\n"
    # nobody's id: not found, but not said to be nowhere either
    assert "cut.csv" in forget_guest(home, "nobody").not_rewritten[0]
    (refused / "cut.csv").unlink()
    assert forget_guest(home, "730").not_rewritten == ()


def test_a_database_in_use_is_named_and_the_same_command_finishes(home: RunContext) -> None:
    import sqlite3
    from contextlib import closing

    from pipelines.privacy import erase_databases

    with (
        pytest.MonkeyPatch.context() as patched,
        closing(sqlite3.connect(home.home.mlflow_database, isolation_level=None)) as server,
    ):
        patched.setattr(erase_databases, "SECONDS_TO_WAIT", 0.1)
        server.execute("BEGIN IMMEDIATE")
        erasure = forget_guest(home, "730")
        assert any("Stop the servers" in problem for problem in erasure.not_rewritten)
        assert erasure.rows["impressions"] == 2
        check_manifest(home.home.runs / RUN / "models" / "two_tower")
    assert forget_guest(home, "730").not_rewritten == ()
    assert not any("guest 730" in value for _, value, _ in home_in_words(home)["params"])


@pytest.mark.parametrize("name", ["", "  ", "NULL"])
def test_no_id_is_refused(home: RunContext, name: str) -> None:
    with pytest.raises(SettingsError, match="no guest's id"):
        forget_guest(home, name)


# ---- random homes


def _is_exact(name: str) -> bool:
    ids, is_inexact = read_ids(pl.Series([name]))
    return ids[0] == name and not is_inexact[0]


# U+FFFD stands for bytes that an encoding does not know: a row that holds it is rejected
ALPHABET = st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="\ufffd")
IDS = st.one_of(
    st.integers(0, 99_999).map(str),
    st.text(ALPHABET, min_size=1, max_size=3),
    st.text(ALPHABET, min_size=1, max_size=12),
    st.text('a1"\\,;', min_size=1, max_size=5),
    st.uuids().map(str),
).filter(_is_exact)


def _as_parquet(rows: list[dict[str, Any]], path: Path) -> None:
    frame = pl.DataFrame(rows)
    if all(row["id_user"].isdigit() and str(int(row["id_user"])) == row["id_user"] for row in rows):
        frame = frame.with_columns(pl.col("id_user").cast(pl.Int64))
    frame.write_parquet(path)


def _as_json_lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _by_arrow(text: str, packing: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, packing) as stream:
        stream.write(text.encode())
    return bytes(sink.getvalue())


WRITERS: dict[str, Callable[[list[dict[str, Any]], Path], object]] = {
    "plain.csv": lambda rows, path: path.write_text(as_csv(rows)),
    "packed.csv.gz": lambda rows, path: path.write_bytes(gzip.compress(as_csv(rows).encode())),
    "packed.csv": lambda rows, path: path.write_bytes(gzip.compress(as_csv(rows).encode())),
    "utf16.csv": lambda rows, path: path.write_bytes(as_csv(rows).encode("utf-16")),
    "tabs.tsv": lambda rows, path: path.write_text(as_csv(rows, "\t")),
    "lines.jsonl": lambda rows, path: path.write_text(_as_json_lines(rows)),
    "lines.ndjson": lambda rows, path: path.write_bytes(_as_json_lines(rows).encode("utf-16")),
    "lines.json.gz": lambda rows, path: path.write_bytes(
        gzip.compress(_as_json_lines(rows).encode())
    ),
    "packed.csv.zst": lambda rows, path: path.write_bytes(_by_arrow(as_csv(rows), "zstd")),
    "packed.csv.lz4": lambda rows, path: path.write_bytes(_by_arrow(as_csv(rows), "lz4")),
    "packed.csv.xz": lambda rows, path: path.write_bytes(lzma.compress(as_csv(rows).encode())),
    "packed.csv.bz2": lambda rows, path: path.write_bytes(bz2.compress(as_csv(rows).encode())),
    "log.parquet": _as_parquet,
    "really_parquet.csv": _as_parquet,
}


def _rows_in(path: Path) -> list[tuple[Any, ...]]:
    chunks = list(open_log(identify(path)).chunks())
    return [row for chunk in chunks for row in chunk.rows.rows()]


@settings(
    max_examples=24,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    guests=st.lists(IDS, min_size=2, max_size=5, unique=True),
    kind=st.sampled_from(sorted(WRITERS)),
    data=st.data(),
)
def test_of_any_home_one_guest_goes_and_every_other_stays(
    tmp_path: Path, guests: list[str], kind: str, data: st.DataObject
) -> None:
    root = tmp_path / hashlib.sha256(repr((guests, kind)).encode()).hexdigest()[:12]
    shutil.rmtree(root, ignore_errors=True)
    taken = root / "inbox" / "taken"
    taken.mkdir(parents=True)
    rejected = [sound_row(90 + n, id_user=g, label="flown") for n, g in enumerate(guests)]
    rows = [*rows_of(guests), *rejected]
    log = taken / kind
    WRITERS[kind](rows, log)
    ingest([log], home=root)
    guest = data.draw(st.sampled_from(guests))
    place = list(rows[0]).index("id_user")
    before = _rows_in(log), _tables(Lake(root))
    erasure: Erasure = forget_guest(context_of(root, Settings()), guest)
    assert erasure.not_rewritten == ()
    after = _rows_in(log), _tables(Lake(root))
    assert after[0] == [row for row in before[0] if str(row[place]) != guest]
    assert len(after[0]) == len(before[0]) - 3
    for name, of_guest in after[1].items():
        assert of_guest == [row for row in before[1][name] if row[0] != guest]
    assert len(after[1]["impressions"]) == len(before[1]["impressions"]) - 2
    assert len(after[1]["quarantine"]) == len(before[1]["quarantine"]) - 1
    assert not forget_guest(context_of(root, Settings()), guest).was_found


def _tables(lake: Lake) -> dict[str, list[tuple[Any, ...]]]:
    """Each row of the two tables, the guest first."""
    impressions = lake.scan("impressions").collect()
    others = sorted(set(impressions.columns) - {"id_user"})
    quarantine = lake.scan("quarantine").collect()
    named = [
        (str(json.loads(row)["id_user"]), row, line)
        for row, line in quarantine.select("row", "source_line").iter_rows()
    ]
    return {
        "impressions": sorted(impressions.select("id_user", *others).rows(), key=str),
        "quarantine": sorted(named),
    }
