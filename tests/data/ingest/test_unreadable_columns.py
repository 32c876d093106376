"""The alarm on an attribute that is unreadable in most rows: when, and what it says."""

from __future__ import annotations

import pytest


def _rows(row, count, **columns):
    return [row(i, **{name: value(i) for name, value in columns.items()}) for i in range(count)]


def test_prices_in_another_notation_raise_an_alarm_that_says_what_to_do(world, row):
    rows = _rows(row, 10, listing_total_price=lambda i: "R$ 1170.96,50" if i else "450")
    report = world.ingest(world.log(*rows))
    (alarm,) = report.findings
    assert alarm.startswith("ALARM: listing_total_price is null in most rows")
    for words in ("of its 10 filled cells in ", "log.csv, 9 (90.0%)", "'R$ 1170.96,50' in line 3"):
        assert words in alarm
    assert "null_if" in alarm
    assert f"finding: {alarm}" in report.lines()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("listing_total_price", "1.170,50", "a point before the fraction"),
        ("listing_is_new", "Sim", "true/false"),
        ("query_checkin", "5 de fevereiro", "time_format"),
        ("listing_room_type", "iglu", "none of the column's known values"),
        ("listing_occupancy_rate", "60", "Its bounds are 0 to 1"),
    ],
)
def test_each_kind_of_column_has_its_own_advice(world, row, column, value, words):
    (alarm,) = world.ingest(world.log(*_rows(row, 6, **{column: lambda _: value}))).findings
    assert alarm.startswith(f"ALARM: {column} ")
    assert words in alarm


def test_empty_cells_do_not_count_as_readable(world, row):
    rows = _rows(row, 20, listing_is_new=lambda i: "Sim" if i < 6 else "NA")
    (alarm,) = world.ingest(world.log(*rows)).findings
    assert "of its 6 filled cells in " in alarm
    assert ", 6 (100.0%)" in alarm


@pytest.mark.parametrize(("bad", "rows"), [(1, 100), (4, 4), (10, 20)])
def test_a_few_cells_or_half_of_them_raise_none(world, row, bad, rows):
    log = world.log(*_rows(row, rows, listing_is_new=lambda i: "Sim" if i < bad else "t"))
    assert world.ingest(log).findings == ()


def test_alarm_names_the_logs_own_column_and_counts_its_files(world, row):
    mapping = world.file(
        'name = "own"\n[columns]\nid_search = "id_search"\nid_listing = "id_listing"\n'
        'label = "label"\nts_search = "ts_search"\nquery_market = "query_market"\n'
        '[extra]\nstars = { column = "listing_room_type", kind = "number", of = "listing", '
        'meaning = "stars" }\n',
        "own.toml",
    )
    logs = [
        world.log(*(row(100 * part + i) for i in range(6)), name=f"{part}.csv") for part in (1, 2)
    ]
    (alarm,) = [f for f in world.ingest(*logs, source=mapping).findings if "ALARM" in f]
    assert alarm.startswith("ALARM: x_listing_stars (read from listing_room_type)")
    assert "of its 12 filled cells in " in alarm
    assert "1.csv and 1 more file(s), 12 (100.0%)" in alarm
