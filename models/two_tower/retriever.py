"""A fitted two-tower over one catalogue, ready for many searches.

The listings are encoded once. A market is searched exactly, or, from a size on, through an
index whose recall was measured when it was built. What a search allows is exact either way.

Shapes: Q searches, L listings, D dimensions, K results, R results kept for new listings.
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

from models.two_tower.approximate import ApproximateIndex, IndexConfig, IndexRecallError
from models.two_tower.arrays import FloatArray
from models.two_tower.eligibility import Eligibility
from models.two_tower.index import exact_top_k
from models.two_tower.recommender import TwoTower
from models.two_tower.rows import ranked_rows
from models.two_tower.vocabulary import Vocabulary

__all__ = ["MarketIndex", "Retriever", "RetrieverConfig", "keep_places_for"]

_EVERYWHERE = ""


@dataclass(frozen=True, kw_only=True)
class RetrieverConfig:
    """How a catalogue is searched.

    Attributes:
        index: when FAISS is used, and the recall that it must reach.
        new_share: share of the results kept for listings with ``listing_is_new``, where so
            many are allowed; the best of them by score. A new listing has no bookings that
            could bring it forward, and what is never retrieved is never booked.
    """

    index: IndexConfig = field(default_factory=IndexConfig)
    new_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.new_share < 1:
            raise ValueError(f"new_share {self.new_share} is outside [0, 1)")


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
        model: fitted; what guests did lately given to it (:meth:`TwoTower.remembering`).
        catalogue: one row per listing: ``id_listing``, and the columns of the fit.
        config: how to search.
        probes: searches of the kind to come, on which the recall of an index is measured;
            needed where a market is large enough for one.
        prior: added to each listing's appeal, in units of the inner product.

    Raises :class:`models.two_tower.approximate.IndexRecallError` when an index finds too
    little, ``ValueError`` when one is to be built and there are no probes for its market.
    """

    def __init__(
        self,
        model: TwoTower,
        catalogue: pa.Table,
        config: RetrieverConfig | None = None,
        *,
        probes: pa.Table | None = None,
        prior: FloatArray | None = None,
    ) -> None:
        self.model, self.catalogue = model, catalogue
        self.config = config or RetrieverConfig()
        self.listing_LD = torch.from_numpy(model.encode_listings(catalogue))
        if prior is not None:
            # every head's appeal, so that any weighting of the heads adds the prior once
            self.listing_LD[:, model.config.dimension :] += torch.from_numpy(prior)[:, None]
        self.new_L = _is_new(catalogue)
        self.markets = {place.market: place for place in self._built(probes)}

    def retrieve(self, queries: pa.Table, k: int) -> pa.Table:
        """The ``k`` best allowed listings of each search's market.

        Returns ``id_search``, ``id_listing``, ``rank`` (from 1), ``score``, sorted by
        search (in the order of ``queries``) and rank. A search of a market without a
        listing gets none; one without a market is answered from all markets.
        """
        bounds = Eligibility.of(queries, self.catalogue)
        query_QD = torch.from_numpy(self.model.encode_queries(queries))
        score_QK = query_QD.new_full((len(query_QD), k), float("-inf"))
        place_QK = torch.full((len(query_QD), k), -1, dtype=torch.int64)
        for searched, asked_Q in self._by_market(queries):
            found = self._search(query_QD[asked_Q], k, bounds.rows(asked_Q), searched)
            score_QK[asked_Q], place_QK[asked_Q] = found
        return ranked_rows(queries["id_search"], self.catalogue["id_listing"], score_QK, place_QK)

    def _search(
        self, query_QD: Tensor, k: int, bounds: Eligibility, searched: MarketIndex
    ) -> tuple[Tensor, Tensor]:
        """Scores and rows of the catalogue, the kept places filled."""
        within = bounds.within(searched.rows)
        if searched.index is None:
            found = exact_top_k(query_QD, self.listing_LD[searched.rows], k, allowed=within)
        else:
            found = searched.index.search(query_QD, k, within)
        result = found[0], _at(searched.rows, found[1])
        kept = round(self.config.new_share * k)
        new = searched.rows[self.new_L[searched.rows]]
        if not kept or not len(new):
            return result
        scores, places = exact_top_k(
            query_QD, self.listing_LD[new], kept, allowed=bounds.within(new)
        )
        return keep_places_for((scores, _at(new, places)), result)

    def _by_market(self, queries: pa.Table) -> Iterator[tuple[MarketIndex, Tensor]]:
        """Each market to search, with the rows of the searches that ask for it."""
        if _EVERYWHERE in self.markets or "market" not in queries.column_names:
            everything = torch.arange(self.catalogue.num_rows)
            yield MarketIndex(market=_EVERYWHERE, rows=everything), torch.arange(queries.num_rows)
            return
        for name, searched in self.markets.items():
            asked = pc.fill_null(pc.equal(queries["market"], name), False)
            yield searched, _places(asked)
        nowhere = _places(pc.is_null(queries["market"]))
        everything = torch.arange(self.catalogue.num_rows)
        yield MarketIndex(market=_EVERYWHERE, rows=everything), nowhere

    def _built(self, probes: pa.Table | None) -> Iterator[MarketIndex]:
        if "market" not in self.catalogue.column_names:
            rows = torch.arange(self.catalogue.num_rows)
            yield self._market(_EVERYWHERE, rows, probes)
            return
        for name in Vocabulary.of([self.catalogue["market"]]).to_list():
            rows = _places(pc.fill_null(pc.equal(self.catalogue["market"], name), False))
            asked = None if probes is None else probes.filter(pc.equal(probes["market"], name))
            yield self._market(name, rows, asked)

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


