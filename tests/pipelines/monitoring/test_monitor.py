"""Drift: what is flagged and what is not, on planted frames and on simulated weeks."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.readers.words import market_slug
from data.schema.feature_set import Feature, FeatureSet
from data.schema.tables import QUALITY
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import SettingsError, load_settings
from pipelines.feature_table.build_table import build_features_table
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.ingestion.simulate_log import simulate_log
from pipelines.monitoring.config import MonitoringConfig, monitoring_config
from pipelines.monitoring.data_quality import null_shares, quarantined_rows
from pipelines.monitoring.feature_drift import feature_drift, psi
from pipelines.monitoring.funnel_rates import funnel_rates, searches_per_day
from pipelines.monitoring.measures import Measure
from pipelines.monitoring.monitor import monitor
from pipelines.run_context import RunContext

CONFIG = MonitoringConfig()
FIRST = date(2026, 1, 19)
DAYS = [FIRST + timedelta(days=n) for n in range(7)]
LAST_TRAINING = DAYS[4]
PRICE = Feature(name="price", kind="number", meaning="a price", null="never null")
PAST = Feature(name="past", kind="number", meaning="a count", null="never null", is_history=True)
WEEKDAY = Feature(name="weekday", kind="category", meaning="the day", null="never null")
KIND = Feature(name="kind", kind="category", meaning="a kind", null="unknown")
FEATURES = FeatureSet((PRICE, PAST, WEEKDAY, KIND))


def steady(day: int) -> float:
    del day
    return 0.0


def week(shift: Callable[[int], float] = steady, *, a_guest: bool = False) -> pl.DataFrame:
    """300 guests a day with ten rows each; ``a_guest`` gives all rows of a guest one price."""
    rng = np.random.default_rng(3)
    frames = []
    for place, day in enumerate(DAYS):
        guests = np.repeat(np.arange(300), 10)
        price = rng.normal(size=300)[guests] if a_guest else rng.normal(size=3_000)
        frames.append(
            pl.DataFrame(
                {
                    "market": "rio",
                    "ds_search": day,
                    "id_search": [f"s{place}-{g}" for g in guests],
                    "id_user": [f"u{place}-{g}" for g in guests],
                    "price": price + shift(place),
                    "past": float(place),
                    "weekday": day.strftime("%A"),
                    "kind": pl.Series(
                        rng.choice(["a", "b", None], size=3_000).tolist(), dtype=pl.String
                    ),
                }
            )
        )
    return pl.concat(frames)


def flagged(rows: pl.DataFrame) -> dict[str, list[date]]:
    found = feature_drift(rows, FEATURES, LAST_TRAINING, CONFIG)
    days: dict[str, list[date]] = {}
    for measure in found:
        if measure.is_flagged:
            days.setdefault(measure.name, []).append(measure.ds)
    return days


def test_psi_of_equal_counts_is_zero() -> None:
    assert psi(np.array([10.0, 30.0]), np.array([10.0, 30.0])) == 0


def test_an_ordinary_week_is_not_flagged() -> None:
    assert flagged(week()) == {}


def test_a_shift_is_flagged_on_its_day_and_stays_flagged() -> None:
    assert flagged(week(lambda day: 0.6 * (day >= 3))) == {"price": DAYS[3:]}


def test_a_spike_of_one_day_is_flagged_on_that_day_only() -> None:
    assert flagged(week(lambda day: 0.6 * (day == 3))) == {"price": [DAYS[3]]}


def test_guests_whose_rows_are_alike_get_wider_limits() -> None:
    """The same shift, but as little is known as 300 guests tell, not 3,000 rows."""
    small = lambda day: 0.33 * (day == 5)  # noqa: E731
    assert flagged(week(small)) == {"price": [DAYS[5]]}
    assert flagged(week(small, a_guest=True)) == {}


def test_first_day_and_features_of_a_past_are_not_judged() -> None:
    found = list(feature_drift(week(), FEATURES, LAST_TRAINING, CONFIG))
    assert min(m.ds for m in found) == DAYS[1]
    assert {m.is_flagged for m in found if m.name in {"past", "weekday"}} == {None}
    assert {m.is_flagged for m in found if m.name in {"price", "kind"}} == {False}


def impressions(clicks: list[int], nulls: list[int] | None = None) -> pl.LazyFrame:
    """200 guests a day with 10 impressions each; of each day's rows so many clicked, null."""
    frames = []
    for place, count in enumerate(clicks):
        places = np.random.default_rng(place).permutation(2_000)
        empty = places < (nulls or [0] * 7)[place]
        ratings = np.where(empty, None, 4.5).tolist()
        frames.append(
            pl.DataFrame(
                {
                    "market": "rio",
                    "ds_search": DAYS[place],
                    "search_day": place,
                    "id_search": [f"s{place}-{n // 10}" for n in range(2_000)],
                    "id_user": [f"u{place}-{n // 10}" for n in range(2_000)],
                    "stage": (places < count).astype(np.int8),
                    "listing_rating": pl.Series(ratings, dtype=pl.Float64),
                }
            )
        )
    return pl.concat(frames).lazy()


