"""Approximate search through FAISS, for markets too large to be searched exactly.

What a search allows stays exact: every listing found is checked against the bounds, more
are fetched until ``k`` allowed ones are there, and a search that the index cannot fill is
answered exactly. Approximate is only which of the allowed listings are found, and that is
measured against exact search whenever an index is built.

Shapes: Q searches, L listings, D dimensions, K results, N fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from data.ranges import AT_LEAST_0, AT_LEAST_1, SHARE, refuse_outside
from models.two_tower.exact_search import exact_top_k
from models.two_tower.inputs.eligibility import Eligibility

__all__ = ["ApproximateIndex", "IndexConfig", "IndexRecallError", "recall_against"]


class IndexRecallError(RuntimeError):
    """An index finds too few of the listings that exact search finds: it may not be used."""


@dataclass(frozen=True, kw_only=True)
class IndexConfig:
    """When an approximate index is used, and what is asked of it.

    Attributes:
        at_listings: size of a market from which on an index is built; below, exact search
            (measured with ``benchmarks/index.py``, docs/decisions/0031).
        kind: ``hnsw`` (a graph) or ``ivf`` (clusters; cheaper to build anew each day).
        least_recall: recall@k against exact search under which the index is refused.
        k: of that recall.
        efforts: listings compared per search (HNSW: ``efSearch``; IVF: percent of the
            clusters), tried in this order until the recall is reached.
        links, build_effort: of the graph (``M``, ``efConstruction``).
        clusters: of ``ivf``; 0 = four times the root of the listings.
        widest: times ``k`` that are fetched at most before a search is answered exactly.
    """

    at_listings: int = 100_000
    kind: Literal["hnsw", "ivf"] = "ivf"
    least_recall: float = 0.99
    k: int = 100
    efforts: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
    links: int = 32
    build_effort: int = 128
    clusters: int = 0
    widest: int = 16

    def __post_init__(self) -> None:
        if self.kind not in {"hnsw", "ivf"}:
            raise ValueError(f"no index is called {self.kind!r}; there are hnsw and ivf")
        counts = ("at_listings", "k", "links", "build_effort", "widest", "efforts")
        ranges = {"least_recall": SHARE, "clusters": AT_LEAST_0}
        refuse_outside(self, {**dict.fromkeys(counts, AT_LEAST_1), **ranges})


class ApproximateIndex:
    """One market's listings in a FAISS index by inner product."""

    def __init__(self, listing_LD: Tensor, config: IndexConfig) -> None:
        self.config = config
        self.listing_LD = listing_LD.float().cpu().contiguous()
        self.faiss_index = _build_faiss_index(self.listing_LD, config)
        self.effort = config.efforts[0]

    def tune(self, query_QD: Tensor, allowed: Eligibility) -> float:
        """Take the smallest effort that reaches the recall; returns the recall reached.

        The effort is chosen on every second of these searches and the recall measured on the
        others. It is chosen to miss half of what may be missed, since others may be harder.
        """
        # required 0.99: the effort must reach 0.995 on one half; the other half gives the figure
        half_QD, bounds = query_QD[::2], allowed.rows(slice(0, None, 2))
        target = (1 + self.config.least_recall) / 2
        for effort in self.config.efforts:
            self.effort = effort
            if recall_against(self, half_QD, bounds) >= target:
                break
        return recall_against(self, query_QD[1::2], allowed.rows(slice(1, None, 2)))

    def search(self, query_QD: Tensor, k: int, allowed: Eligibility) -> tuple[Tensor, Tensor]:
        """As :func:`models.two_tower.exact_search.exact_top_k`, approximately.

        Every place returned is allowed, and as many are returned as are allowed.
        """
        query_QD = query_QD.float().cpu().contiguous()
        score_QK = query_QD.new_full((len(query_QD), k), float("-inf"))
        place_QK = torch.full((len(query_QD), k), -1, dtype=torch.int64)
        open_Q, fetched = torch.arange(len(query_QD)), k
        # FAISS knows no bounds: of what it finds, what is not allowed is dropped. A search left
        # with fewer than k asks again for twice as many (k, 2k, 4k, ... up to widest * k), and
        # one that is still short, its bounds being narrow, is searched exactly.
        while len(open_Q) and fetched <= min(self.config.widest * k, len(self.listing_LD)):
            score_RN, place_RN = self._nearest(query_QD[open_Q], fetched)
            usable_RN = (place_RN >= 0) & allowed(open_Q, place_RN.clamp(min=0))
            best_RK, at_RK = torch.topk(score_RN.masked_fill(~usable_RN, float("-inf")), k, dim=1)
            score_QK[open_Q], place_QK[open_Q] = best_RK, place_RN.gather(1, at_RK)
            open_Q, fetched = open_Q[usable_RN.sum(dim=1) < k], 2 * fetched
        if len(open_Q):
            exact = exact_top_k(query_QD[open_Q], self.listing_LD, k, allowed=allowed.rows(open_Q))
            score_QK[open_Q], place_QK[open_Q] = exact
        return score_QK, place_QK

    def _nearest(self, query_RD: Tensor, count: int) -> tuple[Tensor, Tensor]:
        scores, places = self.faiss_index.search(
            query_RD.numpy(), count, params=self._parameters(count)
        )
        return torch.from_numpy(scores), torch.from_numpy(places)

    def _parameters(self, count: int) -> Any:
        faiss = _faiss()
        if self.config.kind == "hnsw":
            return faiss.SearchParametersHNSW(efSearch=max(count, self.effort))
        lists = self.faiss_index.nlist
        return faiss.SearchParametersIVF(nprobe=min(lists, max(1, lists * self.effort // 100)))


def recall_against(index: ApproximateIndex, query_QD: Tensor, allowed: Eligibility) -> float:
    """Share of what exact search finds for these searches that the index finds too.

    1.0 where nothing is allowed at all.
    """
    k = index.config.k
    _, found_QK = index.search(query_QD, k, allowed)
    _, exact_QK = exact_top_k(query_QD.float().cpu(), index.listing_LD, k, allowed=allowed)
    is_found_QK = (exact_QK[:, :, None] == found_QK[:, None, :]).any(dim=2) & (exact_QK >= 0)
    possible = int((exact_QK >= 0).sum())
    return int(is_found_QK.sum()) / possible if possible else 1.0


def _faiss() -> Any:
    """FAISS, imported only where an index is used: training needs torch alone."""
    import faiss

    return faiss


def _build_faiss_index(listing_LD: Tensor, config: IndexConfig) -> Any:
    faiss = _faiss()

    vectors, width = listing_LD.numpy(), listing_LD.shape[1]
    index: Any
    if config.kind == "hnsw":
        index = faiss.IndexHNSWFlat(width, config.links, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = config.build_effort
    else:
        lists = config.clusters or max(1, round(4 * len(vectors) ** 0.5))
        quantizer = faiss.IndexFlatIP(width)
        index = faiss.IndexIVFFlat(quantizer, width, lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.min_points_per_centroid = 1  # no warning on stderr about small markets
        index.train(vectors)
    index.add(vectors)
    return index
