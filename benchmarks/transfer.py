"""Does what is learnt in one market order another? The transfer matrix, simulated.

    python benchmarks/transfer.py --searches 16000
    python benchmarks/transfer.py --searches 12000 --seeds 1 2 3 4 5 --scenario cold_market

Simulates a week of both markets, takes it through ingest and features, and fits lambdarank
and popularity on each market's days 1 to 6 (day 6 to stop and to tune on), and on both
jointly. Day 7 of each market is then ordered by each of them; ``separate`` orders each
market by the model of its own, and is what the others are compared with, on the same
searches. Labels are what was known on the first test day, as in the main job. Each seed
is another world, another catalogue included; several are summed up by the spread between them.
Differences of the value DCG, whose unit means nothing by itself, are in per cent of ``separate``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
from main_job_worlds import MainJobWorld, main_job_world
from over_worlds import mean_over_worlds

from data.simulator import SCENARIOS
from models.baselines.popularity import Popularity
from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.evaluation.transfer import SEPARATE, Trained, TransferCell, transfer_matrix
from models.lambdarank import LambdaRank, LambdaRankConfig

SMALL = {"searches": 1_500, "seeds": [1, 2], "rounds": 20, "replicates": 100}
VALUE = "value_dcg_at_10"
METRICS = (VALUE, "g_taste_at_10", "g_observables_at_10", "ndcg_at_10")

Fit = Callable[[pa.Table], Trained]
Matrices = dict[tuple[str, str], list[TransferCell]]
"""Model and metric → the cells of one world."""


def halves(world: MainJobWorld, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Days 1 to 5, and day 6, of rows to learn from."""
    is_valid = pc.greater_equal(rows["search_day"], world.rows.windows.valid[0])
    return rows.filter(pc.invert(is_valid)), rows.filter(is_valid)


def fits(world: MainJobWorld, config: LambdaRankConfig) -> dict[str, Fit]:
    """Each model's way from rows of some markets to a scorer."""
    return {
        "lambdarank": lambda rows: (
            LambdaRank(world.features, config).fit(*halves(world, rows)).score
        ),
        "popularity": lambda rows: Popularity().fit(*halves(world, rows)).score,
    }


def print_world(learn: pa.Table, test: pa.Table) -> None:
    """How much there is to learn from, and to test on, in each market."""
    print(f"{'market':<18}{'':<14}{'searches':>10}{'clicked':>10}{'booked':>10}")
    for name, rows in (("to learn from", learn), ("test", test)):
        for market in sorted(pc.unique(rows["market"]).to_pylist()):
            part = rows.filter(pc.equal(rows["market"], market))
            stage = part["stage"].to_numpy()
            searches = len(pc.unique(part["id_search"]))
            counts = (searches, (stage >= 1).sum(), (stage == 3).sum())
            print(f"{market:<18}{name:<14}" + "".join(f"{count:>10,}" for count in counts))


def with_ends(value: float, low: float | None, high: float | None, *, sign: str = "") -> str:
    """The figure and its interval; the figure alone where no interval is known."""
    shape = f"{sign}.4f"
    if low is None or high is None:
        return f"{value:{shape}}"
    return f"{value:{shape}} ({low:{shape}} to {high:{shape}})"


def value_of(cell: TransferCell | None) -> str:
    """The figure of a cell with its interval, unless it rests on too few searches."""
    if cell is None or cell.score.is_too_few:
        return "too few"
    return with_ends(cell.score.value, cell.score.low, cell.score.high)


def difference_of(cell: TransferCell | None) -> str:
    """Difference from ``separate``, with its interval; empty for ``separate`` itself."""
    if cell is None or cell.train in {SEPARATE, cell.test}:
        return ""
    score = cell.score
    if score.difference is None or score.is_too_few:
        return ""
    return with_ends(score.difference, score.difference_low, score.difference_high, sign="+")


