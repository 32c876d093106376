"""Builds the features of some whole searches from their rows and from the past.

Put yourself into the place of one row of a block:

1. its own columns, and what follows from them alone, are computed (:class:`Evaluation`);
2. with the other rows of its search it makes one row per search; the sums over the past of the
   guest and the market belong there, and so does what is the same for all results;
3. the row gets these, and its own sums over the past, source by source; after each, whatever
   can be computed is computed, and columns that nobody reads any more are dropped.

:mod:`features.build_in_blocks` feeds blocks in order of time, :mod:`features.build_candidates`
rows that were never shown, :mod:`features.build_on_spark` the partitions of a cluster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import filterfalse
from typing import Any

import numpy as np
import polars as pl

from data.errors import DataError
from data.schema.feature_set import FeatureSet
from data.schema.tables import IMPRESSED, IMPRESSIONS, Kind
from features.all_features import available_features, catalogue_for
from features.definitions.catalogue import ALWAYS_THERE
from features.definitions.evaluate import Evaluation
from features.definitions.plan import Plan, plan_for
from features.history.id_codes import ID_COLUMNS, encode_ids
from features.history.packed_keys import Rows
from features.history.past_sources import Past, PastSource
from features.history.running_past import RunningPast, is_of_searches

__all__ = ["Block", "build_features", "event_columns", "events_of", "planned", "with_text"]


def build_features(
    rows: pl.DataFrame | pl.LazyFrame,
    past: pl.DataFrame | pl.LazyFrame,
    *,
    features: FeatureSet | None = None,
    since_day: int | None = None,
) -> pl.DataFrame:
    """The features of all rows at once, from the row itself, its search, and what came before.

    For logs that fit in memory; see the module for others.

    Args:
        rows: one row per listing shown or considered in a search. Needs the identity columns.
        past: impressions with their outcomes; an event counts for a row only if it was
            known strictly before the row's search.
        features: which features; by default all that the columns support.
        since_day: only rows of this day or later are built (days since 1970).

    Returns:
        The columns of ``CARRIED`` that ``rows`` has and the features, in that order; the rows
        in their order.

    Raises:
        DataError: when an identity column is absent, or a column has the wrong type.
        ValueError: when a feature is asked for that these columns do not support.
    """
    is_same = rows is past and since_day is None
    left, events = rows.lazy().collect(), past.lazy().collect()
    plan = planned(left.collect_schema(), events.collect_schema(), features)
    if since_day is not None:
        left = left.filter(pl.col("search_day") >= since_day)
    running = RunningPast(plan.sources)
    block = Block(encode_ids(left), plan)
    built = block.built(
        running.of_block(
            block.rows,
            searches=block.searches,
            events=None if is_same else Rows(events_of(events, plan)),
        )
    )
    return with_text(built, left)


def planned(rows: Mapping[str, Any], past: Mapping[str, Any], features: FeatureSet | None) -> Plan:
    """The plan for these features (all by default) of rows and events with these columns.

    Columns are names with Polars types. Raises as :func:`build_features` does.
    """
    columns = {**rows, **{name: past[name] for name in _OUTCOMES if name in past}}
    chosen = available_features(columns) if features is None else features
    _check(chosen, columns)
    _check_types(rows)
    return plan_for(catalogue_for(columns), chosen, list(columns))


def event_columns(impressions: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Keys, times, outcomes and amounts of impressions: all that sources read of an event."""
    read = impressions.select(n for n in plan.read_of_events if n in impressions.columns)
    keep = {*plan.past_columns, *ALWAYS_THERE, *ID_COLUMNS, *_OUTCOMES}
    return Evaluation(read, plan.inputs, keep=keep).frame


