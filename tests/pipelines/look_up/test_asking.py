"""What is asked otherwise, and what no search can ask."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from data.errors import DataError
from data.schema.time import day_number
from pipelines.look_up.asking import Asking, AskingError
from pipelines.look_up.what_if import own_search
from tests.pipelines.look_up.logs import MONDAY, log_of, shown

FIRST = day_number(date(2026, 3, 2))
DATED = {
    "checkin_day": FIRST,
    "checkout_day": FIRST + 5,
    "query_checkin": date(2026, 3, 2),
    "query_checkout": date(2026, 3, 7),
}
POINT = {"query_center_lat": -22.9, "query_center_lng": -43.2, "query_radius": 4.0}
LOG = log_of(
    shown("s1", "a", 0, query_num_guests=3, query_num_children=1, **DATED, **POINT),
    *(
        shown(f"of bob {n}", "x", 0, id_user="bob", market="sao_paulo", query_center_lat=lat)
        for n, lat in enumerate((-23.5, -23.6, -23.4))
    ),
)
DAY = MONDAY + 1


def asked(rows: pl.LazyFrame = LOG, **words: Any) -> dict[str, Any]:
    of_ann = rows.filter(pl.col("id_user") == "ann")
    own = own_search(of_ann, DAY)
    assert own is not None
    row = Asking.of(**words).applied(of_ann, rows, own, DAY).collect()
    assert row.schema == rows.collect_schema()
    return row.row(0, named=True)


def test_what_is_not_asked_stays() -> None:
    row = asked(checkin="2026-02-13", nights=4)
    assert (row["checkin_day"], row["checkout_day"]) == (DAY + 17, DAY + 21)
    assert (row["query_checkin"], row["query_checkout"]) == (date(2026, 2, 13), date(2026, 2, 17))
    assert (row["query_num_guests"], row["query_num_children"]) == (3, 1)
    assert row["query_radius"] == 4.0
    assert asked(nights=2)["checkout_day"] == FIRST + 2
    assert asked(checkin="2026-02-13")["checkout_day"] == DAY + 17 + 5


def test_another_party_travels_without_the_guest_s_children() -> None:
    row = asked(guests=2)
    assert (row["query_num_guests"], row["query_num_children"]) == (2, 0)
    assert row["checkin_day"] == FIRST


def test_in_another_market_the_search_is_made_where_that_market_searches() -> None:
    for words in ("sao_paulo", "São Paulo", "SAO PAULO"):
        row = asked(market=words)
        assert row["market"] == "sao_paulo"
        assert (row["query_center_lat"], row["query_radius"]) == (-23.5, None)
    own = asked(market="rio de janeiro")
    assert own["query_radius"] == 4.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"checkin": "13/02/2026"}, "'13/02/2026' is not a date like 2026-02-13"),
        ({"checkin": "2026-01-20"}, "Tuesday 20 January 2026 has passed.*--checkin"),
        ({"checkin": "2062-02-13"}, "more than three years ahead"),
        ({"nights": 0}, "nights is from 1 to 365; found 0"),
        ({"guests": 101}, "guests is from 1 to 100; found 101"),
        ({"market": "sao paolo"}, "'sao paolo' is no market of this home; did you mean sao_paulo"),
        ({"market": "rio"}, "'rio' is no market of this home; did you mean rio_de_janeiro"),
        ({"market": "Tokyo"}, "there are rio_de_janeiro, sao_paulo"),
    ],
)
def test_what_no_search_can_ask_is_one_sentence(words: dict[str, Any], said: str) -> None:
    with pytest.raises(AskingError, match=said) as raised:
        asked(**words)
    assert "\n" not in str(raised.value)


def test_of_a_dateless_search_both_ends_must_be_said() -> None:
    dateless = log_of(shown("s1", "a", 0))
    with pytest.raises(AskingError, match="--nights"):
        asked(dateless, checkin="2026-02-13")
    with pytest.raises(AskingError, match="--checkin"):
        asked(dateless, nights=3)
    assert asked(dateless, checkin="2026-02-13", nights=3)["checkout_day"] == DAY + 20


def test_a_log_without_dates_cannot_be_asked_for_some() -> None:
    bare = LOG.drop("checkin_day", "checkout_day", "query_checkin", "query_checkout")
    with pytest.raises(DataError, match="has no checkin_day"):
        asked(bare, checkin="2026-02-13", nights=3)
    assert asked(bare.drop("query_num_children"), guests=2)["query_num_guests"] == 2


def test_nothing_asked_is_false() -> None:
    assert not Asking.of()
    assert Asking.of(guests=1)
