"""Each reason code, each nulled value: one row is changed, the report and the lake say so."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, datetime
from typing import Any

import pytest

from data.ingest import IngestOptions, RejectionLimits
from data.schema.reason_codes import MEANINGS, NULL_MEANINGS, Nulled, Reason

QUARANTINED: list[tuple[dict[str, Any], Reason]] = [
    ({"id_search": ""}, Reason.IDENTITY_MISSING),
    ({"id_listing": "NA"}, Reason.IDENTITY_MISSING),
    ({"id_listing": "L" * 300}, Reason.IDENTITY_UNREADABLE),
    ({"id_user": "U\t1"}, Reason.IDENTITY_UNREADABLE),
    ({"id_listing": "1.23457E+15"}, Reason.IDENTITY_INEXACT),
    ({"id_user": "1,23457e+15"}, Reason.IDENTITY_INEXACT),
    ({"id_search": "1E+12"}, Reason.IDENTITY_INEXACT),
    ({"query_market": ""}, Reason.MARKET_MISSING),
    ({"query_market": "Paris"}, Reason.MARKET_UNKNOWN),
    ({"label": ""}, Reason.LABEL_MISSING),
    ({"label": "purchased"}, Reason.LABEL_UNKNOWN),
    ({"ts_search": ""}, Reason.TIME_MISSING),
    ({"ts_search": "yesterday"}, Reason.TIME_UNREADABLE),
    ({"ts_search": "2018-02-30 10:00", "ds_search": ""}, Reason.TIME_UNREADABLE),
    ({"ts_search": "2018-02-05", "ds_search": ""}, Reason.TIME_UNREADABLE),
    ({"ts_search": "1018-02-05 10:00", "ds_search": ""}, Reason.TIME_UNREADABLE),
    ({"ds_search": "the fifth"}, Reason.TIME_UNREADABLE),
    ({"ds_search": "2018-02-06"}, Reason.TIME_DISAGREES),
    ({"query_checkout": "2018-03-01"}, Reason.STAY_BACKWARDS),
    ({"query_checkout": "2018-02-20"}, Reason.STAY_BACKWARDS),
    ({"query_num_guests": "0"}, Reason.PARTY_BELOW_ONE),
    ({"listing_total_price": "0"}, Reason.PRICE_NOT_POSITIVE),
    ({"listing_total_price": "-5"}, Reason.PRICE_NOT_POSITIVE),
    ({"listing_total_price": "inf"}, Reason.PRICE_NOT_FINITE),
    ({"listing_lat": "91"}, Reason.COORDINATES),
    ({"query_center_lng": "-180.5"}, Reason.COORDINATES),
    ({"label": "booked", "ds_book": "2018-02-04"}, Reason.BOOKED_BEFORE_SEARCH),
    ({"label": "contact host", "ds_contact": "2018-02-04"}, Reason.CONTACTED_BEFORE_SEARCH),
    ({"label": "booked"}, Reason.BOOKED_WITHOUT_DATE),
    ({"label": "booked", "ds_book": "soon"}, Reason.BOOKED_WITHOUT_DATE),
    ({"label": "contact host"}, Reason.CONTACTED_WITHOUT_DATE),
]

NULLED: list[tuple[str, str, Nulled]] = [
    ("listing_review_rating", "7", Nulled.OUT_OF_RANGE),
    ("listing_occupancy_rate", "1.7", Nulled.OUT_OF_RANGE),
    ("listing_weekly_price_factor", "ten percent", Nulled.UNREADABLE),
    ("listing_total_price", "a lot", Nulled.UNREADABLE),
    ("listing_person_capacity", "2.5", Nulled.UNREADABLE),
    ("listing_person_capacity", "-1", Nulled.OUT_OF_RANGE),
    ("listing_is_new", "maybe", Nulled.UNREADABLE),
    ("listing_room_type", "igloo", Nulled.UNKNOWN_VALUE),
    ("query_num_guests", "two", Nulled.UNREADABLE),
    ("query_num_children", "-1", Nulled.OUT_OF_RANGE),
    ("query_checkin", "2018-13-01", Nulled.UNREADABLE),
    ("ds_book", "2018-02-07", Nulled.DATE_WITHOUT_ACTION),
    ("ds_contact", "2018-02-07", Nulled.DATE_WITHOUT_ACTION),
    ("listing_maximum_nights", "200000", Nulled.OUT_OF_RANGE),
]


@pytest.fixture(scope="module")
def all_cases(tmp_path_factory, make_world, row):
    """All cases in one log: a sound row, then one line per case; the world and its report."""
    world = make_world(tmp_path_factory.mktemp("all_cases"))
    cases = [changes for changes, _ in QUARANTINED]
    cases += [{column: value} for column, value, _ in NULLED]
    rows = [row(number, **changes) for number, changes in enumerate([{}, *cases])]
    # most of them are rejected, as they are meant to be
    options = IngestOptions(limits=RejectionLimits(refuse_share=1))
    return world, world.ingest(world.log(*rows), options=options)


@pytest.mark.parametrize("case", range(len(QUARANTINED)))
def test_row_is_quarantined_whole_with_its_reason(all_cases, case):
    world, _ = all_cases
    changes, reason = QUARANTINED[case]
    (rejected,) = world.lake.scan("quarantine").filter(source_line=case + 3).collect().to_dicts()
    assert rejected["reasons"] == str(reason)
    row = json.loads(rejected["row"])
    assert {name: row[name] or "" for name in changes} == changes


@pytest.mark.parametrize("case", range(len(NULLED)))
def test_value_is_nulled_and_counted_and_its_row_stays(all_cases, case):
    world, report = all_cases
    column, value, reason = NULLED[case]
    line = case + len(QUARANTINED) + 3
    (impression,) = world.lake.scan("impressions").filter(source_line=line).collect().to_dicts()
    assert impression[column] is None
    same = [c for c, _, r in NULLED if (c, r) == (column, reason)]
    nulled = {(n.column, n.reason): n for n in report.files[0].nulled}[column, str(reason)]
    assert nulled.count == len(same)
    assert (nulled.line, nulled.value) == (line, value)


def test_report_counts_rows_by_reason_and_accounts_for_each(all_cases):
    world, report = all_cases
    assert report.rows_in == 1 + len(QUARANTINED) + len(NULLED)
    assert report.rows_quarantined == len(QUARANTINED)
    assert report.files[0].quarantined == Counter(str(reason) for _, reason in QUARANTINED)
    assert world.accounts_for_every_row()


def test_row_with_two_faults_carries_both_codes(world, row):
    world.ingest(world.log(row(1), row(2, label="x", listing_total_price="0")))
    assert world.quarantine() == [(3, f"{Reason.LABEL_UNKNOWN},{Reason.PRICE_NOT_POSITIVE}")]


def test_null_price_dateless_search_and_guest_without_id_are_accepted(world, row):
    bare = {"listing_total_price": "", "query_checkin": "", "query_checkout": "", "id_user": "NA"}
    report = world.ingest(world.log(row(1, **bare)))
    assert (report.rows_accepted, report.files[0].nulled) == (1, ())
    (impression,) = world.impressions()
    assert [impression[name] for name in ("listing_total_price", "checkin_day", "id_user")] == [
        None
    ] * 3


@pytest.mark.parametrize("spelling", ["nan", "NaN", "-nan", "<NA>", "NULL", "#N/A", "\\N", "nil"])
def test_null_spelling_is_null_in_every_kind_of_column_and_no_fault(world, row, spelling):
    optional = [name for name in row(1) if name.startswith(("query_", "listing_", "ds_"))]
    optional = [name for name in optional if name not in ("query_market", "ds_search")]
    report = world.ingest(world.log(row(1, **dict.fromkeys([*optional, "id_user"], spelling))))
    assert (report.rows_accepted, report.files[0].nulled) == (1, ())
    (impression,) = world.impressions()
    assert {name: impression[name] for name in optional} == dict.fromkeys(optional)
    assert impression["id_user"] is None


def test_no_limit_on_nights_is_null_and_not_counted(world, row):
    report = world.ingest(world.log(row(1)))
    assert world.impressions()[0]["listing_maximum_nights"] is None
    assert report.files[0].nulled == ()


def test_sound_row_is_typed(world, row):
    world.ingest(world.log(row(1, label="Booked", ds_book="2018-02-07", ds_contact="2018-02-06")))
    (impression,) = world.impressions()
    assert impression["market"] == "rio_de_janeiro"
    assert impression["ts_search"] == datetime(2018, 2, 5, 10, 30)  # noqa: DTZ001  local clock
    assert impression["search_s"] == 17567 * 86400 + 10 * 3600 + 30 * 60
    assert impression["search_day"] == 17567
    assert impression["ds_book"] == date(2018, 2, 7)
    assert (impression["stage"], impression["book_day"], impression["contact_day"]) == (
        3,
        17569,
        17568,
    )
    assert (impression["checkin_day"], impression["checkout_day"]) == (17591, 17594)
    assert (impression["listing_is_new"], impression["listing_instant_bookable"]) == (False, True)
    assert impression["listing_room_type"] == "entire_home"


@pytest.mark.parametrize(
    ("label", "stage"),
    [
        ("impression", 0), ("IMPRESS", 0), ("Click", 1), ("clicked", 1), ("contact_host", 2),
        ("Contact Host", 2), ("contact", 2), ("book", 3), ("BOOKING", 3),
    ],
)  # fmt: skip
def test_usual_spellings_of_labels_are_read(world, row, label, stage):
    dates = {"ds_book": "2018-02-05", "ds_contact": "2018-02-05"}
    world.ingest(world.log(row(1, label=label, **dates)))
    assert world.impressions()[0]["stage"] == stage


@pytest.mark.parametrize(
    "market", ["Sao Paulo", "São Paulo", "SAO PAULO", "sao_paulo", " são-paulo "]
)
def test_market_is_read_with_or_without_accents(world, row, market):
    world.ingest(world.log(row(1, query_market=market)))
    assert world.impressions()[0]["market"] == "sao_paulo"


def test_every_code_has_a_meaning():
    assert set(MEANINGS) == set(Reason)
    assert set(NULL_MEANINGS) == set(Nulled)