def events_of(impressions: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """:func:`event_columns`, with codes in place of the ids."""
    return event_columns(encode_ids(impressions), plan)


def with_text(built: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """``built`` with the ids of ``rows``, the same rows in the same order, as they were there."""
    return built.with_columns(rows.select(name for name in ID_COLUMNS if name in built.columns))


class Block:
    """Rows of some whole searches, on their way to features.

    Attributes:
        rows: their arrays, for the past: ids as codes, times, keys and amounts.
        searches: the same of one row per search.
    """

    def __init__(self, rows: pl.DataFrame, plan: Plan) -> None:
        """``rows``: with codes in place of ids; columns that ``plan`` reads."""
        self._plan = plan
        self._evaluation = Evaluation(
            rows.select(name for name in plan.read if name in rows.columns),
            (*plan.inputs, *plan.of_rows),
            keep={*plan.columns, *plan.past_columns, *plan.search_columns, *ALWAYS_THERE},
        )
        frame = self._evaluation.frame
        constant = [name for name in plan.search_columns if name in frame.columns]
        searches = frame.group_by("id_search").agg(pl.col(constant).max()).sort("id_search")
        self.searches = Rows(searches.with_columns(stage=pl.lit(int(IMPRESSED), dtype=pl.Int8)))
        self.rows = Rows(frame)

    def built(self, past: Past) -> pl.DataFrame:
        """The plan's columns of each row, in order; ids as codes. To be called once."""
        plan, evaluation = self._plan, self._evaluation
        keep = {*plan.joined, "id_search"}  # a frame without a column has no rows either
        of_search = Evaluation(self.searches.frame, plan.of_searches, keep=keep)
        for columns in _answers(past, filter(is_of_searches, plan.sources)):
            of_search.add(columns)
        evaluation.keep_only({*plan.columns, "id_search"})
        if plan.joined:
            ids = self.searches.integers("id_search")
            place = np.searchsorted(ids, self.rows.integers("id_search"))
            evaluation.add(of_search.frame.select(plan.joined)[place])
        for columns in _answers(past, filterfalse(is_of_searches, plan.sources)):
            evaluation.add(columns)
        # Candidates have no outcome to carry along.
        carried = [name for name in plan.carried if name in evaluation.frame.columns]
        return evaluation.frame.select(*carried, *plan.features.names)


def _answers(past: Past, sources: Iterable[PastSource]) -> Iterator[pl.DataFrame]:
    """The sources' columns in their order, two being asked while the one before is used.

    Sources share nothing but the arrays of the rows, and NumPy sorts without the interpreter's
    lock: two threads keep two cores busy. At most three answers are held.
    """
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        asked: deque[Future[pl.DataFrame]] = deque()
        for source in sources:
            asked.append(pool.submit(past.columns, source))
            if len(asked) > _ASKED_AT_ONCE:
                yield asked.popleft().result()
        while asked:
            yield asked.popleft().result()


_ASKED_AT_ONCE = 2
_OUTCOMES = ("stage", "contact_day", "book_day", "contact_known_s", "book_known_s")


def _check(chosen: FeatureSet, columns: Collection[str]) -> None:
    absent = [name for name in ALWAYS_THERE if name not in columns]
    if absent:
        raise DataError(f"features need the column(s) {', '.join(absent)}, which the rows lack")
    for entry in chosen:
        lacking = sorted(set(entry.needs) - set(columns))
        if lacking:
            raise ValueError(
                f"feature {entry.name} needs the column(s) {', '.join(lacking)}, which this log "
                "lacks; ask available_features(columns) for those that it supports"
            )


def _check_types(schema: Mapping[str, Any]) -> None:
    for column in IMPRESSIONS.columns:
        dtype = schema.get(column.name)
        if dtype is not None and not _has_kind(dtype, column.kind):
            raise DataError(
                f"column {column.name} is {dtype}, but the impressions hold a "
                f"{column.kind.value} there: ingest the log again, or mend its mapping"
            )


def _has_kind(dtype: pl.DataType, kind: Kind) -> bool:
    if kind in {Kind.COUNT, Kind.NUMBER}:
        return bool(dtype.is_numeric())
    if kind in {Kind.DAY, Kind.SECOND, Kind.STAGE}:
        return bool(dtype.is_integer())
    if kind is Kind.BOOLEAN:
        return bool(dtype == pl.Boolean)
    if kind in {Kind.ID, Kind.CATEGORY}:
        return bool(dtype == pl.String)
    return True
