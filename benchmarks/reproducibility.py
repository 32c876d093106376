"""The same bits on one thread and two, and what that costs: each model in processes of its own.

Fits every model on a simulated log on each number of threads, twice, and prints whether weights
and scores agree bit by bit. Beside it the seconds of a fit: of all threads together (CPU), and of
the thread that leads the others, which is the time that a fit takes where cores are free and,
unlike a clock's, does not count other programs. SIMULATED data.

    python benchmarks/reproducibility.py --searches 40000
    python benchmarks/reproducibility.py --models two_tower --before ../other_checkout

``--before`` names a checkout whose code is run on the same rows, by turns, to compare with.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.feather as feather

from data.schema.feature_set import FeatureSet
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.feature_table.build_table import build_features_table, feature_set_of
from pipelines.feature_table.training_rows import load_rows, training_rows, windows_of
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.ingestion.simulate_log import simulate_log
from pipelines.run_context import RunContext
from pipelines.training.model_factory import MODEL_NAMES, make_recommender

THREADS = (1, 2)
REPEATS = 2
HERE = Path(__file__).parents[1]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
WINDOWS = ("train", "valid", "test")
# Vectors, coefficients and trees. Not JSON and LightGBM's text, which name the threads.
WEIGHTS = {".safetensors", ".parquet", ".arrow"}


def main() -> None:
    """Print a line per model and checkout."""
    arguments = _arguments()
    if arguments.fit:
        print(json.dumps(fitted(arguments.fit, Path(arguments.rows), arguments.threads)))
        return
    checkouts = {"now": HERE} | ({"before": arguments.before} if arguments.before else {})
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows"
        write_rows(arguments.searches, arguments.seed, rows)
        print(
            f"SIMULATED, {arguments.searches:,} searches, threads {THREADS}, {REPEATS} times each"
        )
        for name in arguments.models:
            print_model(name, rows, checkouts)


def print_model(name: str, rows: Path, checkouts: dict[str, Path]) -> None:
    """Fit by turns, so that what else runs on the machine slows all alike."""
    runs: dict[str, list[dict[str, Any]]] = {word: [] for word in checkouts}
    for _ in range(REPEATS):
        for threads in THREADS:
            for word, root in checkouts.items():
                runs[word].append(in_process(name, rows, threads, root) | {"threads": threads})
    for word, made in runs.items():
        same = {k: len({run[k] for run in made}) == 1 for k in ("scores", "weights")}
        words = ", ".join(f"{k} {'the same' if same[k] else 'DIFFER'}" for k in same)
        spent = "; ".join(
            f"{t} threads {min(r['cpu'] for r in made if r['threads'] == t):.2f} s CPU, "
            f"{min(r['lead'] for r in made if r['threads'] == t):.2f} s leading"
            for t in THREADS
        )
        print(f"{name:10} {word:6} {words}; fit: {spent}", flush=True)


def in_process(name: str, rows: Path, threads: int, root: Path) -> dict[str, Any]:
    """:func:`fitted` in a process with so many threads and the code of ``root``."""
    process = subprocess.run(
        [sys.executable, __file__, "--fit", name, "--rows", str(rows), "--threads", str(threads)],
        cwd=root,
        env={
            **os.environ,
            **dict.fromkeys(THREAD_VARIABLES, str(threads)),
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONPATH": str(root),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return found


def fitted(name: str, rows: Path, threads: int) -> dict[str, Any]:
    """Hashes of a fitted model's scores and weights, and the seconds of its fit."""
    train, valid, test = (feather.read_table(rows / f"{window}.arrow") for window in WINDOWS)
    settings = load_settings(seed=0, threads=threads, two_tower={"threads": threads})
    model = make_recommender(name, FeatureSet.load(rows / "features.json"), settings)
    cpu, lead = time.process_time(), time.thread_time()
    model.fit(train, valid)
    spent = {"cpu": time.process_time() - cpu, "lead": time.thread_time() - lead}
    weights = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model")
        for path in sorted(p for p in Path(folder).rglob("*") if p.suffix in WEIGHTS):
            weights.update(path.read_bytes())
    scores = hashlib.sha256(model.score(test).tobytes()).hexdigest()
    return {"scores": scores, "weights": weights.hexdigest(), **spent}


def write_rows(searches: int, seed: int, folder: Path) -> None:
    """The windows of a simulated log with all features, and the features' list."""
    folder.mkdir()
    with tempfile.TemporaryDirectory() as home, contextlib.redirect_stderr(None):
        settings = load_settings(seed=seed, simulation={"searches": searches})
        context = RunContext(home=Home(Path(home)), settings=settings, console=Console())
        ingest_logs(context, [simulate_log(context)])
        build_features_table(context)
        windows = windows_of(context)
        tables = (*training_rows(context, windows), load_rows(context, windows.test))
        for name, table in zip(WINDOWS, tables, strict=True):
            feather.write_feather(table, folder / f"{name}.arrow")
        feature_set_of(context).save(folder / "features.json")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", nargs="+", default=list(MODEL_NAMES))
    parser.add_argument("--before", type=Path, help="a checkout to run beside this one")
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    parser.add_argument("--fit", help=argparse.SUPPRESS)
    parser.add_argument("--rows", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.small:
        arguments.searches = 1_500
    return arguments


if __name__ == "__main__":
    main()
