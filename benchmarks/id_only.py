"""Ids alone: the two-tower beside tuned ALS and popularity, over the full catalogue.

``python benchmarks/id_only.py TRAIN TEST`` takes files in which each line is a user and
the items of that user (``user item item ...``), the format of the public Gowalla, Yelp
and Amazon splits. ``--ratings FILE`` cuts a file of ratings (user and item in the first
two columns, a header line) at random, 80 to 20, with the seed. ``--small`` needs no file: it
makes up a log in which users take the items near their taste, to see that all of it runs.

Each model is chosen on a tenth of TRAIN held out, then fitted on all of it. Every item of
TRAIN that the user has not taken is a candidate. Recall@k is hits / items of the user in
TEST; NDCG@k is binary. Users without an item in TEST carry no figure.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from scipy.sparse import csr_matrix

from models.collaborative import CollaborativeConfig, factorise
from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.index import exact_top_k
from models.two_tower.recommender import TwoTower

Array = np.ndarray[Any, np.dtype[np.int64]]
# users -> items found, best first, -1 where there is none; shape (users, k)
Finder = Callable[[Array], Array]

HELD_OUT = 0.1
TEST_SHARE = 0.2

ALS_TRIALS = tuple(
    CollaborativeConfig(factors=factors, alpha=alpha, regularization=reg, iterations=15)
    for factors in (32, 64)
    for alpha, reg in ((1.0, 1.0), (1.0, 10.0), (1.0, 30.0), (10.0, 10.0))
)
TOWER_TRIALS = tuple(
    TowerConfig(dimension=64, history_length=history, id_dropout=0.0, temperature=temperature)
    for temperature, history in ((0.15, 30), (0.25, 0), (0.25, 30), (0.35, 30))
)
LEARNING_RATE = 0.01
# Small logs need small batches, or there are too few steps to learn from.
STEPS_PER_EPOCH, LARGEST_BATCH = 150, 2048
# The made-up log of ``--small``: users, items, items of a user, axes of taste.
SMALL_LOG, SMALL_EPOCHS = (300, 200, 12, 4), [1, 2]


@dataclass(frozen=True)
class Pairs:
    """Interactions: integer users and items of one numbering; shape ``(interactions,)``."""

    user: Array
    item: Array

    def take(self, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> Pairs:
        return Pairs(self.user[mask], self.item[mask])

    def matrix(self, users: int, items: int) -> csr_matrix:
        ones = np.ones(len(self.user), dtype=np.float32)
        return csr_matrix((ones, (self.user, self.item)), shape=(users, items))


def read_lines(path: Path) -> Pairs:
    """``user item item ...`` per line."""
    users: list[int] = []
    items: list[int] = []
    for line in path.read_text().splitlines():
        ids = [int(word) for word in line.split()]
        users += ids[:1] * (len(ids) - 1)
        items += ids[1:]
    return Pairs(np.array(users, dtype=np.int64), np.array(items, dtype=np.int64))


def read_ratings(path: Path, chance: np.random.Generator) -> tuple[Pairs, Pairs]:
    """All ratings count as taken; cut at random."""
    table = np.loadtxt(path, skiprows=1, usecols=(0, 1), dtype=np.int64)
    pairs = Pairs(table[:, 0], table[:, 1])
    late = chance.random(len(table)) < TEST_SHARE
    return pairs.take(~late), pairs.take(late)


def made_up(chance: np.random.Generator) -> tuple[Pairs, Pairs]:
    """Each user's best items by taste and luck; cut at random."""
    users, items, taken, axes = SMALL_LOG
    taste_UD, item_ND = chance.normal(size=(users, axes)), chance.normal(size=(items, axes))
    liking_UN = taste_UD @ item_ND.T + chance.gumbel(size=(users, items))
    best = np.argsort(-liking_UN, axis=1)[:, :taken]
    pairs = Pairs(np.repeat(np.arange(users), taken), best.ravel())
    late = chance.random(len(pairs.user)) < TEST_SHARE
    return pairs.take(~late), pairs.take(late)


def recall_and_ndcg(find: Finder, test: Pairs, items: int, k: int) -> tuple[float, float]:
    """Means over the users of ``test``."""
    users = np.unique(test.user)
    found = find(users)
    key = np.sort(test.user * items + test.item)
    asked = users[:, None] * items + found
    place = np.minimum(np.searchsorted(key, asked), len(key) - 1)
    hit = (key[place] == asked) & (found >= 0)
    wanted = np.bincount(np.searchsorted(users, test.user), minlength=len(users))
    discount = 1 / np.log2(np.arange(k) + 2)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(wanted, k)]
    return float((hit.sum(1) / wanted).mean()), float(((hit * discount).sum(1) / ideal).mean())


def finder(user_UD: Any, item_ND: Any, seen: csr_matrix, k: int) -> Finder:
    """The best unseen items by inner product."""

    def find(users: Array) -> Array:
        taken = seen[users]

        def unseen(queries: slice, within: slice) -> torch.Tensor:
            return torch.from_numpy(taken[queries, within].toarray() == 0)

        query_QD = torch.from_numpy(np.ascontiguousarray(user_UD[users]))
        _, places = exact_top_k(query_QD, torch.from_numpy(item_ND), k, allowed=unseen)
        return np.asarray(places.numpy())

    return find


