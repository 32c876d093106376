"""What another order would have earned, estimated from the searches shown in random order.

Only those searches are used: there the chance of each listing in each place (the propensity)
is known. What is estimated is the *value* of an order: the rewards (clicks, or bookings) per
search that come from its first k places. All estimators assume that a reward depends on the
listing and its place, not on its neighbours (the item-position model of Li et al. 2018).

Legend: N rows of the random slice, S searches.

For a row with reward r, shown in place s, which the model puts in place t ≤ k (a row that the
model puts further down earns nothing), with propensity p and the clipped weight
w = min(1 / p, clip) where s = t, else 0:

- ``ips``, inverse propensity score (Horvitz & Thompson 1952):

      value = Σ w · r / S

- ``snips``, self-normalised (Swaminathan & Joachims 2015): divided by the weights that came
  up, where ``ips`` divides by those expected, one per place, ``places`` = mean min(size, k):

      value = places · Σ w · r / Σ w

- ``dr``, doubly robust (Dudík et al. 2011): a fitted reward m for every row in its new place,
  corrected by the weighted error of that fit in the old one
  (:mod:`models.evaluation.off_policy.reward_model`):

      value = Σ (m(t) + w · (r − m(s))) / S

- ``pbm``, position-based model (Joachims et al. 2017): every reward counts, times how much
  more the new place is examined than the old, e the rate of a place. Least variance, most
  assumption:

      value = Σ min(e(t) / e(s), clip) · r / S

Two searches of two listings, in random order (p = 1/2), k = 1; each row that was clicked in
place s, and the place t where the model puts it:

    search  listing  r   s   t   w        w · r
      1        a     1   1   1   2          2
      1        b     0   2   2   (t > k)    0
      2        a     1   2   1   0          0
      2        b     0   1   2   (t > k)    0

``ips`` is 2 / 2 = 1 click per search. One row in two was expected to match and one did, so
Σ w is 2 and ``snips`` 1 · 2 / 2 = 1 too. Had both searches shown ``a`` on top and only the
first been clicked, ``ips`` would be 2 / 2 = 1, but ``snips`` 2 / 4 = 1/2, the rate at which
``a`` was clicked on top.

>>> for stage, position in (([1, 0, 1, 0], [1, 2, 2, 1]), ([1, 0, 0, 0], [1, 2, 1, 2])):
...     rows = pa.table(
...         {
...             "id_search": ["1", "1", "2", "2"],
...             "id_listing": ["a", "b", "a", "b"],
...             "stage": stage,
...             "position": position,
...             "propensity": [0.5] * 4,
...             "is_random_order": [True] * 4,
...         }
...     )
...     scores = {"model": np.array([0.9, 0.1, 0.9, 0.1])}
...     config = CounterfactualConfig(k=1, replicates=1)
...     values = policy_values(random_slice(rows), scores, reference="model", config=config)
...     print({value.method: value.value.value for value in values[:2]})
{'ips': 1.0, 'snips': 1.0}
{'ips': 1.0, 'snips': 0.5}

Clipping trades variance for a downward bias. The intervals take the fitted rewards and rates
as given: they are not fitted again in each replicate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.ranges import AT_LEAST_1, Range, refuse_outside
from models.evaluation.arranged_rows import ArrangedRows, arrange_rows
from models.evaluation.arrays import Floats, Integers, Mask
from models.evaluation.off_policy.reward_model import fitted_rewards, position_rates
from models.evaluation.ratio_metric import RatioMetric
from models.evaluation.segments import numbers
from models.evaluation.significance import (
    Interval,
    bootstrap_sums,
    difference_test,
    percentile_interval,
    ratio,
    sums_by_cluster,
)
from models.recommender import Scores

__all__ = [
    "METHODS",
    "CounterfactualConfig",
    "PolicyValue",
    "RandomSlice",
    "policy_values",
    "random_slice",
]

METHODS = ("ips", "snips", "dr", "pbm")
NEEDED = ("position", "is_random_order", "propensity")


@dataclass(frozen=True, kw_only=True)
class CounterfactualConfig:
    """Settings.

    Attributes:
        stage: rewards are rows that reached it (1 click, 3 booking).
        k: places whose rewards count.
        clip: no weight exceeds it.
        bins: groups of listings, by place in the model's order, of the fitted rewards.
        replicates, confidence, seed: of the bootstrap over guests.
    """

    stage: int = 1
    k: int = 10
    clip: float = 100.0
    bins: int = 5
    replicates: int = 1_000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        counts = dict.fromkeys(("k", "bins", "replicates", "clip"), AT_LEAST_1)
        refuse_outside(self, {**counts, "stage": Range(at_least=1, at_most=3)})


@dataclass(frozen=True, kw_only=True)
class RandomSlice:
    """The rows of the searches that were shown in random order.

    Attributes:
        arranged: those rows, arranged.
        chosen: their positions in the table they came from, in its order.
        position: place in which each arranged row was shown, from 1; shape (N,).
        propensity: chance that it was shown there; shape (N,).
    """

    arranged: ArrangedRows
    chosen: Integers
    position: Integers
    propensity: Floats


@dataclass(frozen=True, kw_only=True)
class PolicyValue:
    """The estimated value of a model's order.

    Attributes:
        model, method: which order, which estimator.
        value: rewards per search from the first k places, with its interval.
        versus, difference, p: against the reference, on the same draws of guests.
        searches: in the random slice.
        matched: rows in the place where the model puts them, which the weights rest on.
    """

    model: str
    method: str
    value: Interval
    searches: int
    matched: int
    versus: str | None = None
    difference: Interval | None = None
    p: float | None = None


def random_slice(rows: pa.Table) -> RandomSlice:
    """The searches shown in random order.

    Raises ``ValueError`` when the log has no such searches or lacks the columns.
    """
    missing = [name for name in NEEDED if name not in rows.column_names]
    if missing:
        raise ValueError(f"counterfactual estimates need the columns {', '.join(missing)}")
    usable = pc.and_(
        pc.fill_null(rows["is_random_order"], False),
        pc.and_(pc.is_valid(rows["position"]), pc.is_valid(rows["propensity"])),
    )
    chosen = np.flatnonzero(np.asarray(usable.combine_chunks()))
    if not len(chosen):
        raise ValueError("no search of this log was shown in random order with propensities")
    random_rows = rows.take(pa.array(chosen))
    arranged = arrange_rows(random_rows)
    propensity = numbers(random_rows, arranged, "propensity")
    if not (propensity > 0).all():
        raise ValueError("a row was shown with propensity 0: it cannot have been")
    return RandomSlice(
        arranged=arranged,
        chosen=chosen,
        position=numbers(random_rows, arranged, "position").astype(np.int64),
        propensity=propensity,
    )


def policy_values(
    random: RandomSlice,
    scores: Mapping[str, Scores],
    *,
    reference: str,
    config: CounterfactualConfig | None = None,
) -> list[PolicyValue]:
    """The value of each model's order by each method, tested against the reference.

    ``scores`` maps a model to a score per row *of the table that the slice came from*.
    """
    config = config or CounterfactualConfig()
    if reference not in scores:
        raise ValueError(f"reference {reference!r} has no scores; there are {sorted(scores)}")
    arranged = random.arranged
    ranks = {m: arranged.ranks(s[random.chosen], model=m) for m, s in scores.items()}
    labelled = [
        (model, estimator)
        for model, order in ranks.items()
        for estimator in _estimators(random, order, config)
    ]
    values, drawn = _bootstrapped(arranged, [estimator for _, estimator in labelled], config)
    place = {(model, estimator.metric): i for i, (model, estimator) in enumerate(labelled)}
    matched = {m: int(_is_matched(random, order, config.k).sum()) for m, order in ranks.items()}
    estimates = []
    for (model, method), i in place.items():
        value = PolicyValue(
            model=model,
            method=method,
            value=percentile_interval(float(values[i]), drawn[:, i], confidence=config.confidence),
            searches=arranged.searches,
            matched=matched[model],
        )
        if model != reference:
            base = place[reference, method]
            gap, gaps = float(values[i] - values[base]), drawn[:, i] - drawn[:, base]
            difference, p = difference_test(gap, gaps, confidence=config.confidence)
            value = replace(value, versus=reference, difference=difference, p=p)
        estimates.append(value)
    return estimates


def _is_matched(random: RandomSlice, ranks: Integers, k: int) -> Mask:
    """Rows in the top k that stood where the model puts them."""
    return np.asarray((ranks <= k) & (ranks == random.position))


def _estimators(
    random: RandomSlice, ranks: Integers, config: CounterfactualConfig
) -> list[RatioMetric]:
    """One ratio per method, in the order of ``METHODS``; ``metric`` is the method's name."""
    arranged, k = random.arranged, config.k
    weights = np.where(
        _is_matched(random, ranks, k), np.minimum(1 / random.propensity, config.clip), 0.0
    )
    earned = _earned(random, ranks, weights, config)
    ones = np.ones(arranged.searches)
    estimators = [
        RatioMetric(
            metric=name, k=k, numerator=arranged.per_search(v), denominator=ones, scored=ones
        )
        for name, v in earned.items()
    ]
    ips, dr, pbm = estimators
    # on average the weights add up to one per place; SNIPS divides by what they did add up to
    places = float(np.minimum(arranged.sizes, k).mean())
    snips = replace(
        ips,
        metric="snips",
        numerator=ips.numerator * places,
        denominator=arranged.per_search(weights),
    )
    return [ips, snips, dr, pbm]


