"""The ranking metrics of one model, under the names that the scorecard prints.

Only searches count in which one order of the results is better than another
(:mod:`models.evaluation.orderable_searches`).

Legend: N rows, S searches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.schema.tables import BOOKED, CLICKED, CONTACTED
from models.evaluation.arranged_rows import ArrangedRows
from models.evaluation.arrays import Floats, Integers, Mask
from models.evaluation.config import EvaluationConfig
from models.evaluation.metrics import (
    Hits,
    auc_within_search,
    average_precision,
    hit_rate,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)
from models.evaluation.orderable_searches import in_orderable_searches
from models.evaluation.ratio_metric import RatioMetric, mean_over_searches, named_at

__all__ = ["STAGE_NAMES", "ActedRows", "acted_rows", "ranking_metrics"]

STAGE_NAMES: dict[str, int] = {"click": CLICKED, "contact": CONTACTED, "book": BOOKED}


@dataclass(frozen=True, kw_only=True)
class ActedRows:
    """The rows with a gain: the metrics need no others, and they are few of all rows.

    Only of searches in which one order is better than another: see
    :mod:`models.evaluation.orderable_searches`.

    Attributes:
        booked: arranged rows that were booked.
        graded: arranged rows with a utility above 0.
        part: rows that count as hits (a segment of listings), or ``None`` for all.
    """

    booked: Integers
    graded: Integers
    part: Mask | None = None

    def within(self, arranged: ArrangedRows, stage: int) -> Integers:
        """Arranged rows of this part that reached the stage, where not all of the search did."""
        reached = _reached(arranged, stage)
        return reached if self.part is None else reached[self.part[reached]]


def acted_rows(
    arranged: ArrangedRows, config: EvaluationConfig, part: Mask | None = None
) -> ActedRows:
    """The rows with gain, of all listings or of a part of them, where an order can be better."""
    gains = np.asarray(config.utilities)[arranged.stage]
    graded = np.flatnonzero(gains > 0)
    booked = _reached(arranged, BOOKED)
    graded = in_orderable_searches(arranged, graded, gains[graded])
    # only then the part: where all are booked, no place of a new listing is better than another
    if part is not None:
        booked, graded = booked[part[booked]], graded[part[graded]]
    return ActedRows(booked=booked, graded=graded, part=part)


def _reached(arranged: ArrangedRows, stage: int) -> Integers:
    """Arranged rows that reached the stage, of searches in which not all of them did."""
    rows = arranged.reached(stage)
    return in_orderable_searches(arranged, rows, np.ones(len(rows)))


def ranking_metrics(
    arranged: ArrangedRows, acted: ActedRows, ranks: Integers, config: EvaluationConfig
) -> list[RatioMetric]:
    """NDCG, recall, hit rate, precision at each k; MRR, MAP; AUC within the search.

    The binary metrics score searches with a booking; ``graded_ndcg`` those with any
    action of utility above 0; ``search_auc_*`` those that reached the stage. Recall, hit rate
    and precision score only searches of more than k results: of fewer, all are in the first k.
    """
    booked = hits_of(arranged, acted.booked, ranks)
    utilities = np.asarray(config.utilities)
    graded = hits_of(arranged, acted.graded, ranks, utilities[arranged.stage[acted.graded]])
    metrics = [
        mean_over_searches("mrr", reciprocal_rank(booked)),
        mean_over_searches("map", average_precision(booked)),
    ]
    for k in config.ks:
        has_more = arranged.sizes > k
        at_k = {
            "ndcg": ndcg(booked, k),
            "graded_ndcg": ndcg(graded, k),
            "recall": np.where(has_more, recall(booked, k), np.nan),
            "hit_rate": np.where(has_more, hit_rate(booked, k), np.nan),
            "precision": np.where(has_more, precision(booked, k), np.nan),
        }
        metrics += [mean_over_searches(named_at(name, k), v, k=k) for name, v in at_k.items()]
    for name, stage in STAGE_NAMES.items():
        hits = hits_of(arranged, acted.within(arranged, stage), ranks)
        value = auc_within_search(hits, arranged.sizes)
        metrics.append(mean_over_searches(f"search_auc_{name}", value))
    return metrics


def hits_of(
    arranged: ArrangedRows,
    rows: Integers,
    ranks: Integers,
    gains: Floats | None = None,
) -> Hits:
    """These rows as hits at a model's ranks; gain 1 where none is given."""
    return Hits(
        search=arranged.search[rows],
        rank=ranks[rows],
        gain=np.ones(len(rows)) if gains is None else gains,
        searches=arranged.searches,
    )
