"""Recall of what guests took among what they were shown, retrieved from the whole catalogue.

Unlike the ranking metrics, which order the listings that a search showed, the candidates
here are all listings of the market; the metric's name says so (``catalogue_recall_at_k``).
What counts as right is still only what was shown: a listing that the guest would have loved
and never saw counts as wrong. So the metric rewards imitating the results of the log as well
as knowing the guest, and a higher value is not a better list. Models are compared by it on
one log; its ceilings in a simulated world are computed by ``benchmarks/recall_ceilings.py``.

Legend: S searches of a segment, M models, R replicates.

Two searches, k = 2. In the first the guest clicked on x and booked y, in the second clicked on
z. A model retrieves x and w for the first, z and x for the second: recall (1/2 + 1) / 2.

>>> relevant = pa.table(
...     {"id_search": ["s", "s", "t"], "id_user": ["u", "u", "v"], "id_listing": ["x", "y", "z"]}
... )
>>> retrieved = pa.table(
...     {
...         "id_search": ["s", "s", "s", "t", "t"],
...         "id_listing": ["x", "w", "y", "z", "x"],
...         "rank": [1, 2, 3, 1, 2],
...     }
... )
>>> settings = RetrievalSettings(k=2, split="test", reference="tower", replicates=100)
>>> (score,) = catalogue_recall(relevant, {"tower": retrieved}, {}, settings)
>>> score.metric, score.value, score.searches, score.positives
('catalogue_recall_at_2', 0.75, 2, 3)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.arrow_columns import guest_keys
from models.evaluation.arrays import Floats, Integers, Mask
from models.evaluation.scorecard import Score
from models.evaluation.segments import ALL
from models.evaluation.significance import (
    bootstrap_sums,
    difference_test,
    percentile_interval,
    ratio,
    sums_by_cluster,
)
from models.ranking_order import group_codes

__all__ = ["RetrievalSettings", "catalogue_recall"]


@dataclass(frozen=True, kw_only=True)
class RetrievalSettings:
    """How recall over the catalogue is measured.

    Attributes:
        k: listings retrieved per search that count.
        split: name of the window.
        reference: the model that the others are compared with.
        replicates, confidence, seed: of the bootstrap, clustered by guest.
        small: a segment with fewer searches is marked as small.
    """

    k: int
    split: str
    reference: str
    replicates: int = 1_000
    confidence: float = 0.95
    seed: int = 0
    small: int = 100


def catalogue_recall(
    relevant: pa.Table,
    retrieved: Mapping[str, pa.Table],
    segments: Mapping[str, Mask],
    settings: RetrievalSettings,
) -> list[Score]:
    """Recall of the relevant listings per segment and model, with paired comparisons.

    Args:
        relevant: a row per listing that a guest clicked, contacted or booked in a search:
            ``id_search``, ``id_user`` (null: the search counts as a guest), ``id_listing``.
        retrieved: model → table of ``id_search, id_listing, rank``, for the same searches.
        segments: segment → which rows of ``relevant`` belong; the whole is added.
        settings: cut-off, reference and bootstrap.

    The value is the mean, over the searches of the segment, of the share of the relevant
    listings among the first ``k`` retrieved. A segment without rows is left out.
    """
    hits = {model: _is_retrieved(relevant, table, settings.k) for model, table in retrieved.items()}
    scores: list[Score] = []
    for segment, belongs in {ALL: np.ones(relevant.num_rows, dtype=bool), **segments}.items():
        if belongs.any():
            of_segment = {model: hit[belongs] for model, hit in hits.items()}
            rows = relevant.filter(pa.array(belongs))
            scores += _segment_scores(segment, rows, of_segment, settings)
    return scores


def _is_retrieved(relevant: pa.Table, retrieved: pa.Table, k: int) -> Mask:
    """Whether each relevant listing is among the first ``k`` retrieved; shape ``(rows,)``."""
    keys = ["id_search", "id_listing"]
    top = retrieved.filter(pc.less_equal(retrieved["rank"], k)).select(keys)
    wanted = relevant.select(keys)
    # a join refuses keys of two types, such as string and large_string
    top = top.cast(wanted.schema)
    numbered = wanted.append_column("row", pa.array(np.arange(relevant.num_rows)))
    hits = numbered.join(top, keys, join_type="left semi")
    mask = np.zeros(relevant.num_rows, dtype=bool)
    mask[hits["row"].to_numpy()] = True
    return mask


def _segment_scores(
    segment: str, rows: pa.Table, hits: Mapping[str, Mask], settings: RetrievalSettings
) -> Iterator[Score]:
    models = list(hits)
    search = group_codes(rows["id_search"])
    shares_SM = np.column_stack([_share_per_search(search, hits[m]) for m in models])
    guest = _guest_of_search(rows, search)
    clusters = int(guest.max()) + 1
    draws_RM, counts_R1 = bootstrap_sums(
        sums_by_cluster(shares_SM, guest, clusters),
        sums_by_cluster(np.ones((len(guest), 1)), guest, clusters),
        replicates=settings.replicates,
        rng=np.random.default_rng(settings.seed),
    )
    means_RM = ratio(draws_RM, np.repeat(counts_R1, len(models), 1))
    means_M = shares_SM.mean(0)
    base = models.index(settings.reference)
    for at, model in enumerate(models):
        interval = percentile_interval(
            float(means_M[at]), means_RM[:, at], confidence=settings.confidence
        )
        yield Score(
            model=model,
            split=settings.split,
            segment=segment,
            metric=f"catalogue_recall_at_{settings.k}",
            k=settings.k,
            value=interval.value,
            low=interval.low,
            high=interval.high,
            searches=len(shares_SM),
            positives=rows.num_rows,
            is_small=len(shares_SM) < settings.small,
            clusters=clusters,
            **_comparison(means_M, means_RM, at, base, settings),
        )


def _comparison(
    means_M: Floats, means_RM: Floats, at: int, base: int, settings: RetrievalSettings
) -> dict[str, Any]:
    if at == base:
        return {}
    interval, p = difference_test(
        float(means_M[at] - means_M[base]),
        means_RM[:, at] - means_RM[:, base],
        confidence=settings.confidence,
    )
    return {
        "versus": settings.reference,
        "difference": interval.value,
        "difference_low": interval.low,
        "difference_high": interval.high,
        "p": p,
    }


def _share_per_search(search: Integers, hit: Mask) -> Floats:
    """Share of each search's relevant listings that were retrieved; shape (S,)."""
    return np.bincount(search, weights=hit) / np.bincount(search)


def _guest_of_search(rows: pa.Table, search: Integers) -> Integers:
    """Cluster of each search: its guest, or the search itself where none is named."""
    _, first = np.unique(search, return_index=True)
    return group_codes(guest_keys(rows.take(pa.array(first))))
