"""Damaged logs: any bytes changed, lost or added; a clear refusal, or every row accounted for."""

from __future__ import annotations

import io
from csv import DictWriter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import data.sources.mapping
from data.errors import DataError
from data.ingest import IngestOptions
from data.ingest.lineage import with_lineage
from data.ingest.rejections import RejectionLimits
from data.readers import csv
from data.readers.words import word_key
from data.sources import explode

AIRBNB = Path(data.sources.mapping.__file__).parent / "airbnb.toml"

# Words of several scripts, signs and null spellings, as markets, labels, ids and values.
SCRIPTS = [
    *("показ", "КЛИК", "Σαντορίνη", "ΣΑΝΤΟΡΊΝΗ", "東京", "北京", "القاهرة", "दिल्ली"),
    *("København", "K-benhavn", "-1", "1", "1.0", "１", "São Paulo", "Sa\u0303o Paulo", "C++", "🏝"),
    *("nan", "-NaN", "<NA>", "None", "NULL", "NaT", "#N/A", "\\N", "(null)", "-", " ", "undefined"),
    *("1.23457E+15", "1e+16", "12e5", "9" * 19, "0.0", "-0.0", "Sim", "\u0130"),
    *("R$ 1170.96,50", "\u200fירושלים"),
]
ODD_COLUMNS = [
    *("id_search", "id_listing", "id_user", "label", "query_market", "listing_total_price"),
    *("listing_is_new", "listing_room_type", "query_checkin", "listing_property_type"),
]
ANY_MARKET = """
name = "own"
labels.impressed = ["показ", 0]
labels.clicked = ["клик", 1]
[columns]
""" + "".join(f'{name} = "{name}"\n' for name in [*ODD_COLUMNS, "ts_search"])
INSERTED = [b'"', b"\n", b",", b"\x00", b"\xff", b'"\n', b"\r", b"\xef\xbb\xbf", b";;;"]


def _damaged(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice([1, 5, 50])):
        at = int(rng.integers(len(damaged)))
        match rng.integers(4):
            case 0:
                damaged[at] = int(rng.integers(256))
            case 1:
                del damaged[at : at + int(rng.integers(1, 30))]
            case 2:
                damaged[at:at] = INSERTED[rng.integers(len(INSERTED))]
            case _:
                damaged[at:at] = damaged[max(0, at - 50) : at]
    return bytes(damaged)


def _as_parquet(text: str) -> bytes:
    buffer = io.BytesIO()
    pl.read_csv(text.encode(), infer_schema=False).write_parquet(buffer)
    return buffer.getvalue()


def _one_row_per_search(text: str) -> bytes:
    """The log with a row per six listings, which stand in cells with their prices."""
    rows = pl.read_csv(text.encode(), infer_schema=False)
    search = pl.int_range(pl.len()) // 6
    lists = rows.group_by(search, maintain_order=True).agg(
        pl.exclude("id_listing", "listing_total_price").first(),
        pl.col("id_listing", "listing_total_price").str.join("|"),
    )
    return lists.drop("literal").write_csv().encode()


LISTS = """
[explode]
id_listing = { column = "id_listing", separator = "|" }
listing_total_price = { column = "listing_total_price", separator = "|" }
"""


def _exploding(world):
    mapping = AIRBNB.read_text()
    changed = mapping.replace("# contract column = column of the log", LISTS)
    assert changed != mapping
    return world.file(changed, "airbnb.toml")


# Times in any of these spellings stand in one log, in any order.
TIMES = [
    "2018-02-{d:02} {h:02}:{m:02}",
    "2018-02-{d:02}T{h:02}:{m:02}:07Z",
    "2018-02-{d:02}T{h:02}:{m:02}:00+09:00",
    "2018-02-{d:02} {h:02}:{m:02}-02:30",
    "{d}/2/2018 {h:02}:{m:02}",
    "2/{d}/18 {h}:{m:02}",
    "2018-02-17 23:{m:02}",  # twice in Sao Paulo
    "2018-02-18T0{h1}:{m:02}:00Z",
    "2017-10-15 00:{m:02}",  # never there
    "25:00",
    "nan",
]
ZONES = ["America/Sao_Paulo", "Europe/Lisbon", "Asia/Kolkata", "Pacific/Apia"]


def _time(rng: np.random.Generator, spellings: list[str]) -> str:
    day, hour, minute = (int(rng.integers(low, high)) for low, high in ((1, 29), (0, 24), (0, 60)))
    spelling = spellings[rng.integers(len(spellings))]
    return spelling.format(d=day, h=hour, h1=hour % 4, m=minute)


