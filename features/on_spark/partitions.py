"""What a worker does with the rows of a partition: frames in, frames out, no Spark in sight.

===============================  ==============================================================
function                         its partition
===============================  ==============================================================
:func:`entries`                  any rows: what they add to the sums of few keys
:func:`summed_entries`           all entries of some of these keys: their sums
:func:`vectors_of_clicks`        all clicks before a day: the vectors of its listings
:func:`sums_of_family`           all rows of some guests (or listings), in order of time: the
                                 past of each, fed block by block as on one machine, so that
                                 memory holds a block and the totals of these guests, however
                                 many rows one of them has
:func:`features_of_searches`     all rows of some searches, and their sums: the features
===============================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import polars as pl

from data.schema.tables import CLICKED
from data.schema.time import DAY_S
from features.build import Block, event_columns, with_text
from features.formulas.listing_vectors import VectorConfig
from features.history.aggregation_declaration import HistoryAggregation
from features.history.clicked_vectors import ListingVectors, learnt_vectors
from features.history.id_codes import encode_ids, text_of
from features.history.known_totals import MOST_SUMS, entries_of, key_text, stages_to_sum
from features.history.packed_keys import Rows
from features.history.past_sources import PastSource
from features.history.running_past import RunningPast, is_of_searches, searches_of
from features.on_spark.handed import Handed
from features.on_spark.work import Work

__all__ = [
    "clicks_before",
    "entries",
    "features_of_searches",
    "sources_by_number",
    "summed_entries",
    "sums_of_family",
    "vectors_of_clicks",
]


_SEARCH = ("id_search",)
_ROW = ("id_search", "id_listing")


def sources_by_number(work: Work) -> dict[int, tuple[PastSource, ...]]:
    """The sources whose answers travel together, by number: of a family, per search or per row."""
    parts = (
        tuple(source for source in sources if is_of_searches(source) is of_searches)
        for sources in work.shuffles.values()
        for of_searches in (True, False)
    )
    return {number: part for number, part in enumerate(parts) if part}


def entries(rows: pl.DataFrame, work: Work) -> pl.DataFrame:
    """What the log's rows add to the sums of few keys; see :mod:`features.history.known_totals`."""
    events = event_columns(rows, work.plan)
    parts = stages_to_sum(work.summed)
    return pl.concat(entries_of(number, part, events) for number, part in enumerate(parts))


def summed_entries(found: pl.DataFrame) -> pl.DataFrame:
    """The sums of all entries of some keys: ``part``, ``key``, ``visible_s``, ``s0``…"""
    sums = [f"s{n}" for n in range(MOST_SUMS)]
    # A distinct value counts from its earliest second, and once.
    distinct = found.filter(pl.col("value").is_not_null()).group_by("part", "key", "value")
    once = distinct.agg(pl.col("visible_s").min()).with_columns(
        pl.lit(int(name == sums[0]), pl.Int64).alias(name) for name in sums
    )
    columns = ["part", "key", "visible_s", *sums]
    counted = pl.concat(
        [found.filter(pl.col("value").is_null()).select(columns), once.select(columns)]
    )
    return counted.group_by("part", "key", "visible_s").agg(pl.col(sums).sum())


