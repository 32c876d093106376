"""Retrieval over the whole catalogue: is what the guest took among the k retrieved?

Unlike the ranking metrics, which order the listings that a search showed, the candidates
here are all listings of the market; the metric's name says so (``catalogue_recall_at_k``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.evaluation.judged import Floats
from models.evaluation.scorecard import Score
from models.evaluation.significance import (
    Interval,
    bootstrap_sums,
    difference_test,
    percentile_interval,
    ratio,
    sums_by_cluster,
)
from models.order import group_codes

__all__ = ["catalogue_recall"]


def catalogue_recall(  # noqa: PLR0913  # keyword-only; each says one thing
    taken: pa.Table,
    retrieved: Mapping[str, pa.Table],
    *,
    k: int,
    split: str,
    reference: str,
    replicates: int = 1_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Score]:
    """Recall of the taken listings per model and segment, with paired comparisons.

    Args:
        taken: a row per search and listing that the guest took: ``id_search``,
            ``id_user``, ``id_listing``, and any number of ``segment_*`` string columns,
            constant within a search, whose values name segments (``market=sao_paulo``).
        retrieved: model → table of ``id_search, id_listing, rank``.
        k: listings retrieved per search that count.
        split: name of the window.
        reference: the model that the others are compared with.
        replicates, confidence, seed: of the bootstrap, clustered by guest.

    The value is the mean over searches of the share of the taken listings found.
    """
    searches = group_codes(taken["id_search"])
    count = int(searches.max()) + 1 if len(searches) else 0
    first = np.zeros(count, dtype=np.int64)
    first[searches[::-1]] = np.arange(len(searches))[::-1]
    shares = {m: _shares(taken, searches, count, found, k) for m, found in retrieved.items()}
    guest = _clusters(taken.take(pa.array(first)))
    scores: list[Score] = []
    for segment, belongs in _segments(taken.take(pa.array(first))):
        positives = int(belongs[searches].sum())
        measured = _measure(shares, belongs, guest, replicates, np.random.default_rng(seed))
        base, base_draws = measured[reference]
        for model, (value, draws) in measured.items():
            interval = percentile_interval(value, draws, confidence=confidence)
            versus = None
            if model != reference:
                versus = difference_test(value - base, draws - base_draws, confidence=confidence)
            scores.append(
                _score(model, split, segment, k, interval, int(belongs.sum()), positives)
                if versus is None
                else _score(
                    model,
                    split,
                    segment,
                    k,
                    interval,
                    int(belongs.sum()),
                    positives,
                    versus=reference,
                    difference=versus[0],
                    p=versus[1],
                )
            )
    return scores
