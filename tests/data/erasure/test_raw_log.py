"""A guest's records leave a raw log of any kind that is read; every other byte stays."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.erasure.guest import Guest, as_read
from data.erasure.guest_records import UnsearchableError
from data.erasure.log_readings import Readings
from data.erasure.raw_log import find_in_log
from data.erasure.rewrite_log import write_without
from data.sources.mapping import load_mapping
from tests.data.conftest import Row, as_csv, sound_row

AIRBNB = Readings([load_mapping("airbnb")])
# An id that is also a listing, a number of nights and a price of other guests.
NUMBER = "730"
IDS = (NUMBER, '5" tv', "back\\slash", "naïve-ünï", "7", "x", "comma,id", "U1234567")


def _rows(guest: str) -> list[Row]:
    return [
        sound_row(1, id_user="U1", id_listing=NUMBER),
        sound_row(2, id_user=guest),
        sound_row(3, id_user="U3", listing_total_price=NUMBER),
        sound_row(4, id_user=f"{guest}0"),
        sound_row(5, id_user=guest),
    ]


def _without(path: Path, guest: str) -> tuple[int, Path]:
    """Records found, and the file without them."""
    known = Guest(ids=frozenset({as_read(guest)}))
    records = find_in_log(path, AIRBNB, known)
    draft = path.with_name(f"draft-{path.name}")
    write_without(records, draft)
    assert len(find_in_log(draft, AIRBNB, known)) == 0
    return len(records), draft


def _lines(text: str, left_out: tuple[int, ...]) -> str:
    """The text without its records of these numbers, the header being 0."""
    records = list(csv.reader(io.StringIO(text)))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(
        record for number, record in enumerate(records) if number not in left_out
    )
    return out.getvalue()


@pytest.mark.parametrize("guest", IDS)
def test_the_records_of_a_guest_leave_a_csv_and_no_other_byte_does(
    tmp_path: Path, guest: str
) -> None:
    path, text = tmp_path / "log.csv", as_csv(_rows(guest))
    path.write_text(text)
    count, draft = _without(path, guest)
    assert count == 2
    assert draft.read_text() == _lines(text, (2, 5))


ENCODERS: dict[str, Callable[[str], bytes]] = {
    "utf-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16, big end first": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "utf-32": lambda text: text.encode("utf-32"),
    "windows lines": lambda text: text.replace("\n", "\r\n").encode(),
    "old mac lines": lambda text: text.replace("\n", "\r").encode(),
    "no last line end": lambda text: text.rstrip("\n").encode(),
}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_whatever_the_encoding_the_bytes_of_others_are_those_that_were(
    tmp_path: Path, encoder: str
) -> None:
    encode, guest = ENCODERS[encoder], "naïve-ünï"
    rows = _rows(guest)
    # a character whose bytes hold a line end on an odd offset: U+010A is 0A 01
    rows[2] = rows[2] | {"listing_property_type": "Ċ"}
    text = as_csv([*rows, sound_row(6)])
    path = tmp_path / "log.csv"
    path.write_bytes(encode(text))
    count, draft = _without(path, guest)
    assert count == 2
    assert draft.read_bytes() == encode(_lines(text, (2, 5)))


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.txt"])
def test_gzip_is_known_by_its_bytes_and_written_the_same_twice(tmp_path: Path, name: str) -> None:
    path, text = tmp_path / name, as_csv(_rows(NUMBER))
    path.write_bytes(gzip.compress(text.encode()))
    _, draft = _without(path, NUMBER)
    assert gzip.decompress(draft.read_bytes()).decode() == _lines(text, (2, 5))
    first = draft.read_bytes()
    assert _without(path, NUMBER)[1].read_bytes() == first


def test_a_field_of_300_kb_a_stray_quote_and_a_break_inside_a_field_are_no_obstacle(
    tmp_path: Path,
) -> None:
    rows = [
        sound_row(1, listing_property_type="x" * 300_000),
        sound_row(2, id_user=NUMBER, listing_property_type='5" tv'),
        sound_row(3, listing_property_type="two\nlines, of one field"),
        sound_row(4, id_user=NUMBER, listing_property_type="two\n\nlines"),
    ]
    header, *_ = as_csv(rows).splitlines()
    broken = as_csv([sound_row(5, listing_property_type="ROOM")]).splitlines()[1]
    stray = broken.replace("ROOM", '"never closed')
    text = as_csv(rows) + "\n" + stray + "\n"
    path = tmp_path / "log.csv"
    path.write_text(text)
    count, draft = _without(path, NUMBER)
    assert count == 2
    kept = as_csv([rows[0], rows[2]]) + "\n" + stray + "\n"
    assert draft.read_text() == kept
    assert header in kept


def test_a_line_that_is_no_row_goes_where_the_guests_cell_must_be(tmp_path: Path) -> None:
    header, own, other = as_csv(
        [sound_row(1, id_user=NUMBER), sound_row(2, listing_total_price=NUMBER)]
    ).splitlines()
    path = tmp_path / "log.csv"
    path.write_text("\n".join([header, f"{own},odd", f"{other},odd", own, other]) + "\n")
    count, draft = _without(path, NUMBER)
    assert count == 2
    assert draft.read_text() == "\n".join([header, f"{other},odd", other]) + "\n"


TYPES = {
    "whole numbers": pa.int64(),
    "unsigned": pa.uint32(),
    "floats": pa.float64(),
    "text": pa.string(),
    "large text": pa.large_string(),
    "bytes": pa.binary(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", ["log.parquet", "log.csv"])
def test_parquet_loses_the_guests_rows_and_keeps_its_types(
    tmp_path: Path, kind: str, name: str
) -> None:
    rows = [row | {"id_user": str(700 + n)} for n, row in enumerate(_rows(NUMBER))]
    for place in (1, 4):
        rows[place]["id_user"] = NUMBER
    table = pl.DataFrame(rows).to_arrow()
    users = table["id_user"].cast(pa.string())
    typed = users.cast(pa.float64()) if kind in ("floats", "whole numbers", "unsigned") else users
    place = table.schema.get_field_index("id_user")
    table = table.set_column(place, "id_user", typed.cast(TYPES[kind]))
    table = table.append_column("price", pa.array([730.0] * len(rows)))
    path = tmp_path / name
    pq.write_table(table, path, row_group_size=2)
    count, draft = _without(path, NUMBER)
    assert count == 2
    kept = pq.ParquetFile(draft).read()
    assert kept.schema.equals(table.schema, check_metadata=True)
    assert kept.equals(table.take([0, 2, 3]))


def test_another_name_of_the_guests_column_is_read_from_the_mapping(tmp_path: Path) -> None:
    mapping = load_mapping("airbnb")
    columns = mapping.columns | {
        "id_user": mapping.columns["id_user"].model_copy(update={"column": "visitor"})
    }
    own = mapping.model_copy(update={"columns": columns})
    path = tmp_path / "log.csv"
    path.write_text(as_csv(_rows(NUMBER)).replace("id_user", "visitor"))
    guest = Guest(ids=frozenset({NUMBER}))
    assert len(find_in_log(path, Readings([own, mapping]), guest)) == 2
    with pytest.raises(UnsearchableError, match="name the mapping"):
        find_in_log(path, Readings([mapping]), guest)
    assert len(find_in_log(path, Readings([mapping]), Guest(ids=frozenset({"nobody-9"})))) == 0


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(as_csv(_rows(NUMBER)).encode())[:-40],
        b"PAR1 and then nothing",
        b"PK\x03\x04\x00\x00",
    ],
)
def test_what_cannot_be_read_is_said_and_not_taken_for_searched(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(UnsearchableError):
        find_in_log(path, AIRBNB, Guest(ids=frozenset({NUMBER})))


def test_a_log_with_a_second_header_is_searched_line_by_line(tmp_path: Path) -> None:
    text = as_csv(_rows(NUMBER)) + as_csv([sound_row(6)])
    path = tmp_path / "log.csv"
    path.write_text(text)
    count, draft = _without(path, NUMBER)
    assert count == 2
    assert draft.read_text() == _lines(text, (2, 5))


def test_a_file_that_is_no_log_loses_the_lines_that_name_the_guest(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("guest 730 asked\n730 rows\n")
    _, draft = _without(path, NUMBER)
    assert draft.read_text() == "730 rows\n"
