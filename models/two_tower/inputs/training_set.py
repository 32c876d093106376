"""What one training run reads: searches, the catalogue, positives and journey negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from models.two_tower.config import TrainConfig
from models.two_tower.inputs.arrays import (
    FloatArray,
    IntArray,
    ListingArrays,
    Mask,
    Positives,
    QueryArrays,
)
from models.two_tower.inputs.eligibility import Eligibility
from models.two_tower.inputs.encoder import Encoder, one_per
from models.two_tower.inputs.guest_history import GuestEvents
from models.two_tower.inputs.log_rows import LogRows
from models.two_tower.inputs.vocabulary import Vocabulary

__all__ = ["TrainingSet", "encode_log"]


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Flat arrays of one log.

    Attributes:
        queries: the searches that have a positive.
        catalogue: known listings; row = listing index, row 0 = unseen.
        positives: what was clicked or more.
        hard: listing indices, grouped by journey, the least far first; ``Positives``
            points into it.
        bounds: which listings each search allows, rows as in ``queries`` and ``catalogue``.
        hides_positive: take the positive out of the guest's history (logs without time,
            where the history is everything the guest ever touched).
        query_inputs, listing_inputs: the name of each dense input, for messages.
    """

    queries: QueryArrays
    catalogue: ListingArrays
    positives: Positives
    hard: IntArray
    bounds: Eligibility
    hides_positive: bool = False
    query_inputs: tuple[str, ...] = ()
    listing_inputs: tuple[str, ...] = ()


def encode_log(
    rows: pa.Table,
    encoder: Encoder,
    events: GuestEvents,
    config: TrainConfig,
    *,
    heads: int = 1,
    hides_positive: bool = False,
    log: LogRows | None = None,
) -> TrainingSet:
    """Encode impressions (:func:`models.two_tower.inputs.encoder.sorted_rows` first).

    ``log`` has all that was shown, where ``rows`` are the described ones of it. With ``heads``
    above 1 a row teaches each stage that it reached, to that stage's head. Positives of weight 0,
    and those of listings that the encoder does not know, are left out. Raises ``ValueError`` when
    nothing is left to learn from.
    """
    stage = _stage_of(rows)
    listing = encoder.listings.index(rows["id_listing"])
    examples = _examples(stage, listing > 0, config, heads)
    positive = rows.take(pa.array(examples.row))
    searches = one_per(positive, "id_search")
    # one_per gives the searches in the order of this vocabulary, which counts from 1
    search = Vocabulary.of([positive["id_search"]]).index(positive["id_search"]) - 1
    if log is None:
        journeys, journey_row = _JourneyListings.of(rows, listing, stage), examples.row
    else:
        shown = encoder.listings.index(log.shown["id_listing"])
        journeys = _JourneyListings.of(log.shown, shown, _stage_of(log.shown))
        journey_row = log.at[examples.row]
    start, count = journeys.below(journey_row, examples.stage)
    return TrainingSet(
        queries=encoder.queries(searches, events),
        catalogue=encoder.catalogue(rows, last=False),
        positives=Positives(
            search_P=search,
            listing_P=listing[examples.row],
            weight_P=examples.weight,
            head_P=examples.head,
            hard_start_P=start,
            hard_count_P=count,
        ),
        hard=journeys.listing,
        bounds=Eligibility.of(searches, encoder.catalogue_rows(rows, last=False)),
        hides_positive=hides_positive,
        query_inputs=encoder.query_inputs,
        listing_inputs=encoder.listing_inputs,
    )


def _stage_of(rows: pa.Table) -> IntArray:
    return np.asarray(rows["stage"].to_numpy().astype(np.int64))


@dataclass(frozen=True, kw_only=True)
class _Examples:
    """Training examples: a row of the log, the stage it is a label of, the head it trains."""

    row: IntArray
    stage: IntArray
    head: IntArray
    weight: FloatArray


