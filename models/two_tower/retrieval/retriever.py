"""A fitted two-tower over one catalogue, ready for many searches.

The listings are encoded once. A market is searched exactly, or, from a size on, through an
index whose recall was measured when it was built. What a search allows is exact either way.

Three things that the towers do not know are added to the inner product: a prior per
listing (the ranker's mean score), a bonus for a new listing, which has no bookings yet, and
a bonus for what the guest has seen before. All are sums, so the search stays exact. With
the default weights::

    listing  inner product  prior (deviations)  is new  seen before     score
    a        0.60           +1.0  -> +0.07      no      no              0.67
    b        0.55            0.0                yes -> +0.12  no        0.67
    c        0.50            0.0                no      clicked -> +0.15  0.65

Shapes: Q searches, L listings, D dimensions, K results, M listings seen before, padded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from data.ranges import AT_LEAST_0, refuse_outside
from models.two_tower.exact_search import blocks, exact_top_k
from models.two_tower.inputs.eligibility import Eligibility
from models.two_tower.inputs.vocabulary import Vocabulary
from models.two_tower.recommender import TwoTower
from models.two_tower.result_tables import ranked_rows
from models.two_tower.retrieval.ann_search import ApproximateIndex, IndexConfig, IndexRecallError
from models.two_tower.retrieval.previously_seen import PreviouslySeen, merge_seen, score_seen

__all__ = ["PLAIN", "MarketIndex", "Retriever", "RetrieverConfig"]

_EVERYWHERE = ""
# Searches whose previously seen listings are scored at one time: some hundred vectors each.
_BLOCK = 256


@dataclass(frozen=True, kw_only=True)
class RetrieverConfig:
    """How a catalogue is searched.

    The prior's weight and the bonuses are in units of the inner product; 0 = none. Their
    defaults were chosen on the validation day of one simulated world (docs/decisions/0032).

    Attributes:
        index: when FAISS is used, and the recall that it must reach.
        prior_weight: per standard deviation of the prior that the caller gives.
        new_bonus: for listings with ``listing_is_new``: they have no bookings that could
            bring them forward, and what is never retrieved is never booked.
        shown_bonus, clicked_bonus: for what the guest was shown, and further clicked.
    """

    index: IndexConfig = field(default_factory=IndexConfig)
    prior_weight: float = 0.07
    new_bonus: float = 0.12
    shown_bonus: float = 0.1
    clicked_bonus: float = 0.05

    def __post_init__(self) -> None:
        # exact search relies on it: what was seen can only move up (see previously_seen.py)
        added = ("prior_weight", "new_bonus", "shown_bonus", "clicked_bonus")
        refuse_outside(self, dict.fromkeys(added, AT_LEAST_0))


PLAIN = RetrieverConfig(prior_weight=0.0, new_bonus=0.0, shown_bonus=0.0, clicked_bonus=0.0)


@dataclass(frozen=True, kw_only=True)
class MarketIndex:
    """How one market is searched.

    Attributes:
        market: its name; empty where the catalogue has no markets.
        rows: its rows of the catalogue.
        kind: ``exact``, ``hnsw`` or ``ivf``.
        recall: recall@k against exact search, measured when the index was built.
        effort: of the index (:class:`IndexConfig`); 0 for exact search.
        seconds: to build it and to measure it.
        index: ``None`` for exact search.
    """

    market: str
    rows: Tensor
    kind: str = "exact"
    recall: float = 1.0
    effort: int = 0
    seconds: float = 0.0
    index: ApproximateIndex | None = None


class Retriever:
    """Answers searches over ``catalogue`` with the listings that ``model`` finds nearest.

    Args:
        model: fitted, and given the latest events of the guests (:meth:`TwoTower.remembering`).
        catalogue: one row per listing: ``id_listing``, and the columns of the fit.
        config: how to search.
        probes: searches of the kind to come, on which the recall of an index is measured;
            needed where a market is large enough for one.
        prior: a score of each listing for any guest, in any unit; null = the mean.

    Raises :class:`models.two_tower.retrieval.ann_search.IndexRecallError` when an index finds too
    little, ``ValueError`` when one is to be built and there are no probes for its market.
    """

    def __init__(
        self,
        model: TwoTower,
        catalogue: pa.Table,
        config: RetrieverConfig | None = None,
        *,
        probes: pa.Table | None = None,
        prior: pa.ChunkedArray | pa.Array | None = None,
    ) -> None:
        self.model, self.catalogue = model, catalogue
        self.config = config or RetrieverConfig()
        self.listing_LD = torch.from_numpy(model.encode_listings(catalogue))
        added_L = self.config.new_bonus * _is_new(catalogue)
        if prior is not None:
            added_L = added_L + self.config.prior_weight * _standardised(prior)
        appeal = slice(model.config.dimension, None)
        # a search weighs the heads' appeals; divided by the weights' sum it adds this once
        self.listing_LD[:, appeal] += added_L[:, None] / _weights(model)
        self.markets = {index.market: index for index in self._market_indexes(probes)}

    def retrieve(
        self, queries: pa.Table, k: int, *, familiar: PreviouslySeen | None = None
    ) -> pa.Table:
        """The ``k`` best allowed listings of each search's market.

        ``familiar`` holds what the guests have seen before, over this catalogue.

        Returns ``id_search``, ``id_listing``, ``rank`` (from 1), ``score``, sorted by
        search (in the order of ``queries``) and rank. A search of a market without a
        listing gets none; one without a market is answered from all markets.
        """
        bounds = Eligibility.of(queries, self.catalogue)
        query_QD = torch.from_numpy(self.model.encode_queries(queries))
        score_QK = query_QD.new_full((len(query_QD), k), float("-inf"))
        place_QK = torch.full((len(query_QD), k), -1, dtype=torch.int64)
        for searched, query_Q in self._by_market(queries):
            score_QK[query_Q], place_QK[query_Q] = self._search(
                query_QD[query_Q], k, bounds.rows(query_Q), searched
            )
        if familiar is not None:
            for part in blocks(len(query_QD), _BLOCK):
                rows = queries.slice(part.start, part.stop - part.start)
                seen = self._score_seen(rows, query_QD[part], bounds.rows(part), familiar)
                score_QK[part], place_QK[part] = merge_seen((score_QK[part], place_QK[part]), seen)
        return ranked_rows(queries["id_search"], self.catalogue["id_listing"], score_QK, place_QK)

    def _score_seen(
        self, queries: pa.Table, query_QD: Tensor, bounds: Eligibility, familiar: PreviouslySeen
    ) -> tuple[Tensor, Tensor]:
        """Scores, bonus included, and places of the allowed listings seen before."""
        seen = familiar.before(
            queries["id_user"],
            queries["search_s"].to_numpy(),
            shown=self.config.shown_bonus,
            clicked=self.config.clicked_bonus,
        )
        return score_seen(query_QD, self.listing_LD, seen, bounds)

    def _search(
        self, query_QD: Tensor, k: int, bounds: Eligibility, searched: MarketIndex
    ) -> tuple[Tensor, Tensor]:
        """Scores and rows of the catalogue."""
        within = bounds.within(searched.rows)
        if searched.index is None:
            score_QK, place_QK = exact_top_k(
                query_QD, self.listing_LD[searched.rows], k, allowed=within
            )
        else:
            score_QK, place_QK = searched.index.search(query_QD, k, within)
        return score_QK, _rows_of_catalogue(searched.rows, place_QK)

    def _by_market(self, queries: pa.Table) -> Iterator[tuple[MarketIndex, Tensor]]:
        """Each market to search, with the rows of the searches that ask for it."""
        if _EVERYWHERE in self.markets or "market" not in queries.column_names:
            everything = torch.arange(self.catalogue.num_rows)
            yield MarketIndex(market=_EVERYWHERE, rows=everything), torch.arange(queries.num_rows)
            return
        for name, searched in self.markets.items():
            is_here = pc.fill_null(pc.equal(queries["market"], name), False)
            yield searched, _places(is_here)
        nowhere = _places(pc.is_null(queries["market"]))
        everything = torch.arange(self.catalogue.num_rows)
        yield MarketIndex(market=_EVERYWHERE, rows=everything), nowhere

    def _market_indexes(self, probes: pa.Table | None) -> Iterator[MarketIndex]:
        """One per market of the catalogue, or one for all of it where it has no markets."""
        if "market" not in self.catalogue.column_names:
            rows = torch.arange(self.catalogue.num_rows)
            yield self._market(_EVERYWHERE, rows, probes)
            return
        for name in Vocabulary.of([self.catalogue["market"]]).to_list():
            rows = _places(pc.fill_null(pc.equal(self.catalogue["market"], name), False))
            here = None if probes is None else probes.filter(pc.equal(probes["market"], name))
            yield self._market(name, rows, here)

    def _market(self, name: str, rows: Tensor, probes: pa.Table | None) -> MarketIndex:
        """Exact search, or an index that reached its recall on the probes."""
        config = self.config.index
        if len(rows) < config.at_listings:
            return MarketIndex(market=name, rows=rows)
        if probes is None or probes.num_rows < 2:
            raise ValueError(
                f"market {name or 'of all listings'}: an index of {len(rows):,} "
                "listings needs searches to measure its recall on"
            )
        started = time.perf_counter()
        index = ApproximateIndex(self.listing_LD[rows], config)
        query_QD = torch.from_numpy(self.model.encode_queries(probes))
        recall = index.tune(query_QD, Eligibility.of(probes, self.catalogue).within(rows))
        if recall < config.least_recall:
            raise IndexRecallError(
                f"market {name or 'of all listings'}: the {config.kind} index finds "
                f"{recall:.4f} of what exact search finds in its first {config.k}, under the "
                f"{config.least_recall} that a release asks for; raise index.efforts, links "
                "or build_effort, or index.at_listings to search exactly"
            )
        return MarketIndex(
            market=name,
            rows=rows,
            kind=config.kind,
            recall=recall,
            effort=index.effort,
            seconds=time.perf_counter() - started,
            index=index,
        )


def _is_new(catalogue: pa.Table) -> Tensor:
    if "listing_is_new" not in catalogue.column_names:
        return torch.zeros(catalogue.num_rows)
    is_new = pc.fill_null(catalogue["listing_is_new"].cast(pa.bool_()), False)
    return torch.from_numpy(is_new.to_numpy(zero_copy_only=False).astype(np.float32))


def _standardised(values: pa.ChunkedArray | pa.Array) -> Tensor:
    """Mean 0, deviation 1; null is the mean."""
    prior = np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False))
    centred = np.nan_to_num(prior - np.nanmean(prior)) if len(prior) else prior
    deviation = centred.std() if len(prior) else 0.0
    return torch.from_numpy((centred / (deviation or 1.0)).astype(np.float32))


def _weights(model: TwoTower) -> float:
    return float(sum(model.config.head_shares) or 1.0)


def _places(mask: pa.ChunkedArray) -> Tensor:
    return torch.from_numpy(np.flatnonzero(mask.to_numpy(zero_copy_only=False)))


def _rows_of_catalogue(rows: Tensor, place_QK: Tensor) -> Tensor:
    """Rows of the catalogue from places within ``rows``; -1 stays."""
    if not len(rows):
        return place_QK
    return torch.where(place_QK >= 0, rows[place_QK.clamp(min=0)], -1)