def _elsewhere(world, seed: int):
    """The same world in a folder of an odd name, for some seeds."""
    if seed % 4 != 1:
        return world
    folder = world.folder / "odd dir é#%?&'"
    folder.mkdir()
    return type(world)(folder)


def _ingest_times(world, csv_of, row, seed: int) -> None:
    rng = np.random.default_rng(seed)
    own = [TIMES[n] for n in rng.choice(len(TIMES), size=int(rng.integers(1, 5)), replace=False)]
    zone = f'time_zone = "{ZONES[seed % len(ZONES)]}"' if seed % 3 else ""
    source = world.file(
        f'name = "own"\n{zone}\n[columns]\n'
        + "".join(
            f'{name} = "{name}"\n'
            for name in ("id_search", "id_listing", "id_user", "label", "query_market")
        )
        + 'ts_search = "ts_search"\nds_book = "ds_book"\n',
        "own.toml",
    )
    rows = [row(n, ts_search=_time(rng, own)) for n in range(40)]
    path = world.file(csv_of(rows))
    try:
        report = world.ingest(path, source=source)
    except DataError:
        assert world.is_untouched()
        return
    assert report.rows_in == world.lake.rows("impressions") + world.lake.rows("quarantine")
    stored = world.lake.scan("impressions").collect()
    assert stored.filter(pl.col("ts_search").dt.date() != pl.col("ds_search")).is_empty()
    if "local_s" in stored.columns:
        # a market's clock is never further from UTC than this
        apart = (stored["local_s"] - stored["search_s"]).abs()
        assert stored["local_s"].null_count() == 0
        assert (apart <= 14 * 3_600).all()
    else:
        assert (stored["ts_search"].dt.epoch("s") == stored["search_s"]).all()


def _ingest_damaged(world, csv_of, row, seed: int, *, has_lists: bool = False) -> None:
    world = _elsewhere(world, seed)
    rng = np.random.default_rng(seed)
    text = csv_of([row(number) for number in range(60)])
    if has_lists:
        content, source = _one_row_per_search(text), _exploding(world)
    else:
        content, source = _as_parquet(text) if seed % 3 == 0 else text.encode(), "airbnb"
    path = world.file(_damaged(content, rng))
    refusal = ""
    try:
        report = world.ingest(path, source=source)
    except DataError as error:
        refusal = str(error)
    if refusal:
        assert "log.csv" in refusal
        assert world.is_untouched()
    else:
        stored = world.lake.rows("impressions") + world.lake.rows("quarantine")
        assert report.rows_in == stored
        _check_lineage(world)


def _check_lineage(world) -> None:
    """No row stands in two places, and rows of one line can be told apart."""
    lineage = ["source_id", "source_line", "source_item"]
    names = [name for name in ("impressions", "quarantine") if world.lake.exists(name)]
    tables = [with_lineage(world.lake.scan(name).collect()).select(lineage) for name in names]
    assert pl.concat(tables).is_unique().all()


@pytest.mark.parametrize("seed", range(12))
def test_damaged_log_is_refused_or_every_row_accounted_for(world, csv_of, row, seed):
    _ingest_damaged(world, csv_of, row, seed)


@pytest.mark.parametrize("seed", range(12))
def test_damaged_log_of_lists_is_refused_or_every_row_accounted_for(world, csv_of, row, seed):
    _ingest_damaged(world, csv_of, row, seed, has_lists=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12, 200))
def test_many_damaged_logs_of_lists_are_refused_or_accounted_for(world, csv_of, row, seed):
    _ingest_damaged(world, csv_of, row, seed, has_lists=True)


ELEMENTS = [
    *(f"L{n}" for n in range(20, 40)),
    "L1",
    "L2",
    "L3",
    "L4",
    "",
    "NA",
    " L5 ",
    "a-b",
    '"L6"',
    "[L7]",
    "é1",
]
CELLS = """
name = "own"
[explode]
listing = { column = "shown", separator = "|" }
price = { column = "prices", separator = "|" }
[columns]
id_search = "id"
id_listing = "listing"
ts_search = "at"
query_market = { constant = "all" }
label.first_true = [{ word = "clicked", when = { equals = ["listing", "named"] } }]
label.otherwise = "impressed"
listing_total_price = "price"
position = { list_order = true }
"""