def keep_places_for(
    kept: tuple[Tensor, Tensor], found: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """The results with those of ``kept`` certainly among them, best first.

    Args:
        kept: scores and places that must be in, ``(Q, R)``; -1 = none.
        found: scores and places of the best, ``(Q, K)``, R at most K; the last of them
            that are not in ``kept`` give way.
    """
    kept_QR, kept_place_QR = kept
    score_QK, place_QK = found
    again_QK = (place_QK[:, :, None] == kept_place_QR[:, None, :]).any(dim=2)
    other_QK = score_QK.masked_fill(again_QK, float("-inf"))
    # in is what is kept; then the best of the others
    first_QR = torch.where(kept_place_QR >= 0, float("inf"), float("-inf"))
    key = torch.cat([first_QR, other_QK], dim=1)
    _, chosen_QK = torch.topk(key, score_QK.shape[1], dim=1)
    scores = torch.cat([kept_QR, other_QK], dim=1).gather(1, chosen_QK)
    places = torch.cat([kept_place_QR, place_QK], dim=1).gather(1, chosen_QK)
    places = torch.where(torch.isinf(scores), -1, places)
    best_QK, order_QK = torch.sort(scores, dim=1, descending=True, stable=True)
    return best_QK, places.gather(1, order_QK)


def _is_new(catalogue: pa.Table) -> Tensor:
    if "listing_is_new" not in catalogue.column_names:
        return torch.zeros(catalogue.num_rows, dtype=torch.bool)
    known = pc.fill_null(catalogue["listing_is_new"].cast(pa.bool_()), False)
    return torch.from_numpy(np.array(known.to_numpy(zero_copy_only=False)))


def _places(mask: pa.ChunkedArray) -> Tensor:
    return torch.from_numpy(np.flatnonzero(mask.to_numpy(zero_copy_only=False)))


def _at(rows: Tensor, place_QK: Tensor) -> Tensor:
    """Rows of the whole from places within ``rows``; -1 stays."""
    if not len(rows):
        return place_QK
    return torch.where(place_QK >= 0, rows[place_QK.clamp(min=0)], -1)