def print_matrix(name: str, metric: str, cells: list[TransferCell]) -> None:
    """One line per training, two columns per test market."""
    markets = list(dict.fromkeys(cell.test for cell in cells))
    print(f"\n{name}, {metric}: value (95% interval), then the difference from {SEPARATE}")
    heads = "".join(f"{'tested on ' + market:<58}" for market in markets)
    print(f"{'trained on':<18}{heads}".rstrip())
    at = {(cell.train, cell.test): cell for cell in cells}
    for trained in dict.fromkeys(cell.train for cell in cells):
        line = f"{trained:<18}"
        for market in markets:
            cell = at.get((trained, market))
            line += f"{value_of(cell):<28}{difference_of(cell):<30}"
        print(line.rstrip())
    scored = ", ".join(f"{at[SEPARATE, m].score.searches:,} in {m}" for m in markets)
    print(f"searches scored: {scored}")


def print_over_worlds(worlds: list[Matrices]) -> None:
    """Mean difference from ``separate``, with Student's interval over the worlds."""
    print(f"\nmean difference from {SEPARATE} over {len(worlds)} worlds (95% interval)")
    for model, metric in worlds[0]:
        unit, digits = (" in %", 1) if metric == VALUE else ("", 4)
        by_world = [dict(differences(world[model, metric])) for world in worlds]
        for trained, tested in dict.fromkeys(pair for of in by_world for pair in of):
            known = [of[trained, tested] for of in by_world if (trained, tested) in of]
            label = f"{model}, {metric}{unit}: {trained} → {tested}"
            mean = mean_over_worlds(known, sign="+", digits=digits)
            left_out = "" if len(known) == len(worlds) else f", of {len(known)} worlds"
            print(f"{label:<68}{mean}{left_out}")


def differences(cells: list[TransferCell]) -> Iterator[tuple[tuple[str, str], float]]:
    """Training and test market with the difference from ``separate``; of the value in per cent.

    Without the cells that are ``separate`` themselves, and those of too few searches.
    """
    base = {cell.test: cell.score.value for cell in cells if cell.train == SEPARATE}
    for cell in cells:
        score = cell.score
        if cell.train in {SEPARATE, cell.test} or score.difference is None or score.is_too_few:
            continue
        of_base = 100 / base[cell.test] if score.metric == VALUE else 1.0
        yield (cell.train, cell.test), of_base * score.difference


def matrices_of(arguments: argparse.Namespace, seed: int) -> Matrices:
    """Simulate one world, fit every model, print and return its matrices."""
    world = main_job_world(seed, arguments.searches, arguments.scenario)
    # the validation rows carry the worth of their clicks, the others none
    learn = pa.concat_tables([world.rows.train, world.rows.valid], promote_options="default")
    test = world.rows.test
    print(
        f"\nSIMULATED guests, not real ones: {arguments.searches:,} searches, "
        f"scenario {arguments.scenario}, seed {seed}"
    )
    print_world(learn, test)
    settings = EvaluationConfig(
        ks=(10,), compared=METRICS, replicates=arguments.replicates, threads=arguments.threads
    )
    config = LambdaRankConfig(max_rounds=arguments.rounds, threads=arguments.threads, seed=seed)
    matrices: Matrices = {}
    for name, fit in fits(world, config).items():
        cells = transfer_matrix(
            learn,
            test,
            fit,
            metrics=METRICS,
            config=settings,
            truth=world.truth,
            context=EvaluationInputs(worth=world.worth),
        )
        for metric in METRICS:
            matrices[name, metric] = [cell for cell in cells if cell.score.metric == metric]
            print_matrix(name, metric, matrices[name, metric])
    return matrices


def main() -> None:
    """Read the command line, simulate, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=6_000)
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="one world each")
    parser.add_argument("--rounds", type=int, default=LambdaRankConfig().max_rounds, help="at most")
    parser.add_argument("--replicates", type=int, default=1_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    arguments = parser.parse_args()
    if arguments.small:
        vars(arguments).update(SMALL)
    worlds = [matrices_of(arguments, seed) for seed in arguments.seeds]
    if len(worlds) > 1:
        print_over_worlds(worlds)


if __name__ == "__main__":
    main()
