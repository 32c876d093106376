"""What a row may know of earlier events, found by a loop over all events: no arrays, no sorting.

Rows and events are dictionaries with the columns of impressions. An event counts for a row if it
was known strictly before the row's search (:mod:`data.schema.event_visibility`):

* an impression or a click is known at the second of its search;
* a contact or a booking is known at the last second of its day, by its market's clock;
* sums that are refreshed every so many seconds are those of the latest refresh: what was known
  strictly before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from data.schema.event_visibility import OUTCOME_DAY, OUTCOME_KNOWN
from data.schema.tables import CLICKED, Stage
from features.formulas.listing_vectors import VectorConfig, listing_vectors, vector_names
from features.history.aggregation_declaration import Aggregate, HistoryAggregation
from features.history.clicked_vectors import ClickedVectorSums, ListingVectors
from features.history.past_sources import PastSource
from features.history.sessions import GuestSessions

__all__ = ["past_of"]

Row = dict[str, Any]
DAY_S = 86_400


def past_of(source: PastSource, row: Row, events: Sequence[Row]) -> Row:
    """The source's columns for the row; ``events`` are all impressions of the log."""
    if isinstance(source, HistoryAggregation):
        return _sums(source, row, _searches(events) if source.counts_searches else events)
    if isinstance(source, GuestSessions):
        return _session(source, row, _searches(events))
    vectors = _vectors(events, row["search_s"] // DAY_S, source.config)
    if isinstance(source, ListingVectors):
        return dict(
            zip(source.names, vectors.get(row["id_listing"]) or _nothing(source), strict=True)
        )
    return _clicked(source, row, events, vectors)


def _sums(aggregation: HistoryAggregation, row: Row, events: Sequence[Row]) -> Row:
    key = [row[name] for name in aggregation.key]
    if None in key:
        return dict.fromkeys(aggregation.names)
    own = [event for event in events if [event[name] for name in aggregation.key] == key]
    refreshed_s = row["search_s"] // aggregation.refresh_s * aggregation.refresh_s
    sums = {a.name: _sum(a, own, refreshed_s) for a in aggregation.aggregates}
    latest = {
        entry.name: max((s for s, _ in _known(own, entry.stage, refreshed_s)), default=None)
        for entry in aggregation.latest
    }
    return sums | latest


def _sum(aggregate: Aggregate, own: Sequence[Row], refreshed_s: int) -> int:
    since_s = None if aggregate.window_s is None else refreshed_s - aggregate.window_s
    known = [
        event
        for known_s, event in _known(own, aggregate.stage, refreshed_s)
        if since_s is None or known_s >= since_s
    ]
    if aggregate.distinct is not None:
        return len({event[aggregate.distinct] for event in known} - {None})
    if aggregate.of is not None:
        return sum(event[aggregate.of] or 0 for event in known)
    return len(known)


def _known(events: Iterable[Row], stage: Stage, before_s: int) -> list[tuple[int, Row]]:
    """The events of a stage that are known before a second, with the second when they were."""
    known = [(_known_s(event, stage), event) for event in events]
    return [(s, event) for s, event in known if s is not None and s < before_s]


def _known_s(event: Row, stage: Stage) -> int | None:
    """When it is known that the event reached the stage; ``None`` if it never did."""
    if stage in OUTCOME_DAY:
        if OUTCOME_KNOWN[stage] in event:
            return event[OUTCOME_KNOWN[stage]]
        day = event[OUTCOME_DAY[stage]]
        return None if day is None else int(day) * DAY_S + DAY_S - 1
    return int(event["search_s"]) if event["stage"] >= stage else None


def _searches(events: Iterable[Row]) -> list[Row]:
    """One impression of each search, whatever became of it."""
    return [event | {"stage": 0} for event in {e["id_search"]: e for e in events}.values()]


def _session(source: GuestSessions, row: Row, searches: Sequence[Row]) -> Row:
    """Step back from the row to the search before, and so on, until a pause is too long."""
    began_s, count = row["search_s"], 0
    own = [s["search_s"] for s in searches if s["id_user"] == row["id_user"] is not None]
    while True:
        near = [s for s in own if began_s - source.gap_s <= s < began_s]
        if not near:
            break
        count += near.count(max(near))
        began_s = max(near)
    started = (began_s, count) if count else (None, None)
    return dict(zip(source.names, started, strict=True))


def _vectors(events: Sequence[Row], day: int, config: VectorConfig) -> dict[str, list[int]]:
    """The vectors of listings that are learnt from the clicks of the days before."""
    pairs = sorted(
        {
            (event["id_user"], event["id_listing"])
            for event in events
            if event["search_s"] // DAY_S < day and event["stage"] >= CLICKED
            and event["id_user"] is not None
        }
    )  # fmt: skip
    columns = {"id_user": [g for g, _ in pairs], "id_listing": [k for _, k in pairs]}
    types = pa.schema([(name, pa.string()) for name in columns])
    learnt = listing_vectors(pa.table(columns, schema=types), config).to_pylist()
    return {r["id_listing"]: [r[name] for name in vector_names(config)] for r in learnt}


def _clicked(
    source: ClickedVectorSums, row: Row, events: Sequence[Row], vectors: dict[str, list[int]]
) -> Row:
    if row["id_user"] is None:
        return dict.fromkeys(source.names)
    clicked = [
        vectors[event["id_listing"]]
        for event in events
        if event["id_user"] == row["id_user"]
        and event["stage"] >= CLICKED
        and event["search_s"] < row["search_s"]
        and event["id_listing"] in vectors
    ]
    sums = [sum(v[n] for v in clicked) for n in range(source.config.dimensions)]
    return dict(zip(source.names, (len(clicked), *sums), strict=True))


def _nothing(source: ListingVectors) -> list[None]:
    return [None] * len(source.names)
