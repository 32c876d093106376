"""How much of what could be won a model wins: G, against a known best answer.

Where the true probabilities are known (a simulated log), the *expected* DCG of an order
needs no outcomes: Σ p / log2(rank + 1) over the top k, for every search, booked or not.

    G = (model − random) / (oracle − random)

The random order's expected DCG is exact (each row is equally likely in each place), the
oracle orders by p itself, so G is 1 for the oracle, 0 on average for a random order, and
never above 1. There are two ceilings, each judged by its own probabilities: ``taste``
knows the guest's hidden taste, ``observables`` only what the log shows.

The truth arrives as plain arrays: nothing in ``models`` can open the truth table.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from data.schema.tables import TRUTH
from models.evaluation.arranged_rows import ArrangedRows, ranks_arranged
from models.evaluation.arrays import Floats, Integers
from models.evaluation.ratio_metric import Measure, mean_over_searches, named_at

__all__ = ["CEILINGS", "Ceiling", "ceilings_of", "expected_dcg", "oracle_measures", "random_dcg"]

CEILINGS: dict[str, str] = {"taste": "p_book_taste", "observables": "p_book_observables"}


def expected_dcg(judged: ArrangedRows, ranks: Integers, truth: Floats, k: int) -> Floats:
    """Σ p / log2(rank + 1) over the top k of each search; shape (S,).

    Chances of 0.2 and 0.4, the worse on top: 0.2 / 1 + 0.4 / log2 3.

    >>> import pyarrow as pa
    >>> from models.evaluation.arranged_rows import arrange_rows
    >>> rows = {"id_search": ["s", "s"], "id_listing": ["a", "b"], "stage": [0, 0]}
    >>> expected_dcg(arrange_rows(pa.table(rows)), np.array([1, 2]), np.array([0.2, 0.4]), 2).round(
    ...     4
    ... ).tolist()
    [0.4524]
    """
    discounts = np.where(ranks <= k, 1 / np.log2(ranks + 1.0), 0.0)
    return judged.per_search(truth * discounts)


def random_dcg(judged: ArrangedRows, truth: Floats, k: int) -> Floats:
    """The expected DCG of a uniformly random order: mean p times the discounts that fit.

    Two rows with p of 0.2 and 0.4, k = 1: (0.2 + 0.4) / 2 · 1 = 0.3.

    >>> import pyarrow as pa
    >>> from models.evaluation.arranged_rows import arrange_rows
    >>> rows = {"id_search": ["s", "s"], "id_listing": ["a", "b"], "stage": [0, 0]}
    >>> random_dcg(arrange_rows(pa.table(rows)), np.array([0.2, 0.4]), 1).round(4).tolist()
    [0.3]
    """
    discounts = 1 / np.log2(np.arange(2, judged.sizes.max() + 2))
    within = np.r_[0.0, np.cumsum(discounts)][np.minimum(judged.sizes, k)]
    return np.asarray(judged.per_search(truth) / judged.sizes * within)


class Ceiling:
    """The best and the random order of every search under one set of true probabilities."""

    def __init__(self, judged: ArrangedRows, name: str, truth: Floats) -> None:
        if not ((truth >= 0) & (truth <= 1)).all():
            raise ValueError(f"truth of {name}: probabilities must lie between 0 and 1")
        self.name = name
        self.truth = truth
        self.ranks = ranks_arranged(judged.starts, judged.sizes, truth)

    def measures(self, judged: ArrangedRows, ranks: Integers, ks: tuple[int, ...]) -> list[Measure]:
        """``g_NAME_at_k`` and ``expected_dcg_NAME_at_k`` of an order."""
        measures = []
        for k in ks:
            model = expected_dcg(judged, ranks, self.truth, k)
            random = random_dcg(judged, self.truth, k)
            best = expected_dcg(judged, self.ranks, self.truth, k)
            measures.append(
                Measure(
                    metric=named_at(f"g_{self.name}", k),
                    k=k,
                    numerator=model - random,
                    denominator=best - random,
                    scored=np.ones(judged.searches),
                )
            )
            name = named_at(f"expected_dcg_{self.name}", k)
            measures.append(mean_over_searches(name, model, k=k))
        return measures


def ceilings_of(judged: ArrangedRows, truth: Mapping[str, Floats]) -> list[Ceiling]:
    """The ceilings whose probabilities are given (arranged), taste first.

    Other columns of the truth table (clicks, contacts) may come along and are not used.
    Raises ``ValueError`` on a name that is no column of it.
    """
    unknown = set(truth) - set(TRUTH.names)
    if unknown:
        raise ValueError(
            f"unknown truth: {', '.join(sorted(unknown))}; known: {', '.join(TRUTH.names)}"
        )
    return [
        Ceiling(judged, name, truth[column]) for name, column in CEILINGS.items() if column in truth
    ]


def oracle_measures(
    judged: ArrangedRows, ceilings: list[Ceiling], ranks: Integers, ks: tuple[int, ...]
) -> list[Measure]:
    """G and the expected DCG of an order under every ceiling."""
    return [m for ceiling in ceilings for m in ceiling.measures(judged, ranks, ks)]
