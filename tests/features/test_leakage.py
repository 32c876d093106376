"""The future must not reach a feature, not even in its last bit, on any engine."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings

from data.schema.event_visibility import OUTCOME_DAY, OUTCOME_KNOWN
from data.schema.feature_set import FeatureSet
from features import build_on_spark
from features.all_features import ALL_FEATURES, available_features
from features.history import clicked_vectors, running_totals, sessions, stage_aggregates
from features.history.clicked_vectors import ClickLog
from features.history.stage_aggregates import StageAggregate
from features.on_spark import partitions
from tests.features.engines import AT_ONCE, BY_DAY, CANDIDATES, ENGINES, KEY, PARTITIONS, Engine
from tests.features.futures import KINDS, LENIENT, SOME_KINDS, with_another_future
from tests.features.worlds import (
    CLOCK_GOES_FORWARD,
    DAY_S,
    FIRST_DAY,
    differences,
    tied_impressions,
    zoned_impressions,
)

HISTORY_GROUPS = tuple(dict.fromkeys(f.group for f in ALL_FEATURES if f.is_history))
ALL_GROUPS = tuple(dict.fromkeys(f.group for f in ALL_FEATURES))


WORLDS: dict[str, Callable[[], pl.DataFrame]] = {
    "local times": lambda: tied_impressions(3),
    "two zones, a clock goes back": lambda: zoned_impressions(3),
    "two zones, a clock goes forward": lambda: zoned_impressions(4, CLOCK_GOES_FORWARD),
}


@cache
def world(name: str = "local times") -> pl.DataFrame:
    return WORLDS[name]()


@cache
def honest(engine: Engine, name: str = "local times") -> pl.DataFrame:
    return engine.build(world(name))


def time_of(share: float, name: str = "local times") -> int:
    """A time that some search of the world has: ties with it are what leaks first."""
    times = world(name)["search_s"].unique().sort()
    return int(times[int(share * (len(times) - 1))])


def times_of_ties() -> list[int]:
    """Times at which a guest searched twice."""
    searches = world().unique("id_search").group_by("search_s", "id_user").len()
    return searches.filter(pl.col("len") > 1)["search_s"].unique().sort().to_list()


def of_group(group: str) -> FeatureSet:
    return FeatureSet(tuple(f for f in available_features(world().columns) if f.group == group))


def leaks(built: pl.DataFrame, other: pl.DataFrame, t: int) -> list[str]:
    """Differences in the features of the rows up to ``t`` that both logs have."""
    outcomes = {"stage", *OUTCOME_DAY.values(), *OUTCOME_KNOWN.values()}
    names = [name for name in built.columns if name not in outcomes]
    known, tampered = (
        frame.filter(pl.col("search_s") <= t).select(names) for frame in (built, other)
    )
    known = known.join(tampered.select(KEY), on=KEY, how="semi", maintain_order="left")
    assert known.filter(pl.col("search_s") == t).height > 0
    return differences(known, tampered)


@pytest.mark.parametrize("group", ALL_GROUPS)
@LENIENT
@given(share=st.floats(0, 1), seed=st.integers(0, 10_000), kinds=SOME_KINDS)
@example(share=0.5, seed=1, kinds=set(KINDS))
def test_another_future_leaves_the_group_bit_identical(
    group: str, share: float, seed: int, kinds: set[str]
) -> None:
    t, chosen = time_of(share), of_group(group)
    other = with_another_future(world(), t, seed, kinds)
    assert leaks(AT_ONCE.build(world(), chosen), AT_ONCE.build(other, chosen), t) == []


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("engine", ENGINES, ids=str)
@settings(LENIENT, max_examples=3)
@given(share=st.floats(0.2, 1), seed=st.integers(0, 10_000), kinds=SOME_KINDS)
@example(share=0.5, seed=1, kinds=set(KINDS))
def test_another_future_leaves_the_whole_build_bit_identical(
    engine: Engine, name: str, share: float, seed: int, kinds: set[str]
) -> None:
    t = time_of(share, name)
    other = with_another_future(world(name), t, seed, kinds)
    assert leaks(honest(engine, name), engine.build(other), t) == []


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_a_day_built_alone_knows_no_more_in_another_future(engine: Engine, name: str) -> None:
    t = time_of(0.7, name)
    at_that_time = world(name).filter(pl.col("search_s") == t)
    since_day = int(at_that_time["search_day"].min())  # type: ignore[arg-type]
    one, two = (
        engine.build(log, since_day=since_day)
        for log in (world(name), with_another_future(world(name), t, 2))
    )
    assert leaks(one, two, t) == []


def test_suite_catches_an_order_by_clocks() -> None:
    """Where a clock goes back, or between two zones, the clock shows the later time earlier."""
    name = "two zones, a clock goes back"
    by_clock = pl.col("local_s").alias("search_s")
    found = []
    for seed in range(4):
        t = time_of(0.3 + seed / 6, name)
        other = with_another_future(world(name), t, seed)
        built = [AT_ONCE.build(log.with_columns(by_clock)) for log in (world(name), other)]
        before = world(name).filter(pl.col("search_s") <= t).select(KEY)
        known = [log.join(before, on=KEY, how="semi").sort(KEY) for log in built]
        both = known[0].join(known[1].select(KEY), on=KEY, how="semi", maintain_order="left")
        history = [f.name for f in ALL_FEATURES if f.is_history and f.name in both.columns]
        found += differences(both.select(history), known[1].select(history))
    assert found


def test_first_search_has_no_history() -> None:
    first = int(world()["search_s"].min())  # type: ignore[arg-type]
    features = honest(AT_ONCE).filter(pl.col("search_s") == first)
    assert first // DAY_S == FIRST_DAY
    assert features["listing_past_impressions"].to_list() == [0] * features.height
    assert features["listing_past_click_rate"].null_count() == features.height


# The suite itself: each way of knowing too early is found by it, on every engine that could.


def rows_know_their_own_second(patch: pytest.MonkeyPatch) -> None:
    before = running_totals.totals_before_each_row

    def too_early(query: Any, own: Any) -> Any:
        sums, latest, per_key = before(query, own)
        return [s + amount for s, amount in zip(sums, own.sums, strict=True)], latest, per_key

    patch.setattr(stage_aggregates, "totals_before_each_row", too_early)


def sums_include_their_own_period(patch: pytest.MonkeyPatch) -> None:
    known_s = StageAggregate.known_s

    def too_early(self: StageAggregate, rows: Any) -> Any:
        return known_s(self, rows) - self.aggregation.refresh_s

    patch.setattr(StageAggregate, "known_s", too_early)


def outcomes_are_known_on_their_own_day(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stage_aggregates, "known_s_of_day", lambda day: day * DAY_S)


def sessions_know_their_own_second(patch: pytest.MonkeyPatch) -> None:
    class TooEarly:
        """NumPy, whose search finds the query's own second too."""

        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

        def searchsorted(self, values: Any, asked: Any, side: str) -> Any:
            assert side == "left"
            return np.searchsorted(values, asked, side="right")

    patch.setattr(sessions, "np", TooEarly())


