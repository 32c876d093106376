"""A program of its own: fits every model on the little world and prints what its bits add up to.

    python -m tests.models.fit_and_digest THREADS

The number of threads has to be in the environment before a library is loaded, hence a process.
One line of JSON: by model, a hash of the scores of the test window and one of what ``save`` writes.
Settings are small, and sizes large enough that the libraries do share their work out.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

from models.linear.ridge_logistic import fit_ridge
from models.recommender import Recommender
from pipelines.config.settings import Settings, load_settings
from pipelines.training.model_factory import MODEL_NAMES, make_recommender
from tests.models.worlds import FEATURES, windows, world

# More than 10,000 rows: below, OpenBLAS adds a product of two vectors up on one thread.
_SEARCHES = 2_400
# A saved model says with how many threads it was made; that is no weight.
_THREADS = re.compile(rb'threads"?: (\d+|null)')


def quick_settings(threads: int, seed: int = 0) -> Settings:
    """Small models, each told to use so many threads."""
    trees = {"max_rounds": 15, "patience": 5, "min_rows_per_leaf": 20, "threads": threads}
    als = {"factors": 16, "iterations": 4, "threads": threads}
    towers = {"epochs": 1, "batch_size": 1024, "device": "cpu", "threads": threads}
    return load_settings(seed=seed, als=als, two_tower=towers, lambdarank=trees, ranker=trees)


def saved_digest(model: Recommender) -> str:
    """One hash of all files that the model writes, but for the number of threads."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "model"
        model.save(root)
        for path in sorted(p for p in root.rglob("*") if p.is_file()):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(_THREADS.sub(b"", path.read_bytes()))
    return digest.hexdigest()


def ridge_digest() -> dict[str, str]:
    """Of a regression with as many columns as a log's features: the little world has eight."""
    chance = np.random.default_rng(0)
    x_ND = chance.normal(size=(20_000, 150))
    happened = (chance.random(len(x_ND)) < 0.1).astype(np.float64)
    fitted = fit_ridge(x_ND, happened, np.full(x_ND.shape[1], 100.0))
    return {"saved": hashlib.sha256(fitted.tobytes()).hexdigest()}


def digests(settings: Settings) -> dict[str, dict[str, str]]:
    """By model: ``scores`` and ``saved``."""
    train, valid, test = windows(world(searches=_SEARCHES))
    found = {}
    for name in MODEL_NAMES:
        model = make_recommender(name, FEATURES, settings).fit(train, valid)
        scores = hashlib.sha256(model.score(test).tobytes()).hexdigest()
        found[name] = {"scores": scores, "saved": saved_digest(model)}
    return found | {"ridge_logistic": ridge_digest()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(digests(quick_settings(int(sys.argv[1])))) + "\n")
