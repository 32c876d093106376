"""What a model would have earned, from a log that another order produced.

Only the searches shown in random order are used: there the chance of each listing in each
place is known. What is estimated is the *value* of an order: the rewards (clicks, or
bookings) per search that come from its first k places. All estimators assume that a
reward depends on the listing and its place, not on its neighbours (the item-position
model of Li et al. 2018).

Legend: N rows of the random slice, S searches.

- ``ips``: a row that stood in the place where the model puts it counts 1 / propensity.
- ``snips``: the same, divided by the weights that came up instead of those expected.
- ``dr``: a fitted reward for every row in its new place, plus the weighted error of that
  fit where the places agree (doubly robust: Dudík et al. 2011).
- ``pbm``: every reward counts, times how much more the new place is examined than the old
  (position-based model: Joachims et al. 2017). Least variance, most assumption.

Weights are clipped, which trades variance for a downward bias. The intervals take the
fitted rewards and rates as given: they are not fitted again in each replicate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.evaluation.arranged_rows import ArrangedRows, arrange_rows
from models.evaluation.arrays import Floats, Integers, Mask
from models.evaluation.off_policy.reward_model import fitted_rewards, position_rates
from models.evaluation.ratio_metric import Measure
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
        if not 1 <= self.stage <= 3:
            raise ValueError(f"stage must be 1, 2 or 3, not {self.stage}")
        if min(self.k, self.bins, self.replicates) < 1 or self.clip < 1:
            raise ValueError(f"k, bins, replicates and clip must be at least 1: {self}")


@dataclass(frozen=True, kw_only=True)
class RandomSlice:
    """The rows of the searches that were shown in random order.

    Attributes:
        judged: those rows, arranged.
        chosen: their positions in the table they came from, in its order.
        position: place in which each arranged row was shown, from 1; shape (N,).
        propensity: chance that it was shown there; shape (N,).
    """

    judged: ArrangedRows
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
    taken = rows.take(pa.array(chosen))
    judged = arrange_rows(taken)
    propensity = numbers(taken, judged, "propensity")
    if not (propensity > 0).all():
        raise ValueError("a row was shown with propensity 0: it cannot have been")
    return RandomSlice(
        judged=judged,
        chosen=chosen,
        position=numbers(taken, judged, "position").astype(np.int64),
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
    judged = random.judged
    ranks = {m: judged.ranks(s[random.chosen], model=m) for m, s in scores.items()}
    labelled = [
        (model, measure)
        for model, order in ranks.items()
        for measure in _measures(random, order, config)
    ]
    values, drawn = _bootstrapped(judged, [m for _, m in labelled], config)
    place = {(model, measure.metric): i for i, (model, measure) in enumerate(labelled)}
    matched = {m: int(_agrees(random, order, config.k).sum()) for m, order in ranks.items()}
    found = []
    for (model, method), i in place.items():
        value = PolicyValue(
            model=model,
            method=method,
            value=percentile_interval(values[i], drawn[:, i], confidence=config.confidence),
            searches=judged.searches,
            matched=matched[model],
        )
        if model != reference:
            base = place[reference, method]
            gap, gaps = float(values[i] - values[base]), drawn[:, i] - drawn[:, base]
            difference, p = difference_test(gap, gaps, confidence=config.confidence)
            value = replace(value, versus=reference, difference=difference, p=p)
        found.append(value)
    return found


def _agrees(random: RandomSlice, ranks: Integers, k: int) -> Mask:
    """Rows in the top k that stood where the model puts them."""
    return np.asarray((ranks <= k) & (ranks == random.position))


def _measures(random: RandomSlice, ranks: Integers, config: CounterfactualConfig) -> list[Measure]:
    judged, k = random.judged, config.k
    weights = np.where(
        _agrees(random, ranks, k), np.minimum(1 / random.propensity, config.clip), 0.0
    )
    earned = _earned(random, ranks, weights, config)
    ones = np.ones(judged.searches)
    measures = [
        Measure(metric=name, k=k, numerator=judged.per_search(v), denominator=ones, scored=ones)
        for name, v in earned.items()
    ]
    ips = measures[0]
    # weights come to one per place on average; SNIPS divides by what they came to
    places = float(np.minimum(judged.sizes, k).mean())
    snips = replace(
        ips,
        metric="snips",
        numerator=ips.numerator * places,
        denominator=judged.per_search(weights),
    )
    return [ips, snips, *measures[1:]]


def _earned(
    random: RandomSlice, ranks: Integers, weights: Floats, config: CounterfactualConfig
) -> dict[str, Floats]:
    """What each row adds to the value, by method; each of shape (N,)."""
    judged = random.judged
    rewards = (judged.stage >= config.stage).astype(np.float64)
    in_new, in_old = fitted_rewards(
        judged, rewards=rewards, position=random.position, ranks=ranks, bins=config.bins
    )
    rates = position_rates(rewards, random.position)
    examined_more = rates[np.minimum(ranks, len(rates) - 1)] / rates[random.position]
    is_top = ranks <= config.k
    return {
        "ips": weights * rewards,
        "dr": np.where(is_top, in_new, 0.0) + weights * (rewards - in_old),
        "pbm": np.where(is_top, np.minimum(examined_more, config.clip) * rewards, 0.0),
    }


def _bootstrapped(
    judged: ArrangedRows, measures: list[Measure], config: CounterfactualConfig
) -> tuple[Floats, Floats]:
    """Values (M,) and replicates (R, M) of the measures."""
    top, bottom = (
        sums_by_cluster(np.stack(columns, axis=1), judged.cluster, judged.clusters)
        for columns in ([m.numerator for m in measures], [m.denominator for m in measures])
    )
    rng = np.random.default_rng(config.seed)
    drawn = ratio(*bootstrap_sums(top, bottom, replicates=config.replicates, rng=rng))
    return ratio(top.sum(axis=0), bottom.sum(axis=0)), drawn