def odd(measures: list[Measure]) -> list[tuple[date, str]]:
    return [(m.ds, m.name) for m in measures if m.is_flagged]


def test_click_rate_outside_its_control_limits_is_flagged() -> None:
    steady = list(
        funnel_rates(impressions([100, 90, 110, 95, 105, 100, 120]), LAST_TRAINING, CONFIG)
    )
    assert odd(steady) == []
    broken = list(funnel_rates(impressions([100, 90, 110, 95, 20, 100, 90]), LAST_TRAINING, CONFIG))
    assert odd(broken) == [(DAYS[4], "click per impression")]
    assert all(m.low <= m.reference <= m.high for m in broken if m.reference is not None)  # type: ignore[operator]


def test_column_that_loses_its_values_is_flagged() -> None:
    found = null_shares(
        impressions([100] * 7, [20, 20, 20, 20, 20, 600, 20]), LAST_TRAINING, CONFIG
    )
    assert odd(list(found)) == [(DAYS[5], "listing_rating")]


def test_half_a_day_is_flagged() -> None:
    rows = impressions([100] * 7)
    guest = pl.col("id_search").str.split("-").list.last().cast(pl.Int64)
    for kept, expected in (
        (80, [(DAYS[6], "searches"), (DAYS[6], "impressions")]),
        (120, []),
    ):
        found = rows.filter((pl.col("ds_search") < DAYS[6]) | (guest < kept))
        assert odd(list(searches_per_day(found, LAST_TRAINING, CONFIG))) == expected


def test_quarantine_is_counted_by_reason_market_and_day() -> None:
    quarantine = pl.DataFrame(
        {
            "row": [
                '{"query_market": "Rio", "ds_search": "2026-01-20"}',
                '{"query_market": "Rio", "ts_search": "2026-01-20 10:00"}',
                '{"query_market": "Atlantis"}',
            ],
            "reasons": [
                "price_not_positive,party_below_one",
                "price_not_positive",
                "market_unknown",
            ],
            "ds_ingested": [date(2026, 2, 1)] * 3,
        }
    )
    found = list(quarantined_rows(quarantine, {("rio", DAYS[1]): 150}, CONFIG))
    assert {(m.market, m.ds, m.name): (m.value, m.is_flagged) for m in found} == {
        ("rio", DAYS[1], "price_not_positive"): (2, False),
        ("rio", DAYS[1], "party_below_one"): (1, False),
        ("unknown", date(2026, 2, 1), "market_unknown"): (1, True),
    }


@pytest.mark.parametrize(
    ("word", "market"),
    [
        ("São-Paulo", "sao_paulo"),
        ("東京", market_slug("東京")),
        ("北京", "unknown"),
        ("-1", "unknown"),
        ("1.0", "1"),
    ],
)
def test_quarantine_counts_for_the_market_that_its_own_word_names(word: str, market: str) -> None:
    row = json.dumps({"query_market": word, "ds_search": "2026-01-20"})
    quarantine = pl.DataFrame(
        {"row": [row], "reasons": ["price_not_positive"], "ds_ingested": [DAYS[1]]}
    )
    rows = {(name, DAYS[1]): 150 for name in ("sao_paulo", "1", market_slug("東京") or "")}
    (found,) = quarantined_rows(quarantine, rows, CONFIG)
    assert found.market == market


def test_config_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="psi"):
        MonitoringConfig(psi=0)


def simulated(folder: Path, scenario: str, seed: int) -> pl.DataFrame:
    """The flagged measures of a simulated week."""
    settings = load_settings(seed=seed, simulation={"searches": 5_000, "scenario": scenario})
    context = RunContext(home=Home(folder), settings=settings, console=Console())
    ingest_logs(context, [simulate_log(context)])
    build_features_table(context)
    monitor(context)
    return context.lake.scan(QUALITY.name).filter("is_flagged").sort("ds").collect()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_price_shock_is_flagged_on_its_day_in_the_price_features(tmp_path: Path, seed: int) -> None:
    found = simulated(tmp_path, "drift", seed).filter(pl.col("kind") == "psi")
    for market in ("rio_de_janeiro", "sao_paulo"):
        here = found.filter(pl.col("market") == market)
        assert here["ds"].min() == DAYS[4]
        assert all("price" in name for name in here["name"])
        assert "listing_price_per_guest" in here["name"].to_list()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ordinary_simulated_week_is_not_flagged(tmp_path: Path, seed: int) -> None:
    found = simulated(tmp_path, "default", seed)
    assert found.is_empty(), found


def test_limits_are_those_of_the_settings() -> None:
    config = monitoring_config(load_settings(monitoring={"psi": 0.25, "rows_per_day": 500}))
    assert (config.psi, config.rows_per_day, config.null_shift) == (0.25, 500, 0.1)
    with pytest.raises(SettingsError, match=r"setting monitoring\.psy is not known"):
        monitoring_config(load_settings(monitoring={"psy": 0.25}))
    with pytest.raises(SettingsError, match=r"day_share = 1\.5: must be above 0 and below 1"):
        monitoring_config(load_settings(monitoring={"day_share": 1.5}))