def popularity(train: Pairs, users: int, items: int, k: int) -> Finder:
    counts = np.bincount(train.item, minlength=items).astype(np.float32)[:, None]
    return finder(np.ones((users, 1), np.float32), counts, train.matrix(users, items), k)


def als(train: Pairs, users: int, items: int, k: int, config: CollaborativeConfig) -> Finder:
    seen = train.matrix(users, items)
    user_UD, item_ND = factorise(seen, config)
    return finder(user_UD[:users], item_ND[:items], seen, k)


def tower(train: Pairs, k: int, config: TowerConfig, training: TrainConfig) -> Finder:
    def text(values: Array) -> pa.Array:
        return pa.array(values).cast(pa.string())

    model = TwoTower(config, training).fit_interactions(text(train.user), text(train.item))

    def find(users: Array) -> Array:
        found = model.recommend_unseen(text(users), k)
        row = np.searchsorted(users, found["id_search"].cast(pa.int64()).to_numpy())
        out = np.full((len(users), k), -1, dtype=np.int64)
        out[row, found["rank"].to_numpy() - 1] = found["id_listing"].cast(pa.int64()).to_numpy()
        return out

    return find


def best_of(trials: Sequence[Any], judge: Callable[[Any], tuple[float, float]]) -> Any:
    """The trial of highest recall on the held-out tenth; prints the table."""
    recalls = []
    for trial in trials:
        recall, ndcg = judge(trial)
        recalls.append(recall)
        print(f"    held out: recall {recall:.4f}  ndcg {ndcg:.4f}  {_short(trial)}", flush=True)
    return trials[int(np.argmax(recalls))]


def _short(trial: Any) -> str:
    if isinstance(trial, CollaborativeConfig):
        return f"alpha {trial.alpha}, regularization {trial.regularization}"
    config, training = trial
    shape = f"temperature {config.temperature}, history {config.history_length}"
    return f"{shape}, {training.epochs} epochs"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*", metavar="TRAIN TEST")
    parser.add_argument("--ratings", type=Path, help="a file of ratings instead of two files")
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--epochs", type=int, nargs="+", default=[4, 8, 16], help="to try")
    parser.add_argument("--batch-size", type=int, help="default: by the size of TRAIN")
    parser.add_argument("--loss", choices=("auto", "full", "sampled"), default="auto")
    parser.add_argument("--threads", type=int, help="for all models; default: all cores")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    given = parser.parse_args()
    if given.small:
        given.epochs = SMALL_EPOCHS
    elif (len(given.files) == 2) == bool(given.ratings):
        parser.error("give TRAIN and TEST, or --ratings FILE")
    return given


def main() -> None:
    given = arguments()
    chance = np.random.default_rng(given.seed)
    if given.small:
        train, test = made_up(chance)
    elif given.ratings:
        train, test = read_ratings(given.ratings, chance)
    else:
        train, test = (read_lines(path) for path in given.files)
    users = int(max(train.user.max(), test.user.max())) + 1
    items = int(max(train.item.max(), test.item.max())) + 1
    held = chance.random(len(train.user)) < HELD_OUT
    inner, outer = train.take(~held), train.take(held)
    k, threads = given.k, given.threads or torch.get_num_threads()
    print(f"{len(train.user):,} interactions to learn from, {len(test.user):,} to find")

    def judged(find: Finder) -> tuple[float, float]:
        return recall_and_ndcg(find, outer, items, k)

    def report(name: str, make: Callable[[], Finder]) -> None:
        started = time.perf_counter()
        recall, ndcg = recall_and_ndcg(make(), test, items, k)
        seconds = time.perf_counter() - started
        line = f"{name:<12} recall@{k} {recall:.4f}  ndcg@{k} {ndcg:.4f}  {seconds:.1f} s"
        print(line, flush=True)

    report("popularity", lambda: popularity(train, users, items, k))
    some = slice(2) if given.small else slice(None)
    trials = [replace(trial, threads=threads, seed=given.seed + 1) for trial in ALS_TRIALS[some]]
    chosen = best_of(trials, lambda trial: judged(als(inner, users, items, k, trial)))
    report("als", lambda: als(train, users, items, k, chosen))

    batch = given.batch_size or min(LARGEST_BATCH, max(1, len(train.user) // STEPS_PER_EPOCH))
    base = TrainConfig(
        seed=given.seed,
        batch_size=batch,
        uniform_negatives=batch,
        learning_rate=LEARNING_RATE,
        loss=given.loss,
        weight_decay=0.0,
        threads=threads,
    )
    middle = given.epochs[len(given.epochs) // 2]
    shapes = [(config, replace(base, epochs=middle)) for config in TOWER_TRIALS[some]]
    config, training = best_of(shapes, lambda t: judged(tower(inner, k, *t)))
    lengths = [(config, replace(training, epochs=epochs)) for epochs in given.epochs]
    config, training = best_of(lengths, lambda t: judged(tower(inner, k, *t)))
    report("two_tower", lambda: tower(train, k, config, training))


if __name__ == "__main__":
    main()
