"""What a worker does with a partition: Arrow batches in, Arrow batches out, no Spark in sight.

===============================  ==============================================================
function                         its partition
===============================  ==============================================================
:func:`entries`                  any rows: what they add to the sums of few keys
:func:`sums_of_family`           all rows of some guests (or listings), in order of time: the
                                 past of each, fed block by block as on one machine, so that
                                 memory holds a block and the totals of these guests, however
                                 many rows one of them has
:func:`features_of_searches`     all rows of some searches, and their sums: the features
===============================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from features.build import Block, event_columns, with_text
from features.history.aggregation_declaration import HistoryAggregation
from features.history.clicked_vectors import ListingVectors
from features.history.id_codes import codes_of, encode_ids, text_of
from features.history.known_totals import entries_of, key_text, stages_to_sum
from features.history.packed_keys import Array, Rows
from features.history.past_sources import PastSource
from features.history.running_past import RunningPast, is_of_searches, searches_of
from features.on_spark.handed import Handed
from features.on_spark.packed_sums import packed, unpacked
from features.on_spark.spark_types import frame_of, to_spark
from features.on_spark.work import Work

__all__ = [
    "SUMS_SCHEMA",
    "entries",
    "features_of_searches",
    "parts_of",
    "sums_of_family",
]

_BLOCK_ROWS = 100_000
SUMS_SCHEMA = pa.schema(
    [
        ("id_search", pa.string()),
        ("id_listing", pa.string()),
        ("part", pa.int32()),
        ("sums", pa.binary()),
    ]
)


def parts_of(work: Work) -> dict[int, tuple[PastSource, ...]]:
    """The sources whose answers travel together, by number: of a family, per search or per row."""
    parts = (
        tuple(source for source in sources if is_of_searches(source) is of_searches)
        for sources in work.shuffles.values()
        for of_searches in (True, False)
    )
    return {number: part for number, part in enumerate(parts) if part}


def entries(batches: Iterable[pa.RecordBatch], work: Work) -> Iterator[pa.RecordBatch]:
    """What the rows add to the sums of few keys; see :mod:`features.history.known_totals`."""
    parts = stages_to_sum(work.summed)
    for batch in batches:
        impressions = event_columns(frame_of(batch), work.plan)
        frames = [entries_of(number, part, impressions) for number, part in enumerate(parts)]
        yield from to_spark(pl.concat(frames)).to_batches()


def sums_of_family(
    batches: Iterable[pa.RecordBatch], work: Work, by: str, handed: Handed
) -> Iterator[pa.RecordBatch]:
    """The answers of a family's sources, packed: a row per search, and one per impression.

    ``batches``: the rows of some keys of the family, in order of time.
    """
    sources = work.shuffles[by]
    numbers = {number: part for number, part in parts_of(work).items() if part[0] in sources}
    past = RunningPast(sources, handed.vectors_of)
    for rows in _in_blocks(batches):
        events = encode_ids(event_columns(rows, work.plan))
        arrays, searches = Rows(events), Rows(searches_of(events))
        block = past.of_block(arrays, searches=searches)
        for number, part in numbers.items():
            of_searches = is_of_searches(part[0])
            asking = searches if of_searches else arrays
            sums = pl.concat([block.columns(source) for source in part], how="horizontal")
            is_built = pl.Series(asking.integers("search_day") >= work.since_day)
            ids = asking.frame.filter(is_built)
            yield pa.record_batch(
                [
                    _text(ids["id_search"]),
                    pa.nulls(ids.height, pa.string()) if of_searches else _text(ids["id_listing"]),
                    pa.array(np.full(ids.height, number, dtype=np.int32)),
                    packed(sums.filter(is_built)),
                ],
                schema=SUMS_SCHEMA,
            )


def features_of_searches(rows: pa.Table, sums: pa.Table, work: Work, handed: Handed) -> pa.Table:
    """The features of the rows of some whole searches; ``sums``: theirs, of all families."""
    frame = frame_of(rows)
    block = Block(encode_ids(frame), work.plan)
    built = with_text(block.built(_GivenPast(block, sums, work, handed)), frame)
    return to_spark(built.select(work.plan.columns))


class _GivenPast:
    """The past of a block whose sums have come: a :class:`~features.history.past_sources.Past`."""

    def __init__(self, block: Block, sums: pa.Table, work: Work, handed: Handed) -> None:
        self._block, self._handed, self._work = block, handed, work
        self._columns: dict[str, pl.Series] = {}
        parts = sums["part"].to_numpy()
        for number, sources in parts_of(work).items():
            own = sums.filter(pa.array(parts == number))
            asking = block.searches if is_of_searches(sources[0]) else block.rows
            places = _places(asking, own, of_searches=is_of_searches(sources[0]))
            names = [name for source in sources for name in source.names]
            values = pa.concat_arrays([pa.array([], pa.binary()), *own["sums"].chunks])
            self._columns.update(unpacked(values, names, places).to_dict())

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
        for day in np.unique(rows.integers("search_day")):
            own = np.flatnonzero(rows.integers("search_day") == day)
            of_day = self._handed.vectors_of(int(day))
            vectors[own], is_known[own] = of_day.of(rows.integers("id_listing")[own])
        has = pl.Series(is_known)
        columns = [pl.select(pl.when(has).then(pl.Series(v))).to_series() for v in vectors.T]
        return pl.DataFrame([c.alias(n) for n, c in zip(source.names, columns, strict=True)])


def _places(asking: Rows, own: pa.Table, *, of_searches: bool) -> Array:
    """For each asking row the place of its sums, -1 where there are none."""
    wanted = asking.integers("id_search")
    given = codes_of(pl.Series(own["id_search"]))
    if not of_searches:
        wanted = (wanted << 32) | asking.integers("id_listing")
        given = (given << 32) | codes_of(pl.Series(own["id_listing"]))
    if len(given) == 0:
        return np.full(len(wanted), -1)
    order = np.argsort(given)
    place = order[np.minimum(np.searchsorted(given, wanted, sorter=order), len(given) - 1)]
    return np.where(given[place] == wanted, place, -1)


def _text(codes: pl.Series) -> pa.Array:
    return to_spark(text_of(codes.to_numpy()).to_frame())[0].combine_chunks()


def _in_blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pl.DataFrame]:
    """Rows that come in order of time, in blocks that cut no second in two."""
    waiting: list[pl.DataFrame] = []
    for batch in batches:
        waiting.append(frame_of(batch))
        if sum(part.height for part in waiting) >= _BLOCK_ROWS:
            together = pl.concat(waiting)
            is_last = together["search_s"] == together["search_s"][-1]
            if not is_last.all():
                yield together.filter(~is_last)
                waiting = [together.filter(is_last)]
    if waiting:
        yield pl.concat(waiting)
