"""What one training run reads: searches, the catalogue, positives and journey negatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from models.two_tower.arrays import FloatArray, IntArray, ListingArrays, Positives, QueryArrays
from models.two_tower.config import TrainConfig
from models.two_tower.eligibility import Eligibility
from models.two_tower.encode import Encoder, one_per
from models.two_tower.history import Events
from models.two_tower.vocabulary import Vocabulary

__all__ = ["TrainData", "encode_log"]


@dataclass(frozen=True, kw_only=True)
class TrainData:
    """Flat arrays of one log.

    Attributes:
        queries: the searches that have a positive.
        catalogue: known listings; row = listing index, row 0 = unseen.
        positives: what was clicked or more.
        hard: listing indices of journey negatives, grouped by journey; ``Positives``
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
    events: Events,
    config: TrainConfig,
    *,
    hides_positive: bool = False,
) -> TrainData:
    """Encode impressions (:func:`models.two_tower.encode.sorted_rows` first).

    Positives of weight 0, and those of listings that the encoder does not know, are
    left out. Raises ``ValueError`` when nothing is left to learn from.
    """
    stage = rows["stage"].to_numpy().astype(np.int64)
    weight = np.array([0.0, *config.stage_weights], dtype=np.float32)[stage]
    listing = encoder.listings.index(rows["id_listing"])
    chosen = np.flatnonzero((weight > 0) & (listing > 0))
    if config.shown_weight:
        shown = _shown(stage, config, len(chosen))
        weight[shown] = config.shown_weight
        chosen = np.sort(np.concatenate([chosen, shown]))
    if not len(chosen):
        raise ValueError("no row was clicked, contacted or booked: there is nothing to learn from")
    acted = rows.take(pa.array(chosen))
    searches = one_per(acted, "id_search")
    search = Vocabulary.of([acted["id_search"]]).index(acted["id_search"]) - 1
    hard, start, count = _journey_negatives(rows, listing, stage)
    return TrainData(
        queries=encoder.queries(searches, events),
        catalogue=encoder.catalogue(rows, last=False),
        positives=_positives(search, listing[chosen], weight[chosen], start[chosen], count[chosen]),
        hard=hard,
        bounds=Eligibility.of(searches, encoder.catalogue_rows(rows, last=False)),
        hides_positive=hides_positive,
        query_inputs=encoder.query_inputs,
        listing_inputs=encoder.listing_inputs,
    )


def _shown(stage: IntArray, config: TrainConfig, positives: int) -> IntArray:
    """Rows shown and not clicked that are taken as weak positives."""
    rows = np.flatnonzero(stage == 0)
    size = min(len(rows), round(config.shown_per_positive * positives))
    return np.random.default_rng(config.seed).choice(rows, size=size, replace=False)


def _positives(
    search: IntArray, listing: IntArray, weight: FloatArray, start: IntArray, count: IntArray
) -> Positives:
    return Positives(
        search_P=search,
        listing_P=listing,
        weight_P=weight,
        hard_start_P=start,
        hard_count_P=count,
    )


def _journeys(rows: pa.Table) -> IntArray:
    """Journey of each row: all searches of a guest in a market, or the search alone."""
    searches = Vocabulary.of([rows["id_search"]])
    journey = searches.index(rows["id_search"])
    if "id_user" not in rows.column_names:
        return journey
    guest = Vocabulary.of([rows["id_user"]]).index(rows["id_user"])
    market = np.zeros_like(guest)
    if "market" in rows.column_names:
        market = Vocabulary.of([rows["market"]]).index(rows["market"])
    shared = searches.size + guest * (int(market.max(initial=0)) + 1) + market
    return np.where(guest > 0, shared, journey)


def _journey_negatives(
    rows: pa.Table, listing: IntArray, stage: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Listings shown and never clicked in each row's journey.

    Returns them grouped by journey, and per row the start and length of its group.
    """
    journey = _journeys(rows)
    order = np.lexsort((-stage, listing, journey))
    pair_journey, pair_listing = journey[order], listing[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(pair_journey) != 0) | (np.diff(pair_listing) != 0)
    # the furthest stage of a pair stands first, so stage 0 there means never clicked
    never = first & (stage[order] == 0) & (pair_listing > 0)
    groups = pair_journey[never]
    start = np.searchsorted(groups, journey, side="left")
    count = np.searchsorted(groups, journey, side="right") - start
    return pair_listing[never], start, count