def clicks_before(rows: pl.DataFrame, day: int) -> pl.DataFrame:
    """Pairs of guest and listing clicked before this day, each once."""
    is_click = (pl.col("stage") >= int(CLICKED)) & pl.col("id_user").is_not_null()
    earlier = rows.filter(is_click & (pl.col("search_s") // DAY_S < day))
    return earlier.select("id_user", "id_listing").unique()


def vectors_of_clicks(pairs: pl.DataFrame, day: int) -> pl.DataFrame:
    """The vectors of a day, from what was clicked before it: ``day``, ``id_listing``, …"""
    learnt = learnt_vectors(pairs["id_user"], pairs["id_listing"], VectorConfig())
    return learnt.select(pl.lit(day, pl.Int32).alias("day"), pl.all())


def sums_of_family(
    blocks: Iterable[pl.DataFrame], work: Work, by: str, handed: Handed
) -> Iterator[tuple[int, pl.DataFrame]]:
    """The answers of a family's sources: a row per search, and a row per impression.

    ``blocks``: the log's rows of some keys of the family, block by block in order of time, no
    second in two of them. Each frame comes with the number of its sources
    (:func:`sources_by_number`): ``id_search``, of impressions ``id_listing``, and the columns.
    """
    sources = work.shuffles[by]
    numbers = {n: some for n, some in sources_by_number(work).items() if some[0] in sources}
    past = RunningPast(sources, handed.vectors_of)
    for rows in blocks:
        events = encode_ids(event_columns(rows, work.plan))
        arrays, searches = Rows(events), Rows(searches_of(events))
        block = past.of_block(arrays, searches=searches)
        for number, part in numbers.items():
            asking, key = (searches, _SEARCH) if is_of_searches(part[0]) else (arrays, _ROW)
            ids = [text_of(asking.integers(name)).alias(name) for name in key]
            sums = pl.concat(
                [pl.DataFrame(ids), *(block.columns(source) for source in part)], how="horizontal"
            )
            is_built = pl.Series(asking.integers("search_day") >= work.since_day)
            yield number, sums.filter(is_built)


def features_of_searches(
    rows: pl.DataFrame, sums: Mapping[int, pl.DataFrame], work: Work, handed: Handed
) -> pl.DataFrame:
    """The features of the rows of some whole searches, in their order.

    ``sums``: theirs, by the number of their sources; none where no row of them has a key.
    """
    block = Block(encode_ids(rows), work.plan)
    return with_text(block.built(_GivenPast(block, sums, work, handed)), rows)


class _GivenPast:
    """The past of a block whose sums have come: a :class:`~features.history.past_sources.Past`."""

    def __init__(
        self, block: Block, sums: Mapping[int, pl.DataFrame], work: Work, handed: Handed
    ) -> None:
        self._block, self._handed, self._work = block, handed, work
        self._columns: dict[str, pl.Series] = {}
        for number, sources in sources_by_number(work).items():
            of_searches = is_of_searches(sources[0])
            asking, key = (block.searches, _SEARCH) if of_searches else (block.rows, _ROW)
            names = [name for source in sources for name in source.names]
            types = dict.fromkeys(key, pl.String) | dict.fromkeys(names, pl.Int64)
            none = pl.DataFrame(schema=types)
            own = encode_ids(sums.get(number, none))
            found = asking.frame.select(key).join(own, on=key, how="left", maintain_order="left")
            self._columns.update(found.select(names).to_dict())

    def columns(self, source: PastSource) -> pl.DataFrame:
        """See :meth:`features.history.past_sources.Past.columns`."""
        if isinstance(source, ListingVectors):
            return self._vectors(source)
        if isinstance(source, HistoryAggregation) and source in self._work.summed:
            return self._totals(source)
        return pl.DataFrame([self._columns[name] for name in source.names])

    def _totals(self, source: HistoryAggregation) -> pl.DataFrame:
        asking = self._block.searches if is_of_searches(source) else self._block.rows
        keys, seconds = key_text(asking.frame, source.key), asking.integers("search_s")
        columns: dict[str, pl.Series] = {}
        for number, part in enumerate(stages_to_sum(self._work.summed)):
            if part.aggregation == source:
                sums, has_key = self._handed.totals(number, part).before(keys, seconds)
                for name, amount in zip(part.names, sums, strict=True):
                    column = pl.select(pl.when(pl.Series(has_key)).then(pl.Series(amount)))
                    columns[name] = column.to_series().alias(name)
        return pl.DataFrame([columns[name] for name in source.names])

    def _vectors(self, source: ListingVectors) -> pl.DataFrame:
        rows = self._block.rows
        vectors = np.zeros((len(rows), source.config.dimensions), dtype=np.int64)
        is_known = np.zeros(len(rows), dtype=bool)
        days = rows.integers("search_s") // DAY_S
        for day in np.unique(days):
            own = np.flatnonzero(days == day)
            of_day = self._handed.vectors_of(int(day))
            vectors[own], is_known[own] = of_day.of(rows.integers("id_listing")[own])
        has = pl.Series(is_known)
        columns = [pl.select(pl.when(has).then(pl.Series(v))).to_series() for v in vectors.T]
        return pl.DataFrame([c.alias(n) for n, c in zip(source.names, columns, strict=True)])
