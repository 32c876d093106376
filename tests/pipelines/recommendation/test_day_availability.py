"""P(free) on the morning of a day, by a model with two coefficients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from data.schema.time import DAY_S
from models.availability.availability_model import AvailabilityModel
from models.availability.config import AvailabilityConfig
from models.availability.night_evidence import INPUTS
from pipelines.candidates.candidate_rows import CandidateSource
from pipelines.recommendation.day_availability import DayAvailability, day_availability

DAY = 20_000
MORNING_S = DAY * DAY_S


def model_of(**coefficients: float) -> AvailabilityModel:
    """Log-odds: ``intercept`` and what each input adds; the inputs are not scaled."""
    slopes = [coefficients.get(name, 0.0) for name in INPUTS]
    return AvailabilityModel(
        config=AvailabilityConfig(),
        mean_D=np.zeros(len(INPUTS)),
        spread_D=np.ones(len(INPUTS)),
        coefficients=np.array([coefficients.get("intercept", 0.0), *slopes]),
        shape=8.0,
        pairs=0,
    )


# Covered nights are free with expit(2), others with expit(-1).
MODEL = model_of(intercept=-1.0, covered=3.0)
FREE, UNKNOWN = expit(2.0), expit(-1.0)

Shown = tuple[str, str, int, tuple[int, int] | None]


def log(*shown: Shown) -> pl.LazyFrame:
    """Rows of ``(search, listing, hours before the morning, nights after the day)``."""
    rows: list[dict[str, Any]] = [
        {
            "id_search": name,
            "market": "bahia" if listing == "hut" else "rio",
            "id_listing": listing,
            "search_s": MORNING_S - hours * 3600,
            "checkin_day": None if nights is None else DAY + nights[0],
            "checkout_day": None if nights is None else DAY + nights[1],
        }
        for name, listing, hours, nights in shown
    ]
    schema = {"checkin_day": pl.Int32, "checkout_day": pl.Int32, "search_s": pl.Int64}
    return pl.LazyFrame(rows, schema_overrides=schema)


def source_of(*nights: tuple[int, int] | None) -> CandidateSource:
    """Queries for these nights after the day; flat and loft in Rio, a hut in Bahia."""
    days = [(None, None) if stay is None else (DAY + stay[0], DAY + stay[1]) for stay in nights]
    queries = pl.DataFrame(
        {"checkin_day": [a for a, _ in days], "checkout_day": [b for _, b in days]},
        schema={"checkin_day": pl.Int32, "checkout_day": pl.Int32},
    )
    catalogue = pl.DataFrame(
        {
            "market": ["bahia", "rio", "rio"],
            "id_listing": ["hut", "flat", "loft"],
            "listing_minimum_nights": [None, None, 3],
        },
        schema_overrides={"listing_minimum_nights": pl.Int32},
    )
    return CandidateSource(queries, catalogue, None, pl.DataFrame())


HUT, FLAT, LOFT = 0, 1, 2
SHOWN: tuple[Shown, ...] = (
    ("s1", "flat", 30, (2, 4)),
    ("s2", "flat", 6, (3, 5)),
    ("s2", "loft", 6, (3, 5)),
    ("s3", "hut", 2, None),
    ("s4", "loft", 6, (1, 4)),
)


def of(made: DayAvailability, query: int, listing: int) -> float:
    return float(made.of_pairs(np.array([query]), np.array([listing]))[0])


def hours(made: DayAvailability, query: int, listing: int) -> float:
    return float(made.hours_since_shown(np.array([query]), np.array([listing]))[0])


def on_the_morning(source: CandidateSource, *shown: Shown) -> DayAvailability:
    return day_availability(log(*shown), source, DAY, MODEL, seed=0)


def test_nights_that_were_all_shown_are_free_and_of_the_oldest_news_of_them() -> None:
    made = on_the_morning(source_of((2, 5), (3, 5), (4, 6)), *SHOWN)
    assert of(made, 0, FLAT) == pytest.approx(FREE)
    assert hours(made, 0, FLAT) == 30  # night 2 was shown by the first search alone
    assert hours(made, 1, FLAT) == 6
    assert of(made, 1, LOFT) == pytest.approx(FREE)
    # Night 5 was never shown.
    assert of(made, 2, FLAT) == pytest.approx(UNKNOWN)
    assert np.isnan(hours(made, 2, FLAT))


def test_a_listing_shown_without_dates_alone_has_no_hours() -> None:
    made = on_the_morning(source_of((3, 5)), *SHOWN)
    assert of(made, 0, HUT) == pytest.approx(UNKNOWN)
    assert np.isnan(hours(made, 0, HUT))


def test_stays_that_have_begun_are_neither_known_nor_a_matter_of_the_prior() -> None:
    made = on_the_morning(source_of((-1, 4), (0, 1)), *SHOWN)
    assert np.isnan(of(made, 0, FLAT))
    assert np.isnan(hours(made, 0, FLAT))
    # A check-in on the day itself lies ahead.
    assert of(made, 1, FLAT) == pytest.approx(UNKNOWN)


def test_a_dateless_search_gets_the_mean_over_the_stays_that_its_market_asks_for() -> None:
    made = on_the_morning(source_of(None), *SHOWN)
    # s1 and s2 asked for two nights four days ahead, which are nights 4 and 5 of the day; s4 for
    # three nights two days ahead: nights 2 to 4, which were all shown.
    assert of(made, 0, FLAT) == pytest.approx((2 * UNKNOWN + FREE) / 3)
    # The loft takes stays of three nights and more.
    assert of(made, 0, LOFT) == pytest.approx(FREE / 3)
    # Nobody asked for nights in Bahia.
    assert np.isnan(of(made, 0, HUT))
    assert np.isnan(hours(made, 0, FLAT))


def test_a_stay_of_28_nights_beyond_all_that_was_shown_is_not_known_to_be_free() -> None:
    every_night = [(f"n{n}", "flat", 1, (n, n + 1)) for n in range(3, 31)]
    month, longer = (3, 31), (3, 32)
    made = on_the_morning(source_of(month, longer), *every_night)
    assert of(made, 0, FLAT) == pytest.approx(FREE)
    assert of(made, 1, FLAT) == pytest.approx(UNKNOWN)
    assert hours(made, 0, FLAT) == 1


@pytest.mark.parametrize("lacking", ["model", "dates", "columns"])
def test_where_the_log_cannot_tell_nothing_is_known(lacking: str) -> None:
    shown = (
        log(*((name, at, hour, None) for name, at, hour, _ in SHOWN))
        if lacking == "dates"
        else log(*SHOWN)
    )
    shown = shown.drop("checkin_day") if lacking == "columns" else shown
    source, model = source_of((2, 5), None), None if lacking == "model" else MODEL
    made = day_availability(shown, source, DAY, model, seed=0)
    pairs = np.array([0, 0, 1, 1]), np.array([FLAT, HUT, FLAT, HUT])
    assert np.isnan(made.of_pairs(*pairs)).all()
    assert np.isnan(made.hours_since_shown(*pairs)).all()


def test_queries_of_a_log_without_dates_are_dateless() -> None:
    source = replace(source_of((2, 5)), queries=pl.DataFrame({"id_search": ["s"]}))
    made = day_availability(log(*SHOWN), source, DAY, MODEL, seed=0)
    assert of(made, 0, FLAT) == pytest.approx((2 * UNKNOWN + FREE) / 3)


def test_what_was_shown_in_the_second_of_the_morning_is_not_known_yet() -> None:
    source = source_of((2, 4))
    before, at = on_the_morning(source, ("s", "flat", 1, (2, 4))), ("s", "flat", 0, (2, 4))
    assert of(before, 0, FLAT) == pytest.approx(FREE)
    assert of(on_the_morning(source, at), 0, FLAT) == pytest.approx(UNKNOWN)
