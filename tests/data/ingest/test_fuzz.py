"""Damaged logs: any bytes changed, lost or added; a clear refusal, or every row accounted for."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
import pytest

from data.errors import DataError
from data.readers.words import word_key

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


def _ingest_damaged(world, csv_of, row, seed: int) -> None:
    rng = np.random.default_rng(seed)
    text = csv_of([row(number) for number in range(60)])
    content = _as_parquet(text) if seed % 3 == 0 else text.encode()
    path = world.file(_damaged(content, rng))
    refusal = ""
    try:
        report = world.ingest(path)
    except DataError as error:
        refusal = str(error)
    if refusal:
        assert "log.csv" in refusal
        assert world.is_untouched()
    else:
        stored = world.lake.rows("impressions") + world.lake.rows("quarantine")
        assert report.rows_in == stored


@pytest.mark.parametrize("seed", range(12))
def test_damaged_log_is_refused_or_every_row_accounted_for(world, csv_of, row, seed):
    _ingest_damaged(world, csv_of, row, seed)


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
    report = world.ingest(path, source=source)
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
