"""What the ranker costs beside bare LightGBM, side by side in one run: training and scoring.

    python benchmarks/ranker_cost.py [--searches 60000] [--repeats 3] [--work DIR]

On a simulated world's rows. Bare training is ``lgb.train`` of one binary booster with the ranker's
settings on the rows that its click stage learns from, as many trees; bare scoring is
``Booster.predict`` of the ranker's own boosters on the matrix as they read it. What the ranker
adds: a fit that stops on validation before the one on both windows, the booster that does not
know the guest, the two half fits that tell place from appeal, calibration, and the regressions
of the stages after a click; when scoring the two regressions, and their calibration. Runs
alternate, medians are compared; processor time stands beside the wall clock.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
from ranker import Cost, alternate
from ranker_worlds import World, prepared_world

from models.arrow_columns import stages
from models.funnel.config import FunnelConfig
from models.funnel.fitting_rows import FittingRows
from models.funnel.funnel_model import FunnelModel


def main() -> int:
    """Print rows per second and the two ratios."""
    arguments = _arguments()
    config = FunnelConfig(threads=arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        work = arguments.work or Path(folder)
        world = prepared_world(arguments.seed, arguments.searches, work)
    model = FunnelModel(world.features, config).fit(world.train, world.valid)
    print(f"evidence: {model.evidence}\n")
    fitting = alternate(
        lambda: FunnelModel(world.features, config).fit(world.train, world.valid),
        bare_training(world, model),
        arguments.repeats,
    )
    scoring = alternate(
        lambda: model.score(world.test), bare_scoring(world, model), arguments.repeats
    )
    rows = world.train.num_rows + world.valid.num_rows
    print(f"{'':10} {'ours':>22} {'bare':>22}   ratio of processor time")
    _print("training", fitting, rows)
    _print("scoring", scoring, world.test.num_rows)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--searches", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=None, help="default: a folder that goes")
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.searches, arguments.repeats = 3_000, 1
    return arguments


def bare_training(world: World, model: FunnelModel) -> Callable[[], object]:
    """One booster on the rows that the click stage learns from."""
    click, both = model.stages.click, FittingRows.of(world.train, world.valid, model.config).both
    if click is None:
        raise ValueError("too few clicks to compare")
    matrix = click.matrix.encode(both, model="bare")
    labels = pa.chunked_array([pa.array((stages(both) > 0).astype(np.float32))])
    parameters = model.config.parameters(rows=both.num_rows)
    rounds, categories = click.rounds[0], list(world.features.categories)

    def train() -> object:
        data = lgb.Dataset(
            matrix, label=labels, categorical_feature=categories, params=dict(parameters)
        )
        return lgb.train(parameters, data, num_boost_round=rounds)

    return train


def bare_scoring(world: World, model: FunnelModel) -> Callable[[], object]:
    """The same boosters, the matrix being there."""
    click = model.stages.click
    if click is None:
        raise ValueError("too few clicks to compare")
    matrix = click.matrix.encode(model.stages.as_scored(world.test), model="bare")
    threads = model.config.threads
    return lambda: [b.predict(matrix, raw_score=True, num_threads=threads) for b in click.boosters]


def _print(name: str, sides: tuple[Cost, Cost], rows: int) -> None:
    ours, bare = sides
    cells = [f"{side.wall_s:6.2f} s {rows / side.wall_s:9,.0f}/s" for side in (ours, bare)]
    ratio = ours.processor_s / bare.processor_s
    print(f"{name:10} {cells[0]:>22} {cells[1]:>22}   {ratio:.2f}")


if __name__ == "__main__":
    sys.exit(main())
