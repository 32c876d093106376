"""The settings of an evaluation: cut-offs, gains, bootstrap and intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from data.ranges import AT_LEAST_1, Range, refuse_outside
from models.stage_utilities import UTILITIES, Utilities, check_utilities

__all__ = ["EvaluationConfig"]


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Settings of :func:`models.evaluation.evaluate.evaluate`.

    Attributes:
        ks: cut-offs of the ranking metrics.
        utilities: gain of an impressed, clicked, contacted and booked row in the graded
            metrics. The first is 0: a row without an action has no gain, which lets the
            metrics read only the rows with one.
        list_k: cut-off of the metrics of the list itself (exposure, diversity).
        compared: metrics for which each model is tested against the reference.
        confidence: of every interval.
        replicates: bootstrap replicates.
        jackknife_groups: groups of guests left out in turn, where the bootstrap is biased.
        small: a segment with fewer scored searches than this is marked as small.
        fewest: a figure of fewer scored searches than this is not printed, but called too
            few. Bookings' NDCG@10 varies by about 0.3 from search to search, so nine searches
            tell it to ±0.2: most of the way from a random order to a good one. One number
            for all evaluations, so that no two pages disagree.
        decile_count: bins of the calibration error.
        is_catalogue: the candidates are the whole catalogue, not the listings shown; the
            metric names then start with ``catalogue_``.
        threads: models measured at the same time.
        seed: of the bootstrap.
    """

    ks: tuple[int, ...] = (5, 10, 38)
    utilities: Utilities = UTILITIES
    list_k: int = 10
    compared: tuple[str, ...] = (
        "value_dcg_at_10",
        "ndcg_at_10",
        "graded_ndcg_at_10",
        "mrr",
        "recall_at_10",
    )
    confidence: float = 0.95
    replicates: int = 1_000
    jackknife_groups: int = 20
    small: int = 100
    fewest: ClassVar[int] = 10
    decile_count: int = 10
    is_catalogue: bool = False
    threads: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        counts = ("ks", "list_k", "replicates", "threads", "decile_count")
        others = {"confidence": Range(above=0, below=1), "jackknife_groups": Range(at_least=2)}
        refuse_outside(self, {**dict.fromkeys(counts, AT_LEAST_1), **others})
        check_utilities(self.utilities)
