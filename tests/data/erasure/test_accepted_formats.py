"""A guest leaves a log of every format that is accepted, by the reading of that very log."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.erasure.guest import Guest, as_read
from data.erasure.guest_records import GuestRecords, UnsearchableError
from data.erasure.log_readings import Readings
from data.erasure.raw_log import find_in_log
from data.erasure.rewrite_log import write_without
from data.ingest.known_files import KnownFile, reading_of
from data.readers.files import identify
from data.readers.partitions import partition_of
from data.readers.unpack import packing_of, unpacked
from data.sources.mapping import Mapping, load_mapping
from tests.data.conftest import Row, as_csv, sound_row

NUMBER = "730"
AIRBNB = load_mapping("airbnb")


def _by_arrow(packing: str) -> Callable[[bytes], bytes]:
    def pack(content: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, packing) as stream:
            stream.write(content)
        return bytes(sink.getvalue())

    return pack


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": _by_arrow("zstd"),
    ".lz4": _by_arrow("lz4"),
}


def _rows(guest: str) -> list[Row]:
    return [
        sound_row(1, id_user=guest),
        sound_row(2, id_user="U2", id_listing=NUMBER),
        sound_row(3, id_user="U3", listing_total_price=NUMBER),
        sound_row(4, id_user=f"{guest}0"),
        sound_row(5, id_user=guest),
    ]


def _erased(path: Path, guest: str, readings: Readings | None = None) -> tuple[int, Path]:
    """Records found, and the file without them, in which no more are found."""
    readings = readings or Readings([AIRBNB])
    known = Guest(ids=frozenset({as_read(guest)}))
    records = find_in_log(path, readings, known)
    draft = path.with_name(f"draft-{path.name}")
    write_without(records, draft)
    left: GuestRecords = find_in_log(draft, readings, known, first=records.reading)
    assert len(left) == 0
    return len(records), draft


def _content(path: Path) -> bytes:
    with path.open("rb") as raw:
        packing = packing_of(raw.read(8))
        raw.seek(0)
        return unpacked(raw, packing).read()


@pytest.mark.parametrize("packing", PACKERS)
def test_csv_packed_in_any_way_stays_packed_so(tmp_path: Path, packing: str) -> None:
    path, lines = tmp_path / f"log.csv{packing}", as_csv(_rows(NUMBER)).splitlines(keepends=True)
    path.write_bytes(PACKERS[packing]("".join(lines).encode()))
    count, draft = _erased(path, NUMBER)
    assert count == 2
    assert _content(draft).decode() == "".join([lines[0], *lines[2:5]])
    assert packing_of(draft.read_bytes()[:8]) == packing_of(path.read_bytes()[:8])


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("name", ["log.jsonl", "log.ndjson", "log.json", "log.csv"])
def test_lines_of_json_lose_the_guests_lines_alone(tmp_path: Path, packing: str, name: str) -> None:
    lines = [json.dumps(row) + "\n" for row in _rows(NUMBER)]
    lines[4] = lines[4].replace('"730"', "730.0")  # a number is the same guest
    path = tmp_path / f"{name}{packing}"
    path.write_bytes(PACKERS[packing]("".join(lines).encode()))
    count, draft = _erased(path, NUMBER)
    assert count == 2
    assert _content(draft).decode() == "".join(lines[1:4])


def test_the_mark_of_a_text_stays_when_its_first_line_goes(tmp_path: Path) -> None:
    lines = [json.dumps(row) + "\n" for row in _rows(NUMBER)]
    for encoding in ("utf-8-sig", "utf-16"):
        path = tmp_path / f"{encoding}.jsonl"
        path.write_bytes("".join(lines).encode(encoding))
        _, draft = _erased(path, NUMBER)
        assert draft.read_bytes() == "".join(lines[1:4]).encode(encoding)


def test_lines_of_json_spell_an_id_with_escapes_or_are_no_json(tmp_path: Path) -> None:
    escaped = json.dumps(sound_row(1, id_user="naïve-1")) + "\n"
    assert "\\u00ef" in escaped
    other = json.dumps(sound_row(2)) + "\n"
    broken = '{"id_user": "naïve-1", "id_search": \n'
    path = tmp_path / "log.jsonl"
    path.write_text(escaped + "\n" + other + broken + '{"price": 1, \n')
    count, draft = _erased(path, "naïve-1")
    assert count == 2
    assert draft.read_text() == "\n" + other + '{"price": 1, \n'


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_loses_the_entries_and_keeps_the_others_letters(
    tmp_path: Path, indent: int | None
) -> None:
    own = {"id_search": "S1", "id_user": 730}
    inner = {"id_search": "S1", "guest": {"id_user": "730"}}
    others = [{"id_user": 9, "price": 730}, {"id_user": 7300}]
    path = tmp_path / "log.json"
    path.write_text(json.dumps([own, others[0], inner, others[1], own], indent=indent))
    count, draft = _erased(path, NUMBER)
    assert count > 0
    assert json.loads(draft.read_text()) == others
    assert json.dumps(others[0], indent=indent).replace("\n", "\n  ") in draft.read_text()


def test_a_sep_line_a_header_of_two_lines_and_backslashes_are_no_obstacle(tmp_path: Path) -> None:
    header, *lines = as_csv(_rows(NUMBER)).replace(",", ";").splitlines()
    text = ["sep=;", header + ';"label\n(furthest)"']
    text += [line + r';"said \"hm\""' for line in lines]
    path = tmp_path / "log.csv"
    path.write_text("\r\n".join(text) + "\r\n", newline="")
    count, draft = _erased(path, NUMBER)
    assert count == 2
    assert draft.read_bytes().decode() == "\r\n".join([*text[:2], *text[3:6]]) + "\r\n"


def _known(path: Path, mapping: Mapping, encoding: str | None = None) -> dict[str, KnownFile]:
    file = identify(path, partition_of(path, mapping.needs))
    read_as = json.loads(reading_of(mapping, encoding, file))
    known = KnownFile(
        source=mapping.name, rows_accepted=1, ingested_at="2026-01-01", read_as=read_as
    )
    return {file.source_id: known}


def test_the_encoding_that_the_lake_remembers_is_the_one_that_is_read(tmp_path: Path) -> None:
    lines = as_csv(_rows("josé")).splitlines(keepends=True)
    for encoding in ("latin-1", "utf-16-le", "cp037"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes("".join(lines).encode(encoding))
        readings = Readings([AIRBNB], _known(path, AIRBNB, encoding))
        known = Guest(ids=frozenset({"josé"}))
        records = find_in_log(path, readings, known)
        write_without(records, tmp_path / "draft.csv")
        kept = "".join([lines[0], *lines[2:5]])
        assert (tmp_path / "draft.csv").read_bytes() == kept.encode(encoding)


def _with_guest(**rule: object) -> Mapping:
    return Mapping.model_validate(
        AIRBNB.model_dump(exclude_unset=True)
        | {"columns": {**AIRBNB.model_dump(exclude_unset=True)["columns"], "id_user": rule}}
    )


def test_each_file_is_read_with_its_own_mapping(tmp_path: Path) -> None:
    """Both have a column id_user: in the second file it is somebody who works there."""
    other = _with_guest(column="visitor")
    path = tmp_path / "log.csv"
    rows = [row | {"visitor": f"V{n}"} for n, row in enumerate(_rows(NUMBER))]
    path.write_text(as_csv(rows))
    readings = Readings([AIRBNB], _known(path, other))
    assert len(find_in_log(path, readings, Guest(ids=frozenset({NUMBER})))) == 0
    assert len(find_in_log(path, readings, Guest(ids=frozenset({"V3"})))) == 1
    assert len(find_in_log(path, Readings([AIRBNB]), Guest(ids=frozenset({NUMBER})))) == 2


def test_an_id_of_several_columns_or_at_the_end_of_a_path_is_computed(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = [row | {"site": "s", "page": f"/u/{row['id_user']}"} for row in _rows(NUMBER)]
    path.write_text(as_csv(rows))
    joined = Readings([_with_guest(join=("site", "id_user"))])
    assert len(find_in_log(path, joined, Guest(ids=frozenset({"s/730"})))) == 2
    at_end = Readings([_with_guest(column="page", after_last="/")])
    assert len(find_in_log(path, at_end, Guest(ids=frozenset({"730"})))) == 2


def test_columns_in_another_case_and_in_the_names_of_folders_are_the_guests(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.csv"
    path.write_text(as_csv(_rows(NUMBER)).replace("id_user", "ID_USER", 1))
    assert _erased(path, NUMBER)[0] == 2
    folder = tmp_path / "id_user=730"
    folder.mkdir()
    rows = [{k: v for k, v in row.items() if k != "id_user"} for row in _rows(NUMBER)]
    for name in ("id_user=730", "id_user=9"):
        (tmp_path / name).mkdir(exist_ok=True)
        pl.DataFrame(rows).write_parquet(tmp_path / name / "part-0.parquet")
    known = Guest(ids=frozenset({NUMBER}))
    records = find_in_log(folder / "part-0.parquet", Readings([AIRBNB]), known)
    assert (len(records), records.is_named_by_folder) == (5, True)
    other = find_in_log(tmp_path / "id_user=9" / "part-0.parquet", Readings([AIRBNB]), known)
    assert (len(other), other.is_named_by_folder) == (0, False)


USER_TYPES: dict[str, tuple[list[object], pa.DataType, str]] = {
    "decimal": ([Decimal(n) for n in (730, 9, 7300)], pa.decimal128(20, 0), "730"),
    "long decimal": ([Decimal(n) for n in (10**50, 9, 7)], pa.decimal256(60, 0), str(10**50)),
    "decimal with a fraction": (
        [Decimal(n) for n in ("730.00", "9.00", "7.30")],
        pa.decimal128(20, 2),
        "730",
    ),
    "small floats": ([730.0, 9.0, 7300.0], pa.float32(), "730"),
    "bytes": ([b"U-730", b"U-9", b"U-7300"], pa.large_binary(), "U-730"),
    "16 bytes": (
        [uuid.UUID(int=n).bytes for n in (2**127 + 730, 9, 7300)],
        pa.binary(16),
        str(uuid.UUID(int=2**127 + 730)),
    ),
}


@pytest.mark.parametrize("kind", USER_TYPES)
def test_parquet_ids_of_every_type_are_compared_as_they_are_read(tmp_path: Path, kind: str) -> None:
    values, dtype, guest = USER_TYPES[kind]
    rows = pl.DataFrame(_rows("x")[:3]).drop("id_user").to_arrow()
    table = rows.append_column("id_user", pa.array(values, dtype))
    path = tmp_path / "log.parquet"
    pq.write_table(table, path, compression="zstd")
    count, draft = _erased(path, guest)
    assert count == 1
    kept = pq.ParquetFile(draft).read()
    assert kept.schema.equals(table.schema, check_metadata=True)
    assert kept.equals(table.slice(1))


def test_an_id_that_lost_its_digits_is_said_to_be_in_doubt(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(as_csv([sound_row(1), sound_row(2, id_user="1.23457E+18")]))
    with pytest.raises(UnsearchableError, match="line 3: holds an id that lost its digits"):
        find_in_log(path, Readings([AIRBNB]), Guest(ids=frozenset({"1234567890123456789"})))
    assert len(find_in_log(path, Readings([AIRBNB]), Guest(ids=frozenset({"1239"})))) == 0
    table = pl.DataFrame([sound_row(1)]).with_columns(id_user=pl.lit(2.0**60))
    table.write_parquet(tmp_path / "log.parquet")
    with pytest.raises(UnsearchableError, match="line 1"):
        find_in_log(
            tmp_path / "log.parquet", Readings([AIRBNB]), Guest(ids=frozenset({str(2**60 + 1)}))
        )


def test_a_row_that_lists_several_guests_is_named_and_not_taken_from_them(tmp_path: Path) -> None:
    rows = pl.DataFrame(_rows(NUMBER)[:2]).with_columns(id_user=pl.Series([["730"], ["9", "8"]]))
    rows.write_parquet(tmp_path / "log.parquet")
    assert _erased(tmp_path / "log.parquet", NUMBER)[0] == 1
    with pytest.raises(UnsearchableError, match="line 2: holds several guests"):
        find_in_log(tmp_path / "log.parquet", Readings([AIRBNB]), Guest(ids=frozenset({"9"})))


def test_a_log_without_a_header_has_a_row_in_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    _, *lines = as_csv(_rows("U1234567")).splitlines(keepends=True)
    path.write_text("".join(lines))
    count, draft = _erased(path, "U1234567")
    assert count == 2
    assert draft.read_text() == "".join(lines[1:4])
    path.write_text("".join(as_csv(_rows(NUMBER)).splitlines(keepends=True)[1:]))
    with pytest.raises(UnsearchableError, match="no mapping calls the guest's"):
        find_in_log(path, Readings([AIRBNB]), Guest(ids=frozenset({NUMBER})))


def test_of_a_line_beyond_all_limits_the_end_is_searched_too(tmp_path: Path) -> None:
    header, own, other = as_csv([sound_row(1, id_user="U1234567"), sound_row(2)]).splitlines()
    long = "x" * (17 << 20)
    path = tmp_path / "log.csv.gz"
    text = "\n".join([header, long + " of guest U1234567 ", other, long, own]) + "\n"
    path.write_bytes(gzip.compress(text.encode(), compresslevel=1))
    count, draft = _erased(path, "U1234567")
    assert count == 2
    assert _content(draft).decode() == f"{header}\n{other}\n{long}\n"


def test_parquet_inside_an_archive_is_said_and_not_taken_for_searched(tmp_path: Path) -> None:
    pl.DataFrame(_rows(NUMBER)).write_parquet(tmp_path / "log.parquet")
    path = tmp_path / "log.parquet.gz"
    path.write_bytes(gzip.compress((tmp_path / "log.parquet").read_bytes()))
    with pytest.raises(UnsearchableError):
        find_in_log(path, Readings([AIRBNB]), Guest(ids=frozenset({NUMBER})))


def test_a_line_that_holds_a_whole_search_goes_whole(tmp_path: Path) -> None:
    lines = [
        "user_id,session_id,timestamp,step,reference,platform,city,device,impressions,prices",
        'U1234567,s1,1541037460,1,L2,BR,"Rio, Brazil",mobile,L1|L2|730,10|20|30',
        '730,s2,1541037460,1,L2,BR,"Rio, Brazil",mobile,L1|L2,10|20',
        'U9,s3,1541037460,1,730,BR,"Rio, Brazil",mobile,L1|730,730|20',
    ]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(lines) + "\n")
    count, draft = _erased(path, NUMBER, Readings([AIRBNB, load_mapping("trivago_2019")]))
    assert count == 1
    assert draft.read_text() == "\n".join([*lines[:2], lines[3]]) + "\n"


def test_of_a_list_of_guests_the_line_goes_only_where_it_lists_one(tmp_path: Path) -> None:
    mapping = load_mapping("trivago_2019")
    dump = mapping.model_dump(exclude_unset=True)
    explode = {**dump["explode"], "guest": {"column": "user_id", "separator": "|"}}
    columns = {**dump["columns"], "id_user": {"column": "guest"}}
    readings = Readings([Mapping.model_validate(dump | {"explode": explode, "columns": columns})])
    path = tmp_path / "log.csv"
    path.write_text("user_id,impressions\n730|730,L1|L2\n9|8,L1|L2\n")
    assert _erased(path, NUMBER, readings)[0] == 1
    with pytest.raises(UnsearchableError, match="line 3: holds several guests"):
        find_in_log(path, readings, Guest(ids=frozenset({"8"})))


def test_a_refused_text_of_another_encoding_is_searched_as_what_it_is(tmp_path: Path) -> None:
    lines = as_csv(_rows("josé-1")).splitlines(keepends=True)
    kept = "".join([lines[0], *lines[2:5]])
    for encoding in ("cp1252", "utf-16-le", "utf-16-be"):
        path = tmp_path / "log.csv"
        path.write_bytes("".join(lines).encode(encoding))
        count, draft = _erased(path, "josé-1")
        assert count == 2
        assert draft.read_bytes() == kept.encode(encoding)


def test_the_mappings_of_the_lake_say_which_columns_of_its_rows_are_guests(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(as_csv(_rows(NUMBER)))
    own = _with_guest(column="visitor")
    (of_lake,) = Readings([AIRBNB], _known(path, own)).of_lake
    assert of_lake.columns == own.columns
    assert Readings([AIRBNB]).of_lake == (AIRBNB,)
