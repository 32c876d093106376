"""G: the share of the possible gain over a random order that a model reaches.

Where the true probabilities are known (a simulated log), the *expected* DCG of an order
needs no outcomes: Σ p / log2(rank + 1) over the top k, for every search, booked or not.

    G = (model − random) / (oracle − random)

The random order's expected DCG is exact (each row is equally likely in each place), the
oracle orders by p itself, so G is 1 for the oracle, 0 on average for a random order, and
never above 1. There are three ceilings, each with probabilities of its own, by which both the
oracle and the model are scored: ``taste`` knows the guest's hidden taste, ``personal`` all that
the log shows of the guest's past, ``observables`` only what it shows of the search. Every
evaluation of a simulated log has the first and the last; ``personal`` takes longer and is a
benchmark's.

One search of two rows with p of 0.2 and 0.4, k = 2. The model puts the worse row on top:

    model    0.2 / log2(2) + 0.4 / log2(3) = 0.2 + 0.2524 = 0.4524
    oracle   0.4 / log2(2) + 0.2 / log2(3) = 0.4 + 0.1262 = 0.5262
    random   mean p · (1 + 0.6309)         = 0.3 · 1.6309 = 0.4893
    G        (0.4524 − 0.4893) / (0.5262 − 0.4893)        = −1

The split's G is the ratio of the sums over all searches, not a mean of ratios: a search
where all rows are alike has a denominator of 0 and so no weight.

>>> import pyarrow as pa
>>> from models.evaluation.arranged_rows import arrange_rows
>>> rows = pa.table({"id_search": ["s", "s"], "id_listing": ["a", "b"], "stage": [0, 0]})
>>> arranged = arrange_rows(rows)
>>> ceiling = Ceiling(arranged, "taste", np.array([0.2, 0.4]))
>>> g, _ = ceiling.measures(arranged, np.array([1, 2]), (2,))
>>> g.metric, (g.numerator / g.denominator).round(4).tolist()
('g_taste_at_2', [-1.0])

The truth arrives as plain arrays: nothing in ``models`` can open the truth table.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from data.schema.tables import TRUTH
from models.evaluation.arranged_rows import ArrangedRows, ranks_arranged
from models.evaluation.arrays import Floats, Integers
from models.evaluation.ratio_metric import RatioMetric, mean_over_searches, named_at

__all__ = [
    "CEILINGS",
    "PERSONAL",
    "Ceiling",
    "ceilings_of",
    "expected_dcg",
    "oracle_metrics",
    "random_dcg",
]

_TIE_BREAK = 1e-9

CEILINGS: dict[str, str] = {"taste": "p_book_taste", "observables": "p_book_observables"}
"""Ceiling → its probabilities, as the truth table names them. Those of ``observables`` are not
the table's, which is too coarse, but computed anew for the rows that are judged."""

PERSONAL = "p_book_personal"
"""The probabilities of the ceiling ``personal``, which no table holds."""


def expected_dcg(arranged: ArrangedRows, ranks: Integers, truth: Floats, k: int) -> Floats:
    """Σ p / log2(rank + 1) over the top k of each search; shape (S,).

    Chances of 0.2 and 0.4, the worse on top: 0.2 / 1 + 0.4 / log2 3.

    >>> import pyarrow as pa
    >>> from models.evaluation.arranged_rows import arrange_rows
    >>> rows = pa.table({"id_search": ["s", "s"], "id_listing": ["a", "b"], "stage": [0, 0]})
    >>> arranged = arrange_rows(rows)
    >>> expected_dcg(arranged, np.array([1, 2]), np.array([0.2, 0.4]), 2).round(4).tolist()
    [0.4524]
    """
    discounts = np.where(ranks <= k, 1 / np.log2(ranks + 1.0), 0.0)
    return arranged.per_search(truth * discounts)