def clicked_vectors_know_their_own_second(patch: pytest.MonkeyPatch) -> None:
    before = running_totals.totals_before_each_query

    def too_early(query: Any, events: Any) -> Any:
        earlier = type(events)(
            keys=events.keys, visible_s=events.visible_s - 1, sums=events.sums, latest=events.latest
        )
        return before(query, earlier)

    patch.setattr(clicked_vectors, "totals_before_each_query", too_early)


def vectors_are_learnt_from_their_own_day(patch: pytest.MonkeyPatch) -> None:
    of_day, clicks = ClickLog.of_day, partitions.clicks_before
    patch.setattr(ClickLog, "of_day", lambda self, day: of_day(self, day + 1))
    patch.setattr(build_on_spark, "clicks_before", lambda log, day: clicks(log, day + 1))


Break = Callable[[pytest.MonkeyPatch], None]
BREAKS: tuple[tuple[Break, str], ...] = (
    (rows_know_their_own_second, "engagement"),
    (rows_know_their_own_second, "guest_history"),
    (sums_include_their_own_period, "engagement"),
    (sums_include_their_own_period, "guest_history"),
    (sums_include_their_own_period, "market"),
    (outcomes_are_known_on_their_own_day, "engagement"),
    (outcomes_are_known_on_their_own_day, "guest_history"),
    (sessions_know_their_own_second, "guest_history"),
    (clicked_vectors_know_their_own_second, "co_engagement"),
    (vectors_are_learnt_from_their_own_day, "co_engagement"),
)


def is_caught(engine: Engine, chosen: FeatureSet) -> bool:
    times = [*times_of_ties()[-2:], *(time_of(0.4 + n / 10) for n in range(4))]
    built = engine.build(world(), chosen)
    return any(
        leaks(built, engine.build(with_another_future(world(), t, seed), chosen), t)
        for seed, t in enumerate(times)
    )


def can_happen(engine: Engine, too_early: Break) -> bool:
    if engine.name == "as candidates" and too_early is rows_know_their_own_second:
        return False  # a candidate is no event: nothing is summed row by row
    # A block brings no clicks of later blocks, of whichever day.
    return too_early is not vectors_are_learnt_from_their_own_day or engine in (AT_ONCE, PARTITIONS)


CASES = [
    pytest.param(engine, too_early, group, id=f"{engine}-{too_early.__name__}-{group}")
    for engine in (AT_ONCE, BY_DAY, CANDIDATES, PARTITIONS)
    for too_early, group in BREAKS
    if can_happen(engine, too_early)
]


def test_every_history_group_is_broken_in_some_way() -> None:
    assert {group for _, group in BREAKS} == set(HISTORY_GROUPS)


@pytest.mark.parametrize(("engine", "too_early", "group"), CASES)
def test_suite_catches_what_is_known_too_early(
    engine: Engine, too_early: Break, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    too_early(monkeypatch)
    assert is_caught(engine, of_group(group))