@pytest.mark.parametrize("seed", range(20))
def test_exploded_cells_agree_with_an_explosion_by_hand(world, monkeypatch, seed):
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(csv, "BLOCK_BYTES", int(rng.choice([64, 300, 1 << 24])))
    monkeypatch.setattr(explode, "EXPLODED_ROWS", int(rng.choice([1, 5, 1 << 16])))
    rows = [_random_lists(rng, number) for number in range(30)]
    header = [{"id": "id", "at": "at", "shown": "shown", "prices": "prices", "named": "named"}]
    text = io.StringIO()
    writer = DictWriter(text, list(header[0]), lineterminator="\n")
    writer.writerows([*header, *rows])
    report = world.ingest(world.file(text.getvalue()), source=world.file(CELLS, "own.toml"))
    expected, quarantined = _by_hand(rows)
    found = world.lake.scan("impressions").sort("source_line", "source_item").collect()
    assert found.select("id_search", "id_listing", "stage", "position").rows() == expected
    assert (report.rows_accepted, report.rows_quarantined) == (len(expected), quarantined)
    _check_lineage(world)


def _random_lists(rng: np.random.Generator, number: int) -> dict[str, str]:
    shown = [str(rng.choice(ELEMENTS)) for _ in range(rng.integers(0, 7))]
    prices = [str(rng.integers(1, 90)) for _ in shown]
    if rng.random() < 0.2:
        prices = prices[:-1] if rng.random() < 0.5 else []
    named = str(rng.choice([*shown, "L99", ""])).strip()
    return {
        "id": f"S{number}",
        "at": "2020-05-01 10:00",
        "shown": "|".join(shown),
        "prices": "|".join(prices),
        "named": named if named != "NA" else "",
    }


def _by_hand(rows: list[dict[str, str]]) -> tuple[list[tuple[str, str, int, int]], int]:
    """Impressions in order, and how many rows are quarantined."""
    impressions: list[tuple[str, str, int, int]] = []
    quarantined = 0
    for row in rows:
        shown = row["shown"].split("|") if row["shown"] not in ("", "NA") else []
        prices = row["prices"].split("|") if row["prices"] else None
        if not shown or (prices is not None and len(prices) != len(shown)):
            quarantined += 1
            continue
        listings = [listing.strip() for listing in shown]
        seen: set[str] = set()
        for place, listing in enumerate(listings, start=1):
            if listing in {"", "NA", *seen}:
                quarantined += 1
                continue
            seen.add(listing)
            impressions.append((row["id"], listing, int(listing == row["named"]), place))
        quarantined += bool(row["named"]) and row["named"] not in seen
    return impressions, quarantined


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12, 400))
def test_many_damaged_logs_are_refused_or_every_row_accounted_for(world, csv_of, row, seed):
    _ingest_damaged(world, csv_of, row, seed)


def _ingest_of_many_scripts(world, csv_of, row, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(60):
        odd = rng.choice(ODD_COLUMNS, int(rng.integers(1, 4)), replace=False)
        rows.append(row(number, **{str(name): str(rng.choice(SCRIPTS)) for name in odd}))
    text = csv_of(rows)
    path = world.file(_as_parquet(text) if seed % 2 else text)
    source = "airbnb" if seed % 3 == 0 else world.file(ANY_MARKET, "own.toml")
    any_share = IngestOptions(limits=RejectionLimits(refuse_share=1.0))
    report = world.ingest(path, source=source, options=any_share)
    assert report.rows_in == len(rows)
    assert world.accounts_for_every_row()
    if seed % 3:
        # one market for one word, whatever word: told apart by what the rows of the log say
        words = {i["source_line"]: word_key(i["query_market"]) for i in _with_lines(rows, seed)}
        pairs = {(words[i["source_line"]], i["market"]) for i in world.impressions()}
        assert len(pairs) == len({word for word, _ in pairs}) == len({name for _, name in pairs})


def _with_lines(rows, seed):
    first = 1 if seed % 2 else 2
    return [row | {"source_line": line} for line, row in enumerate(rows, start=first)]


@pytest.mark.parametrize("seed", range(9))
def test_words_of_any_script_and_odd_nulls_leave_no_row_unaccounted_for(world, csv_of, row, seed):
    _ingest_of_many_scripts(world, csv_of, row, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(9, 200))
def test_many_logs_of_any_script_leave_no_row_unaccounted_for(world, csv_of, row, seed):
    _ingest_of_many_scripts(world, csv_of, row, seed)


@pytest.mark.parametrize("seed", range(9))
def test_times_of_any_spelling_and_zone_leave_no_row_unaccounted_for(world, csv_of, row, seed):
    _ingest_times(_elsewhere(world, seed), csv_of, row, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(9, 120))
def test_many_logs_of_any_time_leave_no_row_unaccounted_for(world, csv_of, row, seed):
    _ingest_times(_elsewhere(world, seed), csv_of, row, seed)
