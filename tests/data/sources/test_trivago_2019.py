"""``trivago_2019``: a made-up log in the columns of the RecSys Challenge 2019."""

from __future__ import annotations

from datetime import date, datetime

import pytest

# two click-outs of one session, one of another guest in another country, one whose click is on
# no listing of its list
COLUMNS = (
    "user_id,session_id,timestamp,step,action_type,reference,platform,city,device,"
    "current_filters,impressions,prices"
)
LOG = f"""{COLUMNS}
GUEST1,sess1,1541072096,4,clickout item,202,BR,"Paraty, Brazil",mobile,Pool|,101|202|303,80|120|95
GUEST1,sess1,1541072696,9,clickout item,101,BR,"Paraty, Brazil",mobile,,202|101,118|80
GUEST2,sess2,1541030400,1,clickout item,404,US,"Bath, Avon, United Kingdom",desktop,,404,66
GUEST3,sess3,1541116800,2,clickout item,999,BR,"Paraty, Brazil",tablet,,101|303,80|95
"""


@pytest.fixture
def impressions(world):
    report = world.ingest(world.file(LOG, "clickouts.csv"), source="trivago_2019")
    assert (report.rows_in, report.rows_accepted) == (9, 8)
    assert world.accounts_for_every_row()
    return world.lake.scan("impressions").sort("source_line", "source_item").collect()


def test_each_listing_shown_is_an_impression_in_its_place(impressions):
    columns = ("id_search", "id_user", "id_listing", "stage", "position", "listing_total_price")
    assert impressions.select(columns).rows() == [
        ("sess1/4", "GUEST1", "101", 0, 1, 80.0),
        ("sess1/4", "GUEST1", "202", 1, 2, 120.0),
        ("sess1/4", "GUEST1", "303", 0, 3, 95.0),
        ("sess1/9", "GUEST1", "202", 0, 1, 118.0),
        ("sess1/9", "GUEST1", "101", 1, 2, 80.0),
        ("sess2/1", "GUEST2", "404", 1, 1, 66.0),
        ("sess3/2", "GUEST3", "101", 0, 1, 80.0),
        ("sess3/2", "GUEST3", "303", 0, 2, 95.0),
    ]


def test_market_is_the_country_and_time_is_utc(impressions):
    first, bath = impressions.row(0, named=True), impressions.row(5, named=True)
    assert (first["market"], first["ds_search"]) == ("brazil", date(2018, 11, 1))
    assert first["ts_search"] == datetime(2018, 11, 1, 11, 34, 56)  # noqa: DTZ001
    assert (bath["market"], bath["x_query_destination"]) == (
        "united_kingdom",
        "Bath, Avon, United Kingdom",
    )
    assert (bath["x_query_site"], bath["x_query_device"]) == ("US", "desktop")


def test_click_on_what_was_not_shown_is_quarantined_and_not_lost(world, impressions):
    assert impressions.height == 8
    assert world.quarantine() == [(5, "action_not_in_list")]
