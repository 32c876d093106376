"""Mappings: what a TOML may declare, how a wrong one is refused, what values come out."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

import pytest

from data.errors import DataError, MappingError
from data.sources.mapping import built_in, load_mapping

OWN = """
name = "own"
[columns]
id_search = "sid"
id_listing = "lid"
ts_search = "at"
query_market = { constant = "Lisbon" }
label = { first_true = [{ word = "booked", when = "bought" }], otherwise = "impressed" }
ds_book = { date = "at", when = "bought" }
"""
REST = ', of = "query", meaning = "m" }\n'
LOG = "sid,lid,at,bought,{extra}\nS1,L1,2020-05-01 10:00,{bought},{value}\n"


@pytest.fixture
def own(world):
    """Ingest one row under a mapping with more lines, and give the impression it became."""

    def ingested(more: str = "", *, value: str = "5", bought: str = "0", top: str = ""):
        mapping = world.file(top + OWN + more, "own.toml")
        log = world.file(LOG.format(extra="v", value=value, bought=bought))
        world.ingest(log, source=mapping)
        return world.impressions()[0]

    return ingested


def test_built_in_mappings_load():
    assert built_in() == ("airbnb", "expedia_2013", "trivago_2019")
    assert tuple(load_mapping(name).name for name in built_in()) == built_in()


def test_label_from_flags_and_date_when_flag(own):
    impression = own(bought="1")
    assert (impression["stage"], impression["ds_book"], impression["market"]) == (
        3,
        date(2020, 5, 1),
        "lisbon",
    )


def test_date_plus_days(own):
    impression = own('query_checkin = { date = "at", plus_days = "v" }\n')
    assert impression["query_checkin"] == date(2020, 5, 6)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ('{ sum = ["v", "v"] }', 10.0),
        ('{ product = ["v", "v"] }', 25.0),
        ('{ mean = ["v", "v"] }', 5.0),
        ('{ column = "v", scale = 1.609344 }', 8.04672),
        ('{ sum = ["v", "v"], scale = 0.5 }', 5.0),
        ('{ column = "v", null_if = ["5"] }', None),
        ("{ constant = 3 }", 3.0),
    ],
)
def test_arithmetic_and_units(own, rule, value):
    assert own(f"query_radius = {rule}\n")["query_radius"] == value


def test_unreadable_part_of_a_product_is_nulled_and_counted(world):
    mapping = world.file(OWN + 'listing_total_price = { product = ["v", "v"] }\n', "own.toml")
    log = world.file(LOG.format(extra="v", value="dear", bought="0"))
    (nulled,) = world.ingest(log, source=mapping).files[0].nulled
    assert (nulled.column, nulled.reason, nulled.count) == ("listing_total_price", "unreadable", 1)


def test_extra_columns_travel_under_their_prefix(own):
    more = '[extra]\nstars = { column = "v", kind = "number", of = "listing", high = 5, '
    more += 'meaning = "stars" }\nclass = { column = "v", kind = "category", of = "query", '
    more += 'meaning = "class" }\n'
    impression = own(more)
    assert (impression["x_listing_stars"], impression["x_query_class"]) == (5.0, "5")


def test_extra_number_out_of_its_bounds_is_nulled(own):
    more = '[extra]\nstars = { column = "v", kind = "number", of = "listing", high = 5, '
    assert own(more + 'meaning = "stars" }\n', value="6")["x_listing_stars"] is None


def test_time_with_offset_moves_to_the_markets_clock(world, row):
    utc = row(1, ts_search="2018-02-05T12:30:00Z", ds_search="2018-02-05")
    world.ingest(world.log(utc, row(2, ts_search="2018-02-06 01:00+00:00", ds_search="")))
    first, second = world.impressions()
    assert first["ts_search"] == datetime(2018, 2, 5, 10, 30)  # noqa: DTZ001  summer time, -02:00
    assert second["ds_search"] == date(2018, 2, 5)


@pytest.mark.parametrize(
    ("time_format", "text"),
    [
        ("day_first", "1/5/20 10:00"),
        ("epoch_seconds", "1588327200"),
        ("epoch_milliseconds", "1588327200000"),
        ("%d.%m.%Y %Hh%M", "01.05.2020 10h00"),
    ],
)
def test_time_formats(world, time_format, text):
    mapping = world.file(f'time_format = "{time_format}"\n{OWN}', "own.toml")
    world.ingest(world.file(f"sid,lid,at,bought\nS1,L1,{text},0\n"), source=mapping)
    assert world.impressions()[0]["ts_search"] == datetime(2020, 5, 1, 10)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("name = ", "cannot be read as TOML"),
        (OWN.replace("[columns]", "colour = 1\n[columns]"), "colour: unknown key"),
        (OWN + 'query_colour = "v"\n', "no column 'query_colour'"),
        (OWN + 'query_radios = "v"\n', "did you mean 'query_radius'"),
        (OWN.replace('id_listing = "lid"\n', ""), "required id_listing"),
        (OWN + 'query_radius = { column = "v", sum = ["v"] }\n', "exactly one of"),
        (OWN + "query_radius = { scale = 2.0 }\n", "exactly one of"),
        (OWN + 'query_radius = { column = "v", colour = 1 }\n', "unknown key"),
        (
            OWN + 'query_radius = { colum = "v" }\n',
            "columns.query_radius.colum: unknown key (did you mean 'column'?)",
        ),
        (
            'nam = "own"\n' + OWN,
            "own.toml, line 1: nam: unknown key (did you mean 'name'?)",
        ),
        (
            OWN + '[markets.rio]\ntimezone = "America/Sao_Paulo"\n',
            "markets.rio.timezone: unknown key (did you mean 'time_zone'?)",
        ),
        (OWN + '[markets.rio]\ntime_zone = "America/SaoPaulo"\n', "mean 'America/Sao_Paulo'"),
        (OWN + 'query_radius = { column = "v", scale = inf }\n', "finite number; found inf"),
        (OWN + 'query_radius = { column = "v", plus_days = "w" }\n', "plus_days needs date"),
        (OWN + 'stage = "v"\n', "no column 'stage'"),
        (
            OWN + 'position = { column = "v", row_order = true }\n',
            "columns.position: a position comes from one place",
        ),
        (OWN + "position = { row_order = false }\n", "row_order"),
        (OWN + 'position = { row_order = true, when = "v" }\n', "row_order stands alone"),
        (OWN + "query_radius = { row_order = true }\n", "position only"),
        (
            OWN + '[extra]\nv = { row_order = true, kind = "number"' + REST,
            "row_order is for the column position only",
        ),
        (OWN + '[markets."São Paulo"]\n', "slug"),
        (OWN + '[markets.rio]\ntime_zone = "Rio"\n', "no time zone"),
        (
            OWN
            + '[extra]\n"X!" = { column = "v", kind = "number", of = "query", meaning = "m" }\n',
            "extra",
        ),
        (
            OWN + '[extra]\nv = { column = "v", kind = "date", of = "query", meaning = "m" }\n',
            "kind",
        ),
        (OWN.replace('"own"', '"../own"', 1), "name: use lower-case"),
        (OWN + '[labels]\nviewed = ["v"]\n', "labels"),
    ],
)
def test_mapping_that_is_wrong_is_refused_with_the_place_and_the_reason(world, toml, message):
    path = world.file(toml, "own.toml")
    with pytest.raises(MappingError, match=r"own\.toml") as error:
        load_mapping(path)
    assert message in str(error.value)


def test_unknown_source_names_the_built_in_ones():
    with pytest.raises(MappingError, match="airbnb, expedia_2013"):
        load_mapping("nowhere")


def test_missing_source_column_of_a_required_one_is_refused(world):
    mapping = world.file(OWN, "own.toml")
    with pytest.raises(DataError, match="column bought is absent"):
        world.ingest(world.file("sid,lid,at\nS1,L1,2020-05-01 10:00\n"), source=mapping)


def test_real_impressions_of_the_expedia_sample_are_all_accepted(world):
    path = Path(__file__).parents[3].parent / "shared" / "data" / "expedia_2013"
    if not path.exists():
        pytest.skip("the Expedia sample is not beside the repository (../shared/data)")
    report = world.ingest(path / "search_results.csv", source="expedia_2013")
    assert (report.rows_in, report.rows_quarantined) == (7109, 0)
    assert report.files[0].ignored == ("gross_bookings_usd",)
    impressions = world.lake.scan("impressions").collect()
    assert impressions["stage"].value_counts(sort=True)["count"].to_list() == [6775, 204, 130]
    assert (impressions["book_day"].is_not_null() == (impressions["stage"] == 3)).all()
    assert "id_user" not in impressions.columns
    assert json.loads(json.dumps(report.to_dict()))["rows_accepted"] == 7109