def random_dcg(arranged: ArrangedRows, truth: Floats, k: int) -> Floats:
    """The expected DCG of a uniformly random order: mean p times the discounts that fit.

    Two rows with p of 0.2 and 0.4, k = 1: (0.2 + 0.4) / 2 · 1 = 0.3.

    >>> import pyarrow as pa
    >>> from models.evaluation.arranged_rows import arrange_rows
    >>> rows = pa.table({"id_search": ["s", "s"], "id_listing": ["a", "b"], "stage": [0, 0]})
    >>> random_dcg(arrange_rows(rows), np.array([0.2, 0.4]), 1).round(4).tolist()
    [0.3]
    """
    discounts = 1 / np.log2(np.arange(2, arranged.sizes.max() + 2))
    # each row stands in each place with chance 1 / size: mean p times the discounts of the
    # places that the search fills
    within = np.r_[0.0, np.cumsum(discounts)][np.minimum(arranged.sizes, k)]
    return np.asarray(arranged.per_search(truth) / arranged.sizes * within)


class Ceiling:
    """The best order of every search under one set of true probabilities.

    ``truth`` is arranged, one probability per row; shape (N,). Raises ``ValueError``
    outside 0..1.
    """

    def __init__(self, arranged: ArrangedRows, name: str, truth: Floats) -> None:
        if not ((truth >= 0) & (truth <= 1)).all():
            raise ValueError(f"truth of {name}: probabilities must lie between 0 and 1")
        self.name = name
        self.truth = truth
        self.ranks = ranks_arranged(arranged.starts, arranged.sizes, truth)

    def measures(
        self, arranged: ArrangedRows, ranks: Integers, ks: tuple[int, ...]
    ) -> list[RatioMetric]:
        """``g_NAME_at_k`` and ``expected_dcg_NAME_at_k`` of an order.

        A search whose rows are all alike has nothing to win, and is not scored: what rounding
        leaves of it must not count.
        """
        most, least = (
            of(self.truth, arranged.starts) for of in (np.maximum.reduceat, np.minimum.reduceat)
        )
        differs = most > least
        metrics = []
        for k in ks:
            model = expected_dcg(arranged, ranks, self.truth, k)
            random = random_dcg(arranged, self.truth, k)
            best = expected_dcg(arranged, self.ranks, self.truth, k)
            metrics.append(
                RatioMetric(
                    metric=named_at(f"g_{self.name}", k),
                    k=k,
                    numerator=np.where(differs, model - random, 0.0),
                    denominator=np.where(differs, best - random, 0.0),
                    scored=differs.astype(np.float64),
                )
            )
            name = named_at(f"expected_dcg_{self.name}", k)
            metrics.append(mean_over_searches(name, model, k=k))
        return metrics


def oracle_scores(chances: Floats, clicks: Floats) -> Floats:
    """Scores of the order by these chances; what they hold alike by the true chance of a click.

    Who has booked books no more, and all rows of such a search have the same chance of 0; what is
    clicked there counts all the same for those who cannot know. Shape (N,), both.

    >>> oracle_scores(np.array([0.2, 0.0, 0.0]), np.array([0.1, 0.3, 0.4])).argsort().tolist()
    [1, 2, 0]
    """
    return chances + _TIE_BREAK * clicks


def ceilings_of(arranged: ArrangedRows, truth: Mapping[str, Floats]) -> list[Ceiling]:
    """The ceilings whose probabilities are given (arranged), the highest first.

    Other columns of the truth table (clicks, contacts) may come along and are not used.
    Raises ``ValueError`` on a name that is neither a column of it nor :data:`PERSONAL`.
    """
    unknown = set(truth) - set(TRUTH.names) - {PERSONAL}
    if unknown:
        raise ValueError(
            f"unknown truth: {', '.join(sorted(unknown))}; known: {', '.join(TRUTH.names)}"
        )
    names = {"taste": CEILINGS["taste"], "personal": PERSONAL, **CEILINGS}
    return [
        Ceiling(arranged, name, truth[column]) for name, column in names.items() if column in truth
    ]


def oracle_metrics(
    arranged: ArrangedRows, ceilings: list[Ceiling], ranks: Integers, ks: tuple[int, ...]
) -> list[RatioMetric]:
    """G and the expected DCG of an order under every ceiling."""
    return [m for ceiling in ceilings for m in ceiling.measures(arranged, ranks, ks)]
