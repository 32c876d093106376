"""Collaborative filtering on which guest took which listing: implicit ALS, and BPR.

The matrix has guests as rows and listings as columns; a cell is the summed confidence of the
guest's impressions of the listing, by stage (Hu, Koren & Volinsky, ICDM 2008; Rendle et
al., UAI 2009). A search without a guest id is a guest of its own in training. Guest g was
shown listing a twice, clicked it once, and booked b; with ``confidences`` (0.2, 1, 5, 10):

                    a     b
    g             1.2    10      (0.2 + 1, and 10)
    anonymous       0   0.2      (one search that names no guest, shown b)

A score is guest vector · listing vector, on one scale for known and unseen ids. An unseen
guest gets the mean guest vector, so the score is the listing's mean score over the guests: a
popularity in the model's own unit. An unseen listing gets the mean vector of the listings
that were shown and never taken (the zero vector where there is none).

Legend: G guests, N listings, D factors, Q queries.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix

from data.ranges import ABOVE_0, AT_LEAST_0, AT_LEAST_1, refuse_outside
from data.schema.types import Stage
from models.arrow_columns import (
    Codes,
    codes_in,
    guest_keys,
    require_columns,
    sorted_ids,
    stages,
)
from models.baselines.exact_retrieval import Catalogue
from models.baselines.fit_record import FitRecord, both_windows
from models.evaluation.validation_metric import JUDGED_BY, validation_value
from models.recommender import Scores
from models.serialization import config_of, read_json, read_table, write_json, write_table

__all__ = ["ALS_VARIANTS", "BPR_VARIANTS", "ImplicitALS", "ImplicitALSConfig", "factorise"]

Vectors = np.ndarray[Any, np.dtype[np.float32]]

_GUESTS, _VECTORS = "guests.parquet", "vectors.safetensors"
_NEEDS = ("id_search", "id_user", "id_listing", "market", "stage")


@dataclass(frozen=True, kw_only=True)
class ImplicitALSConfig:
    """How the guests × listings matrix is weighted and factorised.

    Attributes:
        algorithm: ``als`` or ``bpr``; also the model's name.
        confidences: what an impression adds to its cell, by furthest stage.
        factors: length of a vector; capped below the number of listings and guests,
            above which implicit returns NaN.
        regularization, alpha, iterations, learning_rate: implicit's; ``alpha`` is ALS's
            and ``learning_rate`` BPR's.
        seed, threads: BPR always runs on one thread, its updates race otherwise.
    """

    algorithm: Literal["als", "bpr"] = "als"
    confidences: tuple[float, float, float, float] = (0.0, 1.0, 5.0, 10.0)
    factors: int = 32
    regularization: float = 0.05
    alpha: float = 10.0
    iterations: int = 12
    learning_rate: float = 0.05
    seed: int = 1
    threads: int = 2

    def __post_init__(self) -> None:
        if self.algorithm not in ("als", "bpr"):
            raise ValueError(f"algorithm is als or bpr; found {self.algorithm!r}")
        if len(self.confidences) != 4 or min(self.confidences) < 0 or max(self.confidences) <= 0:
            raise ValueError(f"four confidences, none negative; found {self.confidences}")
        at_least_1 = dict.fromkeys(("factors", "iterations", "threads"), AT_LEAST_1)
        above_0 = dict.fromkeys(("alpha", "learning_rate"), ABOVE_0)
        at_least_0 = dict.fromkeys(("regularization", "seed"), AT_LEAST_0)
        refuse_outside(self, {**at_least_1, **above_0, **at_least_0})


# The declared search: how much a shown listing counts beside a clicked one, how many
# factors, how much caution. The best by ``validation_value`` is kept.
ALS_VARIANTS: tuple[ImplicitALSConfig, ...] = tuple(
    ImplicitALSConfig(
        confidences=(shown, 1.0, 5.0, 10.0), factors=factors, regularization=reg, alpha=alpha
    )
    for shown, factors, reg, alpha in (
        (0.0, 32, 0.05, 10.0),
        (0.2, 32, 10.0, 10.0),
        (0.5, 64, 30.0, 5.0),
        (0.5, 128, 30.0, 2.0),
    )
)
BPR_VARIANTS: tuple[ImplicitALSConfig, ...] = tuple(
    ImplicitALSConfig(
        algorithm="bpr",
        confidences=(shown, 1.0, 5.0, 10.0),
        factors=32,
        iterations=60,
        learning_rate=rate,
        regularization=0.01,
    )
    for shown, rate in ((0.0, 0.005), (0.0, 0.02), (0.5, 0.005))
)


class ImplicitALS:
    """ALS or BPR behind the recommender protocol, with retrieval over the catalogue.

    Args:
        variants: the configs to choose from, all of one algorithm; ``fit`` keeps the one
            with the best ``validation_value``. One config is taken as it is.
        k: listings that :meth:`retrieve` gives unless it is told otherwise.

    After ``fit``: ``config`` (the kept one), ``trials`` (``validation_value`` of each variant,
    nothing where there was one) and ``record`` (which rows were used for what).
    """

    def __init__(
        self, variants: Sequence[ImplicitALSConfig] = ALS_VARIANTS, *, k: int = 100
    ) -> None:
        if len({variant.algorithm for variant in variants}) != 1:
            raise ValueError("give at least one variant, all of the same algorithm")
        self.variants = tuple(variants)
        self.k = k
        self.config = self.variants[0]
        self.trials: tuple[tuple[ImplicitALSConfig, float], ...] = ()
        self.record: FitRecord | None = None
        self.guests = pa.array([], pa.string())
        self.catalogue = Catalogue.empty()
        # The last row of each is the vector of the unseen: code -1 reads it.
        self.guest_vectors_GD: Vectors = np.zeros((1, 1), dtype=np.float32)
        self.listing_vectors_ND: Vectors = np.zeros((1, 1), dtype=np.float32)

    @property
    def name(self) -> str:
        return self.config.algorithm

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that fitting reads, so far as the rows have them."""
        return (*_NEEDS, *JUDGED_BY)

    def fit(self, train: pa.Table, valid: pa.Table) -> Self:
        """Choose a variant that learnt from ``train`` on ``valid``; factorise both with it.

        One variant is factorised once, on both. Where nothing was taken on ``valid`` the first
        is kept. The order of the rows that a search showed decides, not what is retrieved from
        the whole catalogue: recall of logged takes favours who imitates what was shown.
        """
        for rows in (train, valid):
            require_columns(rows, _NEEDS, model=self.name)
        self.config, self.trials = self.variants[0], ()
        if len(self.variants) > 1:
            counts = self._count(train)
            self.trials = tuple((c, self._value(c, counts, valid)) for c in self.variants)
            self.config = max(self.trials, key=lambda trial: trial[1])[0]
        self._factorise(self.config, self._count(both_windows(train, valid, _NEEDS)))
        values = {_in_words(config): value for config, value in self.trials}
        self.record = FitRecord.of(train, valid, values)
        return self

    def score(self, rows: pa.Table) -> Scores:
        """Guest vector · listing vector of each row; needs ``id_user`` and ``id_listing``."""
        require_columns(rows, ("id_user", "id_listing"), model=self.name)
        guests = self._guest_codes(rows["id_user"])
        listings = codes_in(rows["id_listing"], self.catalogue.listings)
        products = self.guest_vectors_GD[guests] * self.listing_vectors_ND[listings]
        return np.asarray(products.sum(axis=1, dtype=np.float64))

    def encode_queries(self, queries: pa.Table) -> Vectors:
        """The guest vector of each row, by ``id_user``; shape ``(rows, factors)``."""
        return self.guest_vectors_GD[self._guest_codes(queries["id_user"])]

    def encode_listings(self, rows: pa.Table) -> Vectors:
        """The listing vector of each row, by ``id_listing``; shape ``(rows, factors)``."""
        return self.listing_vectors_ND[codes_in(rows["id_listing"], self.catalogue.listings)]

    def retrieve(self, queries: pa.Table, k: int | None = None) -> pa.Table:
        """The ``k`` best listings of the query's market for each query, exactly.

        A query is a row of ``id_search``, ``id_user`` and ``market``. Returns a table of
        ``id_search, id_listing, rank, score``, sorted by search and rank; a market that
        training never saw gives no rows.
        """
        require_columns(queries, ("id_search", "id_user", "market"), model=self.name)
        vectors_QD = self.encode_queries(queries)
        return self.catalogue.nearest(
            queries, vectors_QD, self.listing_vectors_ND[:-1], k or self.k
        )

    def save(self, folder: Path) -> None:
        """Write vectors as safetensors, ids as Parquet, config and rows used as JSON."""
        trials = [{"config": asdict(config), "value": value} for config, value in self.trials]
        saved = {"model": "collaborative", "config": asdict(self.config), "trials": trials}
        record = None if self.record is None else asdict(self.record)
        write_json(folder / "collaborative.json", saved | {"k": self.k, "record": record})
        vectors = {"guests": self.guest_vectors_GD, "listings": self.listing_vectors_ND}
        save_file(vectors, folder / _VECTORS)
        self.catalogue.save(folder)
        write_table(folder / _GUESTS, pa.table({"id_user": self.guests}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        saved = read_json(folder / "collaborative.json", model="collaborative")
        model = cls((ImplicitALSConfig(**config_of(saved)),), k=saved["k"])
        if saved.get("record"):
            model.record = FitRecord.of_dict(saved["record"])
            model.trials = tuple(
                (ImplicitALSConfig(**config_of(trial)), trial["value"]) for trial in saved["trials"]
            )
        path = folder / _VECTORS
        try:
            vectors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{path}: missing or broken ({error})") from error
        model.guest_vectors_GD, model.listing_vectors_ND = vectors["guests"], vectors["listings"]
        model.catalogue = Catalogue.load(folder)
        model.guests = read_table(folder / _GUESTS)["id_user"].combine_chunks()
        return model

    @staticmethod
    def is_saved_in(folder: Path) -> bool:
        """Whether ``folder`` holds the files of a saved model of this kind."""
        return (folder / "collaborative.json").is_file() and (folder / _GUESTS).is_file()

    @staticmethod
    def guests_in(folder: Path) -> set[str]:
        """Every guest who has a vector in a saved model."""
        return set(read_table(folder / _GUESTS)["id_user"].to_pylist())

    @staticmethod
    def forget_guests(folder: Path, into: Path, guests: Collection[str]) -> tuple[str, ...]:
        """Write to ``into`` the files of a saved model that change when these guests leave it.

        Their vectors go with their ids: to the model they are then guests it never saw. All
        other vectors stay. Returns the names of the files written.
        """
        table = read_table(folder / _GUESTS)
        leaving = pa.array(sorted(guests), pa.string())
        stays = pc.invert(pc.is_in(table["id_user"].cast(pa.string()), value_set=leaving))
        if pc.all(stays).as_py():
            return ()
        vectors = load_file(folder / _VECTORS)
        # the last row belongs to no guest: it is the vector of the unseen
        rows = np.append(np.asarray(stays.combine_chunks()), True)
        vectors["guests"] = np.ascontiguousarray(vectors["guests"][rows])
        into.mkdir(parents=True, exist_ok=True)
        save_file(vectors, into / _VECTORS)
        write_table(into / _GUESTS, table.filter(stays))
        return _VECTORS, _GUESTS

    def _count(self, rows: pa.Table) -> _StageCounts:
        """The counts of these rows, whose guests and listings get the vectors."""
        guests = guest_keys(rows)
        self.guests = sorted_ids(guests)
        self.catalogue = Catalogue.of(rows)
        return _count_stages(rows, codes_in(guests, self.guests), self.catalogue)

    def _value(self, config: ImplicitALSConfig, counts: _StageCounts, valid: pa.Table) -> float:
        self._factorise(config, counts)
        return validation_value(valid, self.score(valid))

    def _factorise(self, config: ImplicitALSConfig, counts: _StageCounts) -> None:
        guests_GD, listings_ND = factorise(counts.confidence(config.confidences), config)
        never_taken = listings_ND[counts.taken_per_listing() == 0]
        unseen = never_taken.mean(axis=0) if len(never_taken) else np.zeros(listings_ND.shape[1])
        self.guest_vectors_GD = _with_last(guests_GD, guests_GD.mean(axis=0))
        self.listing_vectors_ND = _with_last(listings_ND, unseen)

    def _guest_codes(self, ids: pa.ChunkedArray) -> Codes:
        return codes_in(ids, self.guests)


@dataclass(frozen=True, kw_only=True)
class _StageCounts:
    """How often each guest's impressions of each listing ended in each stage.

    Counted once, since the variants differ only in what a stage adds to a cell.
    """

    by_stage: tuple[csr_matrix, ...]  # four matrices of integers, guests × listings

    def confidence(self, confidences: Sequence[float]) -> csr_matrix:
        """Guests × listings, float32; the sum over the stages."""
        total = sum(c * m for c, m in zip(confidences, self.by_stage, strict=True))
        matrix = csr_matrix(total, dtype=np.float32)
        matrix.eliminate_zeros()
        matrix.sort_indices()
        return matrix

    def taken_per_listing(self) -> Codes:
        """Impressions clicked or further, per listing; shape ``(listings,)``."""
        return np.asarray(sum(m.sum(axis=0) for m in self.by_stage[1:])).ravel()


def factorise(confidence_GN: csr_matrix, config: ImplicitALSConfig) -> tuple[Vectors, Vectors]:
    """Vectors of the guests (G, D) and of the listings (N, D) of a G × N confidence matrix.

    A matrix without an entry, or with fewer than two rows or columns, gives zero vectors.
    """
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from threadpoolctl import threadpool_limits

    n_guests, n_listings = confidence_GN.shape
    factors = min(config.factors, n_guests - 1, n_listings - 1)
    if factors < 1 or not confidence_GN.nnz:
        return np.zeros((n_guests, 1), np.float32), np.zeros((n_listings, 1), np.float32)
    shared = {
        "factors": factors,
        "regularization": config.regularization,
        "iterations": config.iterations,
        "random_state": config.seed,
    }
    # OpenBLAS threads inside implicit's own threads slow it down tenfold.
    with threadpool_limits(1, "blas"):
        if config.algorithm == "als":
            model = AlternatingLeastSquares(
                **shared, alpha=config.alpha, num_threads=config.threads
            )
        else:
            model = BayesianPersonalizedRanking(
                **shared, learning_rate=config.learning_rate, num_threads=1
            )
        model.fit(confidence_GN, show_progress=False)
    return _finite(model.user_factors), _finite(model.item_factors)


def _in_words(config: ImplicitALSConfig) -> str:
    """What the variants differ in, as the name of one."""
    shown, *_ = config.confidences
    return (
        f"shown {shown:g}, factors {config.factors}, regularization {config.regularization:g}, "
        f"alpha {config.alpha:g}, rate {config.learning_rate:g}"
    )


def _finite(vectors: Any) -> Vectors:
    if not np.isfinite(vectors).all():
        raise ValueError("the factorisation diverged: vectors are not finite; regularise more")
    return np.asarray(vectors, dtype=np.float32)


def _with_last(vectors: Vectors, last: np.ndarray[Any, Any]) -> Vectors:
    return np.vstack([vectors, last[None, :]]).astype(np.float32)


def _count_stages(rows: pa.Table, guests: Codes, catalogue: Catalogue) -> _StageCounts:
    """``guests`` is the row of the matrix of each of ``rows``."""
    listings = codes_in(rows["id_listing"], catalogue.listings)
    shape = (int(guests.max(initial=-1)) + 1, len(catalogue.listings))
    stage = stages(rows)
    matrices = []
    for ending in Stage:
        at = stage == ending
        ones = np.ones(int(at.sum()), dtype=np.int64)
        # csr_matrix adds up what is given twice for one cell.
        matrices.append(csr_matrix((ones, (guests[at], listings[at])), shape=shape))
    return _StageCounts(by_stage=tuple(matrices))
