"""Malformed logs by the dozen: each is refused, or its bad rows quarantined, as CONTRACT says.

A refusal names the file and what is wrong, writes nothing and leaves nothing in staging.
"""

from __future__ import annotations

import gzip
import io

import polars as pl
import pytest

from data.errors import DataError
from data.ingest import IngestOptions
from data.schema.reason_codes import Reason

COLUMNS = "id_search,id_listing,label,ts_search,query_market"
ROW_1 = "S1,L1,click,2018-02-05 10:00,Rio de Janeiro"
ROW_2 = "S2,L2,impressed,2018-02-05 11:00,Sao Paulo"
GOOD = f"{COLUMNS}\n{ROW_1}\n{ROW_2}\n"
PACKED = gzip.compress(GOOD.encode() * 200)


def _parquet(**columns: object) -> bytes:
    cells = dict(zip(COLUMNS.split(","), ROW_1.split(","), strict=True))
    buffer = io.BytesIO()
    pl.DataFrame({name: [value] for name, value in cells.items()} | columns).write_parquet(buffer)
    return buffer.getvalue()


def _without(column: str) -> str:
    keep = [i for i, name in enumerate(COLUMNS.split(",")) if name != column]
    return "\n".join(",".join(line.split(",")[i] for i in keep) for line in GOOD.splitlines())


def _quoted(text: str) -> str:
    return "\n".join('"' + line.replace(",", '","') + '"' for line in text.splitlines())


PARQUET = _parquet()
PARQUET_OF_OTHERS = _parquet().replace(b"id_search", b"id_sreach")
HALF_SURROGATE = b"\xff\xfe" + f"{GOOD}{ROW_1}".encode("utf-16-le") + b"\x00\xd8"
OPEN_AMONG_QUOTED = "\n".join([COLUMNS, '"S0,L0', _quoted(ROW_1), ROW_2, ""])

