"""What each group of features is worth to lambdarank, over several simulated worlds.

Every seed is a world of its own: listings, guests and choices. In each, a lambdarank learns
from days 1 to 6 with every feature, and one more with each group left out; all order day
7. A figure is the mean over the worlds of the model without the group less the model
with everything, on the same searches, with Student's interval over the worlds: negative
means that the group helps; of the value DCG, whose unit means nothing by itself, the change
in per cent. ``--together`` also leaves several groups out at once: groups that say the same in
other words are each missed by nobody. SIMULATED data.

Run: python benchmarks/ablation.py --seeds 0 1 2 3 --searches 30000
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from main_job_worlds import MainJobWorld, main_job_world
from over_worlds import mean_over_worlds

from data.schema.feature_set import FeatureSet
from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.evaluation.scorecard import Scorecard
from models.lambdarank import LambdaRank, LambdaRankConfig
from models.recommender import Scores

EVERYTHING = "every feature"
VALUE = "value_dcg_at_10"
METRICS = (VALUE, "ndcg_at_10", "g_observables_at_10", "g_taste_at_10")


def evaluate_world(
    world: MainJobWorld, left_out: Sequence[Sequence[str]], config: LambdaRankConfig
) -> Scorecard:
    """Rankers of one world on its last day: with everything, and without each of ``left_out``."""
    rows = world.rows
    scores: dict[str, Scores] = {}
    for groups in ((), *left_out):
        features, name = world.features.without(groups), _name(groups) or EVERYTHING
        scores[name] = LambdaRank(features, config).fit(rows.train, rows.valid).score(rows.test)
        print(f"  fitted without {_name(groups) or 'nothing'}: {len(features)}", flush=True)
    return evaluate(
        rows.test,
        scores,
        split="test",
        reference=EVERYTHING,
        config=EvaluationConfig(ks=(10,), replicates=200),
        truth=world.truth,
        context=EvaluationInputs(worth=world.worth),
    )


def _name(groups: Sequence[str]) -> str:
    return ", ".join(groups)


def print_table(cards: Sequence[Scorecard], groups: Mapping[str, int]) -> None:
    """One row per group left out, one column per metric."""
    whole = [
        f"{metric} {mean_over_worlds(_values(cards, EVERYTHING, metric))}" for metric in METRICS
    ]
    print(f"\n{EVERYTHING}: " + "; ".join(whole))
    titles = [f"{metric}, %" if metric == VALUE else metric for metric in METRICS]
    print("| left out | features | " + " | ".join(titles) + " |")
    print("|---|---:|" + "---|" * len(METRICS))
    for group, size in groups.items():
        changes = [
            mean_over_worlds(
                changes_of(cards, group, metric), sign="+", digits=2 if metric == VALUE else 4
            )
            for metric in METRICS
        ]
        print(f"| {group} | {size} | " + " | ".join(changes) + " |")


def _values(cards: Sequence[Scorecard], model: str, metric: str) -> list[float]:
    return [card.find(model, metric, segment="all").value for card in cards]


def _size(features: FeatureSet, groups: Sequence[str]) -> int:
    return sum(f.group in groups for f in features)


def changes_of(cards: Sequence[Scorecard], group: str, metric: str) -> list[float]:
    """By world: what leaving the group out changes; of the value DCG in per cent."""
    without, whole = _values(cards, group, metric), _values(cards, EVERYTHING, metric)
    changes = [less - all_ for less, all_ in zip(without, whole, strict=True)]
    if metric != VALUE:
        return changes
    return [100 * change / all_ for change, all_ in zip(changes, whole, strict=True)]


def main() -> None:
    """Parse the command line, evaluate every world, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--searches", type=int, default=30_000)
    parser.add_argument("--together", nargs="+", metavar="GROUP", help="and these, all at once")
    parser.add_argument("--small", action="store_true", help="two tiny worlds")
    arguments = parser.parse_args()
    config = LambdaRankConfig()
    if arguments.small:
        arguments.seeds, arguments.searches, config = [0, 1], 2_500, LambdaRankConfig(max_rounds=15)
    cards: list[Scorecard] = []
    sizes: dict[str, int] = {}
    for seed in arguments.seeds:
        print(f"world {seed}, {arguments.searches:,} searches", flush=True)
        world = main_job_world(seed, arguments.searches)
        left_out = [[g] for g in world.features.groups]
        left_out += [arguments.together] if arguments.together else []
        sizes = {_name(groups): _size(world.features, groups) for groups in left_out}
        cards.append(evaluate_world(world, left_out, config))
        print(f"\nSIMULATED: {len(cards)} worlds of {arguments.searches:,} searches", flush=True)
        print_table(cards, sizes)


if __name__ == "__main__":
    main()
