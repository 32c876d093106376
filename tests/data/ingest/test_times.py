"""Times as people log them: offsets and zones, changes of the clock, day or month first."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from data.errors import HomeError, LogError
from data.ingest import IngestOptions
from data.schema.reason_codes import Reason
from features.build import build_features
from tests.data.conftest import World, sound_row

MAPPING = """
name = "own"
{time_format}
[markets.rio]
time_zone = "America/Sao_Paulo"
[markets.lisbon]
time_zone = "Europe/Lisbon"
[markets.tokyo]
time_zone = "Asia/Tokyo"
[markets.nowhere]
[columns]
id_search = "id_search"
id_listing = "id_listing"
id_user = "id_user"
label = "label"
ts_search = "ts_search"
ds_search = "ds_search"
ds_book = "ds_book"
query_market = "query_market"
query_checkin = "query_checkin"
query_checkout = "query_checkout"
"""


def own(world: World, time_format: str = "") -> Any:
    line = f'time_format = "{time_format}"' if time_format else ""
    return world.file(MAPPING.format(time_format=line), "own.toml")


def searched(number: int, at: str, market: str = "rio", **changes: Any) -> dict[str, Any]:
    """A dateless search without a logged date."""
    nothing = {"ds_search": "", "query_checkin": "", "query_checkout": ""}
    return sound_row(number, ts_search=at, query_market=market, **nothing, **changes)


def times(world: World, *names: str) -> list[tuple[Any, ...]]:
    return world.lake.scan("impressions").sort("id_search").select(names).collect().rows()


def features_of(world: World) -> pl.DataFrame:
    log = world.lake.scan("impressions").collect()
    return build_features(log, log).sort("id_search")


# Instants


def test_an_instant_orders_searches_where_the_clock_goes_back(world: World) -> None:
    world.ingest(
        world.log(
            searched(1, "2018-02-18T01:30:00Z", id_user="g", id_listing="L"),
            searched(2, "2018-02-18T02:05:00Z", id_user="g", id_listing="L", label="clicked"),
        ),
        source=own(world),
    )
    shown = times(world, "ts_search", "ds_search")
    assert shown == [
        (datetime(2018, 2, 17, 23, 30), date(2018, 2, 17)),  # noqa: DTZ001
        (datetime(2018, 2, 17, 23, 5), date(2018, 2, 17)),  # noqa: DTZ001
    ]
    (first,), (second,) = times(world, "search_s")
    assert second - first == 35 * 60
    built = features_of(world)
    assert built["guest_past_clicks"].to_list() == [0, 0]
    assert built["listing_past_impressions"].to_list() == [0, 1]
    assert built["query_search_hour"].to_list() == [23, 23]


def test_a_click_in_another_zone_is_no_earlier_than_it_was(world: World) -> None:
    world.ingest(
        world.log(
            searched(1, "2018-02-06T12:00:00Z", "lisbon", id_user="g"),
            searched(2, "2018-02-06T13:00:00Z", "rio", id_user="g", label="clicked"),
            searched(3, "2018-02-06T14:00:00Z", "lisbon", id_user="g"),
        ),
        source=own(world),
    )
    built = features_of(world)
    assert built["guest_past_clicks"].to_list() == [0, 0, 1]
    assert built["query_search_hour"].to_list() == [12, 11, 14]


@pytest.mark.parametrize(
    ("market", "at", "day", "known_from"),
    [
        # Brazil's clocks went back from 18 February 0:00 to 17 February 23:00
        ("rio", "2018-02-17T15:00:00Z", "2018-02-17", "2018-02-18T03:00:00Z"),
        # and forward from 15 October 0:00 to 1:00: the day began at 1:00
        ("rio", "2017-10-14T15:00:00Z", "2017-10-14", "2017-10-15T03:00:00Z"),
        # a day ends in Tokyo before it ends in UTC, by which a log may write its dates
        ("tokyo", "2018-02-06T03:00:00Z", "2018-02-06", "2018-02-07T00:00:00Z"),
        ("tokyo", "2018-02-06T12:00:00+09:00", "2018-02-06", "2018-02-06T15:00:00Z"),
        ("nowhere", "2018-02-06T12:00:00-05:00", "2018-02-06", "2018-02-07T05:00:00Z"),
    ],
)
def test_a_booking_is_known_when_the_market_s_day_is_over(
    world: World, market: str, at: str, day: str, known_from: str
) -> None:
    world.ingest(world.log(searched(1, at, market, label="booked", ds_book=day)), source=own(world))
    ((known_s,),) = times(world, "book_known_s")
    assert known_s + 1 == datetime.fromisoformat(known_from).timestamp()


def test_dates_in_utc_beside_times_in_utc_are_taken_in_every_zone(world: World) -> None:
    evening = "2018-02-06T01:30:00Z"  # 5 February 23:30 in Rio
    morning = "2018-02-06T22:30:00Z"  # 7 February 7:30 in Tokyo
    report = world.ingest(
        world.log(
            {**searched(1, evening), "ds_search": "2018-02-06"},
            {**searched(2, evening), "ds_search": "2018-02-05"},
            {**searched(3, morning, "tokyo", label="booked", ds_book="2018-02-06")}
            | {"ds_search": "2018-02-06"},
            {**searched(4, evening), "ds_search": "2018-02-07"},
        ),
        source=own(world),
    )
    assert report.rows_accepted == 3
    assert world.quarantine() == [(5, Reason.TIME_DISAGREES)]
    days = times(world, "ds_search", "ds_book")
    assert days[:2] == [(date(2018, 2, 5), None)] * 2
    # nobody books before the search
    assert days[2] == (date(2018, 2, 7), date(2018, 2, 7))


def test_local_times_beside_instants_are_put_on_their_zone(world: World) -> None:
    """The first pass of an hour that comes twice; an hour that never came is counted on."""
    world.ingest(
        world.log(
            searched(1, "2018-02-06T12:00:00Z"),
            searched(2, "2018-02-17 23:30"),
            searched(3, "2017-10-15 00:30"),
            searched(4, "2018-02-06 12:00", "nowhere"),
        ),
        source=own(world),
    )
    assert world.quarantine() == [(5, Reason.TIME_WITHOUT_OFFSET)]
    told = [datetime.fromisoformat(text).timestamp() for text in (
        "2018-02-06T12:00:00Z", "2018-02-18T01:30:00Z", "2017-10-15T03:30:00Z",
    )]  # fmt: skip
    assert [second for (second,) in times(world, "search_s")] == told


def test_a_later_row_with_an_offset_changes_how_all_are_read(world: World) -> None:
    """Rows of a log are read in blocks: what the first could not know, the second tells."""
    rows = [searched(n, f"2018-02-06 12:{n % 60:02}") for n in range(1, 4)]
    logs = [
        world.log(*rows, name="local.csv"),
        world.log(searched(9, "2018-02-06T12:00:00Z"), name="utc.csv"),
    ]
    world.ingest(*logs, source=own(world))
    assert world.lake.scan("impressions").collect()["local_s"].null_count() == 0
    assert times(world, "search_s")[0] == (
        datetime.fromisoformat("2018-02-06T14:01:00Z").timestamp(),
    )


def test_local_times_alone_stay_as_they_are(world: World) -> None:
    world.ingest(world.log(searched(1, "2018-02-17 23:30")), source=own(world))
    assert "local_s" not in world.lake.columns("impressions")
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001
    clock = datetime(2018, 2, 17, 23, 30)  # noqa: DTZ001
    assert times(world, "search_s") == [((clock - epoch).total_seconds(),)]


def test_a_home_of_local_times_takes_no_instants_and_the_other_way_round_it_does(
    world: World,
) -> None:
    local = world.log(searched(1, "2018-02-06 12:00"), name="local.csv")
    utc = world.log(searched(2, "2018-02-06T12:00:00Z"), name="utc.csv")
    world.ingest(local, source=own(world))
    with pytest.raises(HomeError, match=r"local times.*Redo all logs together"):
        world.ingest(utc, source=own(world))
    assert len(world.impressions()) == 1
    other = World(world.folder / "other")
    other.folder.mkdir()
    for log in (utc, local):
        other.ingest(log, source=own(world))
    assert [s for (s,) in times(other, "search_s")] == [
        datetime.fromisoformat(t).timestamp()
        for t in ("2018-02-06T14:00:00Z", "2018-02-06T12:00:00Z")
    ]


def test_a_home_whose_every_log_is_redone_may_turn_to_instants(world: World) -> None:
    log = world.log(
        {**searched(1, "2018-02-17 23:30"), "utc": "2018-02-18T01:30:00Z"},
        {**searched(2, "2018-02-17 23:05"), "utc": "2018-02-18T02:05:00Z"},
    )
    other = world.log(searched(3, "2018-02-16 10:00"), name="other.csv")
    mapping = own(world).read_text()
    world.ingest(log, other, source=own(world))
    told = mapping.replace('ts_search = "ts_search"', 'ts_search = "utc"')
    redo = IngestOptions(redo=True)
    with pytest.raises(HomeError, match="Redo all logs together"):
        world.ingest(log, source=world.file(told, "told.toml"), options=redo)
    alone = World(world.folder / "alone")
    alone.folder.mkdir()
    alone.ingest(log, source=world.file(mapping, "own.toml"))
    alone.ingest(log, source=world.file(told, "told.toml"), options=redo)
    (first,), (second,) = times(alone, "search_s")
    assert second - first == 35 * 60
    assert alone.lake.scan("impressions").collect()["local_s"].null_count() == 0


# The order of day and month


def week(first: date, days: int, written: str) -> list[dict[str, Any]]:
    return [
        searched(number, f"{(first + timedelta(days=number)).strftime(written)} 10:00")
        for number in range(days)
    ]


@pytest.mark.parametrize("written", ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%m-%d-%Y"])
@pytest.mark.parametrize("first", [date(2026, 2, 9), date(2026, 2, 5)], ids=["9-15", "5-11"])
def test_a_week_is_a_week_in_either_order(world: World, written: str, first: date) -> None:
    report = world.ingest(world.log(*week(first, 7, written)), source=own(world))
    assert report.rows_accepted == 7
    assert [day for (day,) in times(world, "ds_search")] == [
        first + timedelta(days=n) for n in range(7)
    ]
    order = "day first" if written.startswith("%d") else "month first"
    assert any(f"dates are read {order}" in finding for finding in report.findings)


def test_nights_and_bookings_tell_the_order_where_days_do_not(world: World) -> None:
    stay = {"query_checkin": "03/04/2026", "query_checkout": "05/04/2026"}
    world.ingest(world.log({**searched(1, "05/02/2026 10:00"), **stay}), source=own(world))
    assert times(world, "ds_search", "query_checkin") == [(date(2026, 2, 5), date(2026, 4, 3))]


def test_the_home_tells_the_order_of_a_day_that_does_not(world: World) -> None:
    world.ingest(world.log(searched(1, "2026-02-04 10:00"), name="a.csv"), source=own(world))
    world.ingest(world.log(searched(2, "05/02/2026 10:00"), name="b.csv"), source=own(world))
    assert times(world, "ds_search")[1] == (date(2026, 2, 5),)


def test_what_nothing_tells_is_read_month_first_and_said(world: World) -> None:
    report = world.ingest(world.log(searched(1, "05/02/2026 10:00")), source=own(world))
    assert times(world, "ds_search") == [(date(2026, 5, 2),)]
    assert any("nothing in the log tells" in finding for finding in report.findings)


def test_dates_that_contradict_each_other_are_refused_and_named(world: World) -> None:
    rows = [searched(1, "13/02/2026 10:00"), searched(2, "02/14/2026 10:00")]
    with pytest.raises(LogError, match=r"'13/02/2026 10:00' \(column ts_search, line 2\).*line 3"):
        world.ingest(world.log(*rows), source=own(world))
    assert not world.lake.exists("impressions")


def test_a_contradiction_far_down_is_found_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.readers.csv.BLOCK_BYTES", 2_000)
    rows = [searched(n, "13/02/2026 10:00") for n in range(60)]
    with pytest.raises(LogError, match=r"contradict.*line 62"):
        world.ingest(world.log(*rows, searched(99, "02/14/2026 10:00")), source=own(world))


def test_a_named_order_is_believed_and_the_others_are_quarantined(world: World) -> None:
    rows = [searched(1, "05/02/2026 10:00"), searched(2, "02/14/2026 10:00")]
    world.ingest(world.log(*rows), source=own(world, "day_first"))
    assert times(world, "ds_search") == [(date(2026, 2, 5),)]
    assert world.quarantine() == [(3, Reason.TIME_UNREADABLE)]


def test_days_that_lie_months_apart_are_reported(world: World) -> None:
    rows = [searched(1, "2026-02-05 10:00"), searched(2, "2026-06-02 10:00")]
    report = world.ingest(world.log(*rows), source=own(world))
    assert any("2026-02-05" in f and "2026-06-02" in f and "apart" in f for f in report.findings)


# Epochs


@pytest.mark.parametrize(
    ("time_format", "written"),
    [
        ("epoch_s", "1517826600"),
        ("epoch_ms", "1517826600000"),
        ("epoch_us", "1517826600000000"),
        ("epoch_seconds", "1517826600.5"),
        ("epoch_milliseconds", "1517826600000"),
    ],
)
def test_an_epoch_is_read_by_the_name_of_its_unit(
    world: World, time_format: str, written: str
) -> None:
    world.ingest(world.log(searched(1, written)), source=own(world, time_format))
    assert times(world, "search_s", "ts_search") == [
        (1_517_826_600, datetime(2018, 2, 5, 8, 30))  # noqa: DTZ001
    ]


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("1517826600", 'time_format = "epoch_s"'),
        ("1517826600000", 'time_format = "epoch_ms"'),
        ("1517826600000000", 'time_format = "epoch_us"'),
        ("half past ten", r"how its times are written \(time_format\)"),
    ],
)
def test_times_that_cannot_be_read_name_what_to_write(
    world: World, written: str, advice: str
) -> None:
    with pytest.raises(LogError, match=f"line 2: ts_search '{written}'.*{advice}"):
        world.ingest(world.log(searched(1, written)), source=own(world))