# name → content, and words that the message must hold
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "empty file": ("", "empty"),
    "only blank lines": ("\n\n\n", "header"),
    "only spaces": ("   \n", "header"),
    "only a BOM": (b"\xef\xbb\xbf", "header"),
    "prose": ("Dear colleagues,\nplease find attached\n", "id_search"),
    "one column": ("hello\nworld\n", "one column"),
    "html": ("<html>\n<body></body>\n</html>\n", "not a log"),
    "json": ('{"id_search": 1, "label": 2}\n', "id_search"),
    "json lines": ('{"id_search": 1}\n{"id_search": 2}\n', "not a log"),
    "zip": (b"PK\x03\x04" + b"\x00" * 50, "zip"),
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "png": (b"\x89PNG\r\n\x1a\n" + b"\x00" * 9, "picture"),
    "xz": (b"\xfd7zXZ\x00" + b"\x00" * 9, "xz"),
    "bzip2": (b"BZh91AY" + b"\x00" * 9, "bzip2"),
    "zstd": (b"(\xb5/\xfd" + b"\x00" * 9, "zstd"),
    "sqlite": (b"SQLite format 3\x00", "database"),
    "zeros": (b"\x00" * 5000, "not a log"),
    "noise": (bytes(range(128, 256)) * 40, "UTF-8"),
    "other csv": ("a,b,c\n1,2,3\n", "id_search"),
    "data without header": (f"{ROW_1}\n{ROW_2}\n", "id_search"),
    "title above the header": (f"Search log\n{GOOD}", "one column"),
    "column named twice": (f"{COLUMNS},label\n{ROW_1},x\n", "twice"),
    "column named twice but for spaces": (f"{COLUMNS}, label \n{ROW_1},x\n", "twice"),
    "header in the middle": (f"{GOOD}{GOOD}", "line 4"),
    "header again at once": (f"{COLUMNS}\n{GOOD}", "line 2"),
    "header at the end": (f"{GOOD}{COLUMNS}", "line 4"),
    **{f"no {name}": (_without(name), name) for name in COLUMNS.split(",")},
    "misspelt column": (GOOD.replace("id_listing", "id_lising", 1), "did you mean"),
    "every label unknown": (GOOD.replace("click", "x").replace("impressed", "y"), "every one"),
    "every row short": (f"{COLUMNS}\nS1,L1\nS2,L2\n", "every one"),
    "every market unknown": (f"{COLUMNS}\n{ROW_1.replace('Rio de Janeiro', 'Rome')}\n", "every"),
    "every row of another encoding": (
        GOOD.replace("Sao", "São").replace("Rio", "Río").encode("latin-1"),
        "--encoding",
    ),
    "header of another encoding": (f"{COLUMNS},café\n{ROW_1},1\n".encode("latin-1"), "line 1"),
    "utf-16 without BOM": (GOOD.encode("utf-16-le"), "--encoding"),
    "truncated gzip": (PACKED[: len(PACKED) // 2], "truncated"),
    "gzip without its end": (PACKED[:-6], "truncated"),
    "gzip of nothing": (gzip.compress(b""), "header"),
    "gzip with a flipped byte": (PACKED[:-5] + b"\x99" + PACKED[-4:], "corrupt"),
    "gzip header alone": (PACKED[:10], "truncated"),
    "gzip then garbage": (gzip.compress(GOOD.encode()) + b"garbage", "corrupt"),
    "truncated parquet": (PARQUET[: len(PARQUET) // 2], "Parquet"),
    "parquet magic alone": (b"PAR1", "Parquet"),
    "parquet without footer": (PARQUET[:-12], "Parquet"),
    "parquet of other columns": (PARQUET_OF_OTHERS, "id_search"),
    "parquet with a list column": (_parquet(label=[["click"]]), "label"),
    "parquet with a struct column": (_parquet(label=[{"a": 1}]), "label"),
    "parquet, every row rejected": (_parquet(label=["x"]), "every one"),
    "simulated and real rows": (f"{COLUMNS},is_simulated\n{ROW_1},true\n{ROW_2},\n", "simulated"),
    "return inside the header": (GOOD.replace("label", "la\rbel", 1), "one column"),
    "header never ends": ("a" * (1 << 21), "first line"),
    "unclosed quote in the header": (f'"{COLUMNS}\n{ROW_1}\n', "one column"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_log_is_refused_with_a_message_and_nothing_is_written(world, name):
    content, message = REFUSED[name]
    path = world.file(content, "bad.csv")
    with pytest.raises(DataError) as refusal:
        world.ingest(path)
    assert "bad.csv" in str(refusal.value)
    assert message in str(refusal.value)
    assert world.is_untouched()


R = Reason
# What the two rows of GOOD become: search, listing, stage, time, market.
Impression = tuple[str, str, int, str, str]
FIRST: Impression = ("S1", "L1", 1, "2018-02-05 10:00:00", "rio_de_janeiro")
SECOND: Impression = ("S2", "L2", 0, "2018-02-05 11:00:00", "sao_paulo")
# name → the first row, where it is not FIRST
OTHER_FIRST: dict[str, Impression] = {
    "quoted separator": ("S1", "L,1", *FIRST[2:]),
    "doubled quotes": ("S1", 'L"1', *FIRST[2:]),
    "inch sign": ("S1", 'L1"', *FIRST[2:]),
    "two inch signs": ("S1", 'L"1"x', *FIRST[2:]),
    "us dates with am and pm": ("S1", "L1", 1, "2018-02-05 22:00:00", "rio_de_janeiro"),
    "seconds and fractions": ("S1", "L1", 1, "2018-02-05 10:00:30", "rio_de_janeiro"),
    # 10:00-03:00 is 13:00 UTC, and Rio's clock was at -02:00: summer time
    "offset times": ("S1", "L1", 1, "2018-02-05 11:00:00", "rio_de_janeiro"),
    "parquet with numbers as ids": ("7", "8", *FIRST[2:]),
}
OTHER_SECOND: dict[str, Impression] = {
    "offset times": ("S2", "L2", 0, "2018-02-05 09:00:00", "sao_paulo"),
}
# name → content, rows accepted, and the quarantined lines with their codes
TAKEN: dict[str, tuple[str | bytes, int, list[tuple[int, Reason]]]] = {
    "sound": (GOOD, 2, []),
    "header only": (f"{COLUMNS}\n", 0, []),
    "header without line end": (COLUMNS, 0, []),
    "no line end at the end": (GOOD.rstrip(), 2, []),
    "windows line ends": (GOOD.replace("\n", "\r\n"), 2, []),
    "old mac line ends": (GOOD.replace("\n", "\r"), 2, []),
    "blank lines at the end": (GOOD + "\n\n  \n", 2, []),
    "blank line inside": (f"{COLUMNS}\n{ROW_1}\n\n{ROW_2}\n", 2, []),
    "utf-8 BOM": (b"\xef\xbb\xbf" + GOOD.encode(), 2, []),
    "utf-16 little endian": (b"\xff\xfe" + GOOD.encode("utf-16-le"), 2, []),
    "utf-16 big endian": (b"\xfe\xff" + GOOD.encode("utf-16-be"), 2, []),
    "utf-32": (GOOD.encode("utf-32"), 2, []),
    "gzip": (gzip.compress(GOOD.encode()), 2, []),
    "gzip in two members": (
        gzip.compress(GOOD[:99].encode()) + gzip.compress(GOOD[99:].encode()),
        2,
        [],
    ),
    "gzip of utf-16": (gzip.compress(GOOD.encode("utf-16")), 2, []),
    "semicolons": (GOOD.replace(",", ";"), 2, []),
    "tabs": (GOOD.replace(",", "\t"), 2, []),
    "pipes": (GOOD.replace(",", "|"), 2, []),
    "spaces around names": (GOOD.replace(",label,", " , label ,", 1), 2, []),
    "spaces around values": (GOOD.replace("click", " click "), 2, []),
    "everything quoted": (_quoted(GOOD), 2, []),
    "quoted header": ("\n".join(['"' + COLUMNS.replace(",", '","') + '"', ROW_1]), 1, []),
    "quoted separator": (GOOD.replace("L1", '"L,1"'), 2, []),
    "quoted line end": (f'{COLUMNS},note\n{ROW_1},"a\nb"\n{ROW_2},x\n', 2, []),
    "doubled quotes": (GOOD.replace("L1", '"L""1"'), 2, []),
    "inch sign": (GOOD.replace("L1", 'L1"'), 2, []),
    "two inch signs": (GOOD.replace("L1", 'L"1"x'), 2, []),
    "unnamed column": (f"{COLUMNS},\n{ROW_1},1\n{ROW_2},2\n", 2, []),
    "trailing separator everywhere": (GOOD.replace("\n", ",\n"), 2, []),
    "upper-case labels": (GOOD.replace("click", "CLICK"), 2, []),
    "us dates": (GOOD.replace("2018-02-05", "2/5/18"), 2, []),
    "us dates with am and pm": (GOOD.replace("2018-02-05 10:00", "2/5/2018 10:00 PM"), 2, []),
    "seconds and fractions": (GOOD.replace("10:00", "10:00:30.25"), 2, []),
    "offset times": (GOOD.replace("10:00", "10:00-03:00").replace("11:00", "11:00Z"), 2, []),
    "iso with T": (GOOD.replace("2018-02-05 ", "2018-02-05T"), 2, []),
    "parquet": (PARQUET, 1, []),
    "parquet with dictionaries": (
        _parquet(label=pl.Series(["click"], dtype=pl.Categorical)),
        1,
        [],
    ),
    "parquet with numbers as ids": (_parquet(id_search=[7], id_listing=[8.0]), 1, []),
    "parquet with a column of nothing": (_parquet(id_user=pl.Series([None], dtype=pl.Null)), 1, []),
    "line too short": (f"{GOOD}S3,L3,click\n", 2, [(4, R.WRONG_FIELD_COUNT)]),
    "line too long": (f"{GOOD}{ROW_1},x\n", 2, [(4, R.WRONG_FIELD_COUNT)]),
    "last line cut off": (f"{GOOD}S3,L3,cl", 2, [(4, R.WRONG_FIELD_COUNT)]),
    "prose inside": (f"{COLUMNS}\n{ROW_1}\nsorry\n{ROW_2}\n", 2, [(3, R.WRONG_FIELD_COUNT)]),
    "bytes that are no text": (
        GOOD.encode() + b"S3,L\xff,click,2018-02-05 10:00,Rio\n",
        2,
        [(4, R.NOT_TEXT)],
    ),
    "half a character": (
        GOOD.encode() + b"S3,L\xc3,click,2018-02-05 10:00,Rio\n",
        2,
        [(4, R.NOT_TEXT)],
    ),
    "a zero byte": (GOOD.encode() + b"S3,L\x00,click,2018-02-05 10:00,Rio\n", 2, [(4, R.NOT_TEXT)]),
    "odd utf-16": (
        b"\xff\xfe" + (GOOD + "S").encode("utf-16-le")[:-1],
        2,
        [(4, R.WRONG_FIELD_COUNT)],
    ),
    "half a surrogate": (HALF_SURROGATE, 2, [(4, R.NOT_TEXT)]),
    "quote never closed": (
        f'{COLUMNS}\n"S0,L0,click\n{ROW_1}\n{ROW_2}\n',
        2,
        [(2, R.WRONG_FIELD_COUNT)],
    ),
    "quote never closed in the last line": (
        f'{GOOD}S3,"L3,click,2018-02-05 10:00,Rio\n',
        2,
        [(4, R.WRONG_FIELD_COUNT)],
    ),
    "two lines with open quotes": (
        f'{COLUMNS}\n"S0,L0\n{ROW_1}\n"S9,L9\n{ROW_2}\n',
        2,
        [(2, R.WRONG_FIELD_COUNT), (4, R.WRONG_FIELD_COUNT)],
    ),
    "open quote among quoted lines": (OPEN_AMONG_QUOTED, 2, [(2, R.WRONG_FIELD_COUNT)]),
    "another separator in one line": (
        f"{GOOD}{ROW_1.replace(',', ';')}\n",
        2,
        [(4, R.WRONG_FIELD_COUNT)],
    ),
    "unknown label": (f"{GOOD}{ROW_1.replace('click', 'buy')}\n", 2, [(4, R.LABEL_UNKNOWN)]),
    "unknown market": (
        f"{GOOD}{ROW_1.replace('Rio de Janeiro', 'Rome')}\n",
        2,
        [(4, R.MARKET_UNKNOWN)],
    ),
    "date that does not exist": (
        f"{GOOD}{ROW_1.replace('02-05', '02-31')}\n",
        2,
        [(4, R.TIME_UNREADABLE)],
    ),
    "day first": (
        f"{GOOD}{ROW_1.replace('2018-02-05', '25/2/2018')}\n",
        2,
        [(4, R.TIME_UNREADABLE)],
    ),
    "hour 25": (f"{GOOD}{ROW_1.replace('10:00', '25:00')}\n", 2, [(4, R.TIME_UNREADABLE)]),
    "the same row twice": (f"{GOOD}{ROW_1}\n", 2, [(4, R.DUPLICATE)]),
    "two labels of one key": (
        f"{GOOD}{ROW_1.replace('click', 'impress')}\n",
        2,
        [(4, R.DUPLICATE)],
    ),
    "a search at two times": (
        f"{GOOD}S2,L9,click,2018-02-05 11:01,Sao Paulo\n",
        1,
        [(3, R.SEARCH_TWO_TIMES), (4, R.SEARCH_TWO_TIMES)],
    ),
}


def _impressions(world) -> list[Impression]:
    names = ("id_search", "id_listing", "stage", "ts_search", "market")
    return [
        tuple(row[n] if n == "stage" else str(row[n]) for n in names) for row in world.impressions()
    ]


@pytest.mark.parametrize("name", TAKEN)
def test_sound_rows_are_read_as_they_are_and_each_bad_row_quarantined(world, name):
    content, accepted, quarantined = TAKEN[name]
    report = world.ingest(world.file(content, "odd.csv"))
    assert report.rows_accepted == accepted
    sound = [OTHER_FIRST.get(name, FIRST), OTHER_SECOND.get(name, SECOND)]
    assert _impressions(world) == sound[:accepted]
    assert world.quarantine() == [(line, str(code)) for line, code in quarantined]
    assert world.accounts_for_every_row()


def test_other_encoding_is_read_when_named(world):
    path = world.file(GOOD.replace("Sao", "São").replace("L2", "Lé").encode("latin-1"))
    world.ingest(path, options=IngestOptions(encoding="latin-1"))
    assert _impressions(world) == [FIRST, ("S2", "Lé", *SECOND[2:])]


def test_folder_with_one_broken_file_is_refused_whole(world):
    folder = world.folder / "logs"
    folder.mkdir()
    (folder / "a.csv").write_text(GOOD)
    (folder / "b.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"b\.csv"):
        world.ingest(folder)
    assert world.is_untouched()


def test_folder_with_a_truncated_archive_is_refused_after_the_others_were_read(world):
    folder = world.folder / "logs"
    folder.mkdir()
    (folder / "a.csv").write_text(GOOD)
    (folder / "b.csv.gz").write_bytes(PACKED[:-6])
    with pytest.raises(DataError, match=r"b\.csv\.gz"):
        world.ingest(folder)
    assert world.is_untouched()


def test_folder_and_glob_take_every_log_in_them(world):
    folder = world.folder / "logs"
    folder.mkdir()
    (folder / "a.csv").write_text(f"{COLUMNS}\n{ROW_1}\n")
    (folder / "b.parquet").write_bytes(_parquet(id_search=["S3"]))
    (folder / "readme.md").write_text("not a log")
    assert world.ingest(folder).rows_accepted == 2
    assert sorted(_impressions(world)) == [FIRST, ("S3", *FIRST[1:])]
    assert [file.status for file in world.ingest(folder / "*.csv").files] == ["already ingested"]


@pytest.mark.parametrize("name", ["nowhere.csv", "no*.csv"])
def test_path_that_names_nothing_is_refused(world, name):
    with pytest.raises(DataError, match="no such file"):
        world.ingest(world.folder / name)
