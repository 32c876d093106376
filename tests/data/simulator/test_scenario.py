"""Settings are checked when made, and each scenario changes what it says."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from data.simulator import SCENARIOS, SimulationConfig
from data.simulator.scenario import carnival_day
from tests.data.simulator.conftest import Week, simulated_week

SEARCHES = 5_000


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"searches": 0}, "searches = 0: must be from 1 to 50,000,000"),
        ({"searches": -5}, "searches = -5: must be from 1 to"),
        ({"searches": 10, "seed": -1}, "seed = -1: must be at least 0"),
        ({"searches": 10, "scenario": "boom"}, "unknown scenario 'boom'; known are default"),
        ({"searches": 10, "listings": 3}, "listings = 3: must be from 100 to 500,000"),
        ({"searches": 10, "results_per_search": 1}, "results_per_search = 1: must be from 2 to 50"),
        ({"searches": 10, "searches_per_chunk": 0}, "searches_per_chunk = 0: must be from"),
        ({"searches": 10, "threads": 0}, "threads = 0: must be from 1 to 64"),
        (
            {"searches": 10, "start": date(1950, 1, 1)},
            "start = 1950-01-01: must be from",
        ),
    ],
)
def test_bad_setting_gives_one_clear_sentence(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        SimulationConfig(**setting)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("after", "friday"),
    [
        (date(2018, 1, 29), date(2018, 2, 9)),
        (date(2024, 1, 1), date(2024, 2, 9)),
        (date(2026, 1, 19), date(2026, 2, 13)),
        (date(2026, 3, 1), date(2027, 2, 5)),
    ],
)
def test_carnival_begins_on_its_known_fridays(after: date, friday: date) -> None:
    assert carnival_day(after) == friday


def test_catalogue_grows_with_the_searches_up_to_the_real_ones() -> None:
    assert SimulationConfig(searches=5_000_000).listings_per_market() == (29_011, 42_000)
    small = SimulationConfig(searches=10_000).listings_per_market()
    assert sum(small) == 2_000
    assert small[0] < small[1]


@pytest.fixture(scope="module")
def default() -> Week:
    return simulated_week(searches=SEARCHES, seed=5)


def _share_booked(of: Week) -> float:
    return float((of.of("label") == "booked").mean())


def _scenario(name: str) -> Week:
    return simulated_week(searches=SEARCHES, seed=5, scenario=name)


def test_each_scenario_changes_its_own_settings_and_no_other() -> None:
    default = asdict(SCENARIOS["default"])
    changed = {
        name: {key for key, value in asdict(scenario).items() if value != default[key]}
        for name, scenario in SCENARIOS.items()
    }
    assert changed == {
        "default": set(),
        "bookers_oversampled": {"meaning", "intent_shift", "click_shift", "searches_factor"},
        "cold_market": {"meaning", "new_market", "new_market_shares"},
        "drift": {"meaning", "price_shock_day", "price_shock_log"},
        "carnival": {"meaning", "carnival_share_factor", "carnival_price_factor"},
        "sparse": {"meaning", "full_catalogue"},
        "clickbait": {
            "meaning",
            "click_shift",
            "intent_shift",
            "bait_click",
            "bait_regret",
            "substance",
        },
        "strong_tastes": {"meaning", "click_shift", "intent_shift", "taste_factor"},
        "contrast": {
            "meaning",
            "intent_shift",
            "earlier_search_weight",
            "price_contrast",
            "rating_contrast",
            "stop_after_click",
        },
    }


def test_bookers_oversampled_has_many_times_the_bookings(default: Week) -> None:
    assert _share_booked(_scenario("bookers_oversampled")) > 3 * _share_booked(default)


def test_cold_market_is_new_and_grows_by_the_day(default: Week) -> None:
    cold = _scenario("cold_market")
    paulo = cold.of("query_market") == "Sao Paulo"
    assert cold.of("listing_is_new")[paulo].mean() > 0.6
    assert cold.of("listing_is_new")[~paulo].mean() < 0.1
    day = cold.of("ds_search")
    by_day = [paulo[day == d].mean() for d in np.unique(day)]
    assert by_day[0] < 0.5 * by_day[-1]
    assert paulo.mean() < 0.5 * (default.of("query_market") == "Sao Paulo").mean()


def test_drift_raises_prices_from_the_fifth_day_only(default: Week) -> None:
    """Per listing, so that other listings in the results do not blur the shock."""
    drift = _scenario("drift")
    ratios = {}
    for name, of in (("drift", drift), ("default", default)):
        late = of.of("ds_search") >= np.datetime64("2026-01-23")
        nights = (of.of("query_checkout") - of.of("query_checkin")).astype(float)
        per_night = np.log(of.of("listing_total_price") / np.where(nights > 0, nights, np.nan))
        ratios[name] = _mean_change_per_listing(of.of("id_listing"), per_night, late)
    assert ratios["drift"] - ratios["default"] == pytest.approx(0.30, abs=0.06)


def _mean_change_per_listing(listing: Any, value: Any, late: Any) -> float:
    codes = np.unique(listing, return_inverse=True)[1]
    known = ~np.isnan(value)
    means = []
    for part in (known & ~late, known & late):
        count = np.bincount(codes[part], minlength=codes.max() + 1)
        total = np.bincount(codes[part], weights=value[part], minlength=codes.max() + 1)
        means.append(np.where(count >= 5, total / np.maximum(count, 1), np.nan))
    return float(np.nanmean(means[1] - means[0]))


def test_carnival_fills_its_nights_at_carnival_prices(default: Week) -> None:
    carnival = _scenario("carnival")
    shares, prices = [], []
    for of in (default, carnival):
        rio = of.of("query_market") == "Rio de Janeiro"
        nights = of.of("query_checkin") - np.datetime64("2026-02-12")
        goes = rio & (nights >= np.timedelta64(0)) & (nights <= np.timedelta64(3))
        shares.append(goes[rio].mean())
        prices.append(float(pc.quantile(of.log["listing_total_price"].filter(rio), 0.5)[0].as_py()))
    assert shares[1] > 1.8 * shares[0]
    assert prices[1] > 1.2 * prices[0]
