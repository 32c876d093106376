"""The three ceilings of a finished home's test window, and every model's G under each.

A ceiling is what the best order could win that knows what the ceiling knows: the guest's
taste; all that the log shows of the guest's past (personal); the search and its listings
(observables). G@10 of each model, of the oracles among them, under each; for the last two also
by a second seed of the nodes that integrate the taste out, which should agree. SIMULATED data.

    python benchmarks/ceilings.py --home data/home
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from data.schema.tables import SCORES
from models.evaluation.arranged_rows import ArrangedRows, arrange_rows
from models.evaluation.oracle import CEILINGS, PERSONAL, Ceiling
from models.recommender import Scores
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.evaluation.row_truth import personal_row_truth, row_truth
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.run_context import RunContext

K = 10
KEY = ["id_search", "id_listing"]
OTHER_SEED = 20_300_101


def main() -> int:
    """Read the home, integrate twice, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--nodes", type=int, default=2048, help="of the personal truth")
    arguments = parser.parse_args()
    context = RunContext(Home(arguments.home), load_settings(), Console())
    scores = context.lake.scan(SCORES.name).filter(pl.col("split") == "test")
    wide = scores.select(*KEY, "model", "score").collect().pivot("model", index=KEY)
    rows = arrow(wide.select(KEY))
    truths = _truths(context, rows, arguments.nodes)
    if truths is None:
        raise SystemExit(f"{arguments.home}: no simulated log whose world is known")
    orders = {name: wide[name].to_numpy() for name in wide.columns if name not in KEY}
    orders |= {f"oracle {name}": of_rows for name, of_rows in truths.items()}
    _print(rows, orders, truths)
    return 0


def _truths(context: RunContext, rows: pa.Table, nodes: int) -> dict[str, Scores] | None:
    """P(book) of the rows by ceiling, and of those that are integrals by a second seed."""
    found: dict[str, Scores] = {}
    for words, seed in (("", {}), (", second seed", {"seed": OTHER_SEED})):
        started = time.process_time()
        common = row_truth(context, rows, **seed)
        between = time.process_time()
        personal = personal_row_truth(context, rows, nodes=nodes, **seed)
        if common is None or personal is None:
            return None
        used = between - started, time.process_time() - between
        print(f"observables {used[0]:.1f} s, personal {used[1]:.1f} s of processor")
        found["taste"] = common[CEILINGS["taste"]]
        found[f"personal{words}"] = personal[PERSONAL]
        found[f"observables{words}"] = common[CEILINGS["observables"]]
        effective = np.percentile(personal["effective_nodes"], [5, 25, 50, 75])
        print("effective nodes, 5, 25, 50, 75%:", *effective.round(1))
    return found


def _print(rows: pa.Table, orders: dict[str, Scores], truths: dict[str, Scores]) -> None:
    unknown = pa.array(np.zeros(rows.num_rows, dtype=np.int8))
    arranged = arrange_rows(rows.append_column("stage", unknown))
    ceilings = [Ceiling(arranged, name, arranged.arrange(p)) for name, p in truths.items()]
    print(f"\n{'G@10':34}" + "".join(f"{name:>26}" for name in truths))
    for name, order in orders.items():
        ranks = arranged.ranks(order, model=name)
        g = (_g(arranged, ceiling, ranks) for ceiling in ceilings)
        print(f"{name:34}" + "".join(f"{value:26.4f}" for value in g))


def _g(arranged: ArrangedRows, ceiling: Ceiling, ranks: np.ndarray) -> float:
    measure, _ = ceiling.measures(arranged, ranks, (K,))
    return float(measure.numerator.sum() / measure.denominator.sum())


if __name__ == "__main__":
    sys.exit(main())