def _examples(stage: IntArray, is_known: Mask, config: TrainConfig, heads: int) -> _Examples:
    """One example per row that was clicked or more; with a head per stage one per stage reached.

    Raises ``ValueError`` when there is none.
    """
    weights = np.array([config.shown_weight, *config.stage_weights], dtype=np.float32)
    by_head = [_rows_of_head(stage, is_known, head, heads) for head in range(heads)]
    if config.shown_weight:
        weak = _weak_positive_rows(stage, config, positives=len(by_head[0][0]))
        by_head.append((weak, stage[weak], np.zeros_like(weak)))
    row, reached, head = (np.concatenate(parts) for parts in zip(*by_head, strict=True))
    weighted = np.flatnonzero(weights[reached] > 0)
    # back in the order of the log: the heads were read one after the other
    order = weighted[np.lexsort((head[weighted], row[weighted]))]
    if not len(order):
        raise ValueError("no row was clicked, contacted or booked: there is nothing to learn from")
    return _Examples(
        row=row[order], stage=reached[order], head=head[order], weight=weights[reached[order]]
    )


def _rows_of_head(
    stage: IntArray, is_known: Mask, head: int, heads: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Rows that this head learns from, the stage they teach it, and the head itself."""
    if heads == 1:
        rows = np.flatnonzero((stage > 0) & is_known)
        return rows, stage[rows], np.zeros_like(rows)
    rows = np.flatnonzero((stage > head) & is_known)
    return rows, np.full_like(rows, head + 1), np.full_like(rows, head)


def _weak_positive_rows(stage: IntArray, config: TrainConfig, *, positives: int) -> IntArray:
    """Rows shown and not clicked that are taken as weak positives."""
    rows = np.flatnonzero(stage == 0)
    size = min(len(rows), round(config.shown_per_positive * positives))
    return np.random.default_rng(config.seed).choice(rows, size=size, replace=False)


def _journey_of_row(rows: pa.Table) -> IntArray:
    """Journey of each row: all searches of a guest in a market, or the search alone."""
    searches = Vocabulary.of([rows["id_search"]])
    journey = searches.index(rows["id_search"])
    if "id_user" not in rows.column_names:
        return journey
    guest = Vocabulary.of([rows["id_user"]]).index(rows["id_user"])
    market = np.zeros_like(guest)
    if "market" in rows.column_names:
        market = Vocabulary.of([rows["market"]]).index(rows["market"])
    # numbers above all searches', so that a guest's journey and a lone search never meet
    of_guest = searches.size + guest * (int(market.max(initial=0)) + 1) + market
    return np.where(guest > 0, of_guest, journey)


@dataclass(frozen=True)
class _JourneyListings:
    """Known listings of all journeys, each journey's from the least far to the furthest.

    Attributes:
        listing: listing index of each pair of journey and listing.
        key: ``journey * reach + stage`` of the pair, ascending.
        row_key: ``journey * reach`` of each row of the log.
    """

    listing: IntArray
    key: IntArray
    row_key: IntArray

    @classmethod
    def of(cls, rows: pa.Table, listing: IntArray, stage: IntArray) -> Self:
        journey = _journey_of_row(rows)
        order = np.lexsort((-stage, listing, journey))
        pair_journey, pair_listing = journey[order], listing[order]
        first = np.ones(len(order), dtype=bool)
        first[1:] = (np.diff(pair_journey) != 0) | (np.diff(pair_listing) != 0)
        # the furthest stage of a pair stands first: how far the guest went with the listing
        pairs = order[first & (pair_listing > 0)]
        pairs = pairs[np.lexsort((listing[pairs], stage[pairs], journey[pairs]))]
        # journey and stage in one integer: below() finds both with one binary search
        reach = int(stage.max(initial=0)) + 1
        return cls(listing[pairs], journey[pairs] * reach + stage[pairs], journey * reach)

    def below(self, row: IntArray, stage: IntArray) -> tuple[IntArray, IntArray]:
        """Start and number of the listings of each row's journey that stayed below a stage.

        Below a click those are the shown and never clicked, below a booking also the
        clicked and the contacted that were never booked. A journey in which listing 1 was
        shown, 2 clicked and 3 booked:

        >>> rows = pa.table({"id_search": ["s", "s", "s"]})
        >>> journeys = _JourneyListings.of(
        ...     rows, listing=np.array([1, 2, 3]), stage=np.array([0, 1, 3])
        ... )
        >>> start, count = journeys.below(row=np.array([1, 2]), stage=np.array([1, 3]))
        >>> [journeys.listing[s : s + n].tolist() for s, n in zip(start, count)]
        [[1], [1, 2]]
        """
        start = np.searchsorted(self.key, self.row_key[row], side="left")
        end = np.searchsorted(self.key, self.row_key[row] + stage, side="left")
        return start, end - start
