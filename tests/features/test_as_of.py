"""On every engine, features that are sums over the past are those of a loop over all events."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl
import pytest

from features.all_features import ALL_FEATURES, available_features, catalogue_for
from features.build import event_columns, planned
from features.history.past_sources import PastSource
from tests.features.engines import ENGINES, KEY, Engine
from tests.features.history.oracle import past_of
from tests.features.worlds import (
    CLOCK_GOES_FORWARD,
    skewed_impressions,
    tied_impressions,
    zoned_impressions,
)

FEATURES = {f.name for f in ALL_FEATURES}
LOGS = {
    "ties": lambda: tied_impressions(3),
    "skew": lambda: skewed_impressions(5),
    "zones": lambda: zoned_impressions(3),
    "zones, forward": lambda: zoned_impressions(4, CLOCK_GOES_FORWARD),
}


def plain_sums() -> dict[str, PastSource]:
    """Features that are a column of a source as it is, by name."""
    return {n: s for s in catalogue_for().sources for n in s.names if n in FEATURES}


@cache
def log_of(name: str) -> pl.DataFrame:
    return LOGS[name]()


@cache
def expected(name: str) -> pl.DataFrame:
    """Those features of all rows, by loops."""
    log = log_of(name)
    columns = dict(log.schema)
    plan = planned(columns, columns, available_features(columns))
    rows = event_columns(log, plan).to_dicts()
    sources = {name: source.only({name}) for name, source in plain_sums().items()}
    found: list[dict[str, Any]] = []
    for row in rows:
        known = {name: row[name] for name in KEY}
        for source in sources.values():
            assert source is not None
            known |= past_of(source, row, rows)
        found.append(known)
    return pl.DataFrame(found, infer_schema_length=None).sort(KEY)


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_sums_are_those_of_a_loop_over_all_events(engine: Engine, name: str) -> None:
    columns = [*KEY, *plain_sums()]
    built = engine.build(log_of(name), available_features(log_of(name).columns).only(columns))
    assert built.select(columns).to_dicts() == expected(name).select(columns).to_dicts()


def test_sums_of_guests_listings_markets_and_cells_are_among_them() -> None:
    keys = {key for source in plain_sums().values() for key in source.key}
    assert {"id_user", "id_listing", "market", "_cell", "_query_cell"} <= keys
    assert {"listing_past_bookings", "guest_saw_listing", "cell_listings"} <= set(plain_sums())
    sums = expected("ties").select(*plain_sums())
    assert all(sums[name].max() > 0 for name in sums.columns)  # type: ignore[operator]