def _earned(
    random: RandomSlice, ranks: Integers, weights: Floats, config: CounterfactualConfig
) -> dict[str, Floats]:
    """What each row adds to the value, by method; each of shape (N,)."""
    arranged = random.arranged
    rewards = (arranged.stage >= config.stage).astype(np.float64)
    in_new, in_old = fitted_rewards(
        arranged, rewards=rewards, position=random.position, ranks=ranks, bins=config.bins
    )
    rates = position_rates(rewards, random.position)
    # a place below all that the slice shows is examined like the last of them
    examined_more = rates[np.minimum(ranks, len(rates) - 1)] / rates[random.position]
    is_top = ranks <= config.k
    return {
        "ips": weights * rewards,
        "dr": np.where(is_top, in_new, 0.0) + weights * (rewards - in_old),
        "pbm": np.where(is_top, np.minimum(examined_more, config.clip) * rewards, 0.0),
    }


def _bootstrapped(
    arranged: ArrangedRows, estimators: list[RatioMetric], config: CounterfactualConfig
) -> tuple[Floats, Floats]:
    """Values (M,) and replicates (R, M) of the estimators."""
    top, bottom = (
        sums_by_cluster(np.stack(columns, axis=1), arranged.cluster, arranged.clusters)
        for columns in ([m.numerator for m in estimators], [m.denominator for m in estimators])
    )
    rng = np.random.default_rng(config.seed)
    drawn = ratio(*bootstrap_sums(top, bottom, replicates=config.replicates, rng=rng))
    return ratio(top.sum(axis=0), bottom.sum(axis=0)), drawn
