"""Ids alone: the two-tower beside tuned ALS, BPR and popularity, over the full catalogue.

``python benchmarks/id_only.py TRAIN TEST`` takes files in which each line is a user and
the items of that user (``user item item ...``), the format of the public Gowalla, Yelp
and Amazon splits. ``--ratings FILE`` cuts a file of ratings (user and item in the first
two columns, a header line) at random, 80 to 20, with the seed. ``--places USERS`` needs no
file: it makes up check-ins at places in cities; 30000 is the size and shape of Gowalla.

Each model is chosen on a tenth of TRAIN held out, then fitted on all of it. Every item of
TRAIN that the user has not taken is a candidate. Recall@k is hits / items of the user in
TEST; NDCG@k is binary. Users without an item in TEST carry no figure. The tower is chosen on
the users of ``--tune-on`` interactions at most; its epochs always on the whole held-out tenth.
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

from models.baselines.implicit_als import ImplicitALSConfig, factorise
from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.exact_search import exact_top_k
from models.two_tower.recommender import TwoTower

Array = np.ndarray[Any, np.dtype[np.int64]]
# users -> items recommended, best first, -1 where there is none; shape (users, k)
Finder = Callable[[Array], Array]

HELD_OUT = 0.1
TEST_SHARE = 0.2

ALS_TRIALS = tuple(
    ImplicitALSConfig(factors=factors, alpha=alpha, regularization=reg, iterations=15)
    for factors in (32, 64, 128)
    for alpha, reg in ((1.0, 1.0), (1.0, 10.0), (1.0, 30.0), (10.0, 10.0))
)
BPR_TRIALS = tuple(
    ImplicitALSConfig(
        algorithm="bpr",
        factors=factors,
        learning_rate=rate,
        regularization=0.01,
        iterations=passes,
    )
    for factors, rate, passes in ((16, 0.002, 150), (32, 0.002, 300), (64, 0.005, 100))
)
TOWER_TRIALS = tuple(
    TowerConfig(dimension=64, history_length=history, id_dropout=0.0, temperature=temperature)
    for temperature, history in ((0.1, 30), (0.15, 30), (0.25, 0), (0.25, 30), (0.35, 30))
)
LEARNING_RATE = 0.01
STEPS_PER_EPOCH, LARGEST_BATCH = 150, 2048
# The made-up log: places per user, users per city.
PLACES_PER_USER, USERS_PER_CITY = 1.37, 100
SMALL_USERS, SMALL_EPOCHS = 300, 2


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


def read_ratings(path: Path) -> Pairs:
    """All ratings count as taken."""
    table = np.loadtxt(path, skiprows=1, usecols=(0, 1), dtype=np.int64)
    return Pairs(table[:, 0], table[:, 1])


def made_up(chance: np.random.Generator, users: int) -> Pairs:
    """Check-ins: places lie in cities, and a user goes to those that are popular, near
    home and to taste; at home mostly, and in two cities that the user has visited."""
    places, cities = round(PLACES_PER_USER * users), max(3, users // USERS_PER_CITY)
    share = chance.zipf(1.6, cities).clip(1, 200) ** 0.8
    share /= share.sum()
    city_N = np.sort(chance.choice(cities, places, p=share))
    first_C = np.searchsorted(city_N, np.arange(cities + 1))
    place_N2, appeal_N = chance.normal(size=(places, 2)), chance.normal(0, 1.2, places)
    kind_ND = chance.normal(size=(places, 8)) / np.sqrt(8)
    count_U = (10 + 10 * chance.pareto(1.6, users)).astype(int).clip(10, 600)
    taken = []
    for user in range(users):
        home, *visited = chance.choice(cities, 3, p=share)
        near = [np.arange(first_C[c], first_C[c + 1]) for c in {home, *visited}]
        item_M = np.union1d(np.concatenate(near), chance.integers(0, places, 30))
        away_M = np.linalg.norm(place_N2[item_M] - 0.8 * chance.normal(size=2), axis=1)
        liking_M = (
            appeal_N[item_M]
            + np.where(city_N[item_M] == home, 1.5 - 0.7 * away_M, 0)
            + 1.2 * kind_ND[item_M] @ chance.normal(size=8)
            + chance.gumbel(size=len(item_M))
        )
        taken.append(item_M[np.argsort(-liking_M)[: min(count_U[user], len(item_M) // 2)]])
    lengths = [len(items) for items in taken]
    return Pairs(np.repeat(np.arange(users), lengths), np.concatenate(taken))


def cut(pairs: Pairs, chance: np.random.Generator) -> tuple[Pairs, Pairs]:
    """At random, 80 to 20."""
    late = chance.random(len(pairs.user)) < TEST_SHARE
    return pairs.take(~late), pairs.take(late)


def recall_and_ndcg(find: Finder, test: Pairs, items: int, k: int) -> tuple[float, float]:
    """Means over the users of ``test``."""
    users = np.unique(test.user)
    recommended = find(users)
    # a pair of user and item as one integer: one binary search instead of a set per user
    test_key = np.sort(test.user * items + test.item)
    key = users[:, None] * items + recommended
    place = np.minimum(np.searchsorted(test_key, key), len(test_key) - 1)
    hit = (test_key[place] == key) & (recommended >= 0)
    wanted = np.bincount(np.searchsorted(users, test.user), minlength=len(users))
    discount = 1 / np.log2(np.arange(k) + 2)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(wanted, k)]
    return float((hit.sum(1) / wanted).mean()), float(((hit * discount).sum(1) / ideal).mean())


def first(find: Finder, k: int) -> Finder:
    """The first ``k`` of what ``find`` recommends."""
    return lambda users: find(users)[:, :k]


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


def als(train: Pairs, users: int, items: int, k: int, config: ImplicitALSConfig) -> Finder:
    seen = train.matrix(users, items)
    user_UD, item_ND = factorise(seen, config)
    return finder(user_UD[:users], item_ND[:items], seen, k)


def fitted_tower(
    train: Pairs, config: TowerConfig, training: TrainConfig, valid: Pairs | None = None
) -> TwoTower:
    """With ``valid`` training stops at the epoch that finds most of it."""
    held_out = None if valid is None else (_text(valid.user), _text(valid.item))
    model = TwoTower(config, training)
    return model.fit_interactions(_text(train.user), _text(train.item), valid=held_out)


def tower(model: TwoTower, k: int) -> Finder:
    def find(users: Array) -> Array:
        table = model.recommend_unseen(_text(users), k)
        row = np.searchsorted(users, table["id_search"].cast(pa.int64()).to_numpy())
        out = np.full((len(users), k), -1, dtype=np.int64)
        out[row, table["rank"].to_numpy() - 1] = table["id_listing"].cast(pa.int64()).to_numpy()
        return out

    return find


def _text(values: Array) -> pa.Array:
    return pa.array(values).cast(pa.string())


def some_users(pairs: Pairs, most: int, chance: np.random.Generator) -> np.ndarray[Any, Any]:
    """Users drawn until their interactions are about ``most``."""
    users = chance.permutation(np.unique(pairs.user))
    counts = np.cumsum(np.bincount(pairs.user)[users])
    return users[: int(np.searchsorted(counts, most)) + 1]


def best_tower(
    inner: Pairs, outer: Pairs, base: TrainConfig, trials: Sequence[TowerConfig], most: int
) -> tuple[TowerConfig, TrainConfig]:
    """Shape by the recall that early stopping reaches on some users; epochs by all."""
    drawn = some_users(inner, most, np.random.default_rng(base.seed))
    part, part_held_out = (p.take(np.isin(p.user, drawn)) for p in (inner, outer))
    small = replace(base, batch_size=_batch(part), uniform_negatives=_batch(part))
    runs = []
    for config in trials:
        runs.append(fitted_tower(part, config, small, part_held_out).trained)
        print(f"    held out: recall {runs[-1].best_recall:.4f}  {_short(config)}", flush=True)
    at = int(np.argmax([run.best_recall for run in runs]))
    # chosen on all users: that run's number of epochs is known already
    whole = runs[at] if len(part.user) == len(inner.user) else None
    trained = whole or fitted_tower(inner, trials[at], base, outer).trained
    epochs = max(1, trained.best_epoch)
    print(f"    held out: recall {trained.best_recall:.4f}  all users, {epochs} epochs", flush=True)
    return trials[at], replace(base, epochs=epochs)


def _batch(pairs: Pairs) -> int:
    """Small logs need small batches, or there are too few steps to learn from."""
    return min(LARGEST_BATCH, max(1, len(pairs.user) // STEPS_PER_EPOCH))


def best_of(trials: Sequence[Any], evaluate: Callable[[Any], tuple[float, float]]) -> Any:
    """The trial of highest recall on the held-out tenth; prints the table."""
    recalls = []
    for trial in trials:
        recall, ndcg = evaluate(trial)
        recalls.append(recall)
        print(f"    held out: recall {recall:.4f}  ndcg {ndcg:.4f}  {_short(trial)}", flush=True)
    return trials[int(np.argmax(recalls))]


def _short(trial: ImplicitALSConfig | TowerConfig) -> str:
    if isinstance(trial, TowerConfig):
        return f"temperature {trial.temperature}, history {trial.history_length}"
    if trial.algorithm == "bpr":
        return f"factors {trial.factors}, rate {trial.learning_rate}, {trial.iterations} passes"
    return f"factors {trial.factors}, alpha {trial.alpha}, regularization {trial.regularization}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*", metavar="TRAIN TEST")
    parser.add_argument("--ratings", type=Path, help="a file of ratings instead of two files")
    parser.add_argument("--places", type=int, metavar="USERS", help="made-up check-ins, no file")
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=12, help="at most")
    parser.add_argument("--batch-size", type=int, help="default: by the size of TRAIN")
    parser.add_argument("--tune-on", type=int, default=120_000, help="interactions, for the tower")
    parser.add_argument("--loss", choices=("auto", "full", "sampled"), default="auto")
    parser.add_argument("--threads", type=int, help="for all models; default: all cores")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    options = parser.parse_args()
    if options.small:
        options.epochs, options.places = SMALL_EPOCHS, SMALL_USERS
    elif (len(options.files) == 2) + bool(options.ratings) + bool(options.places) != 1:
        parser.error("give TRAIN and TEST, or --ratings FILE, or --places USERS")
    return options


def read(options: argparse.Namespace, chance: np.random.Generator) -> tuple[Pairs, Pairs]:
    """What to learn from, and what to find."""
    if options.places:
        return cut(made_up(chance, options.places), chance)
    if options.ratings:
        return cut(read_ratings(options.ratings), chance)
    train, test = (read_lines(path) for path in options.files)
    return train, test


def main() -> None:
    options = arguments()
    chance = np.random.default_rng(options.seed)
    train, test = read(options, chance)
    users = int(max(train.user.max(), test.user.max())) + 1
    items = int(max(train.item.max(), test.item.max())) + 1
    held = chance.random(len(train.user)) < HELD_OUT
    inner, outer = train.take(~held), train.take(held)
    k, threads = options.k, options.threads or torch.get_num_threads()
    print(f"{len(train.user):,} interactions to learn from, {len(test.user):,} to find")
    started = time.perf_counter()

    def report(name: str, find: Finder) -> None:
        figures = ""
        for at in sorted({min(10, k), k}):
            recall, ndcg = recall_and_ndcg(first(find, at), test, items, at)
            figures += f"recall@{at} {recall:.4f}  ndcg@{at} {ndcg:.4f}  "
        seconds = time.perf_counter() - started
        print(f"{name:<12} {figures}{seconds:.0f} s since the start", flush=True)

    report("popularity", popularity(train, users, items, k))
    some = slice(1) if options.small else slice(None)
    for name, trials in (("als", ALS_TRIALS), ("bpr", BPR_TRIALS)):
        seeded = [replace(trial, threads=threads, seed=options.seed + 1) for trial in trials[some]]
        chosen = best_of(
            seeded,
            lambda trial: recall_and_ndcg(als(inner, users, items, k, trial), outer, items, k),
        )
        report(name, als(train, users, items, k, chosen))

    batch = options.batch_size or _batch(train)
    base = TrainConfig(
        seed=options.seed,
        epochs=options.epochs,
        batch_size=batch,
        uniform_negatives=batch,
        learning_rate=LEARNING_RATE,
        loss=options.loss,
        weight_decay=0.0,
        valid_k=k,
        threads=threads,
    )
    shape, training = best_tower(inner, outer, base, TOWER_TRIALS[some], options.tune_on)
    report("two_tower", tower(fitted_tower(train, shape, training), k))


if __name__ == "__main__":
    main()
