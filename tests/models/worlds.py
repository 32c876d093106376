"""A tiny world with a known answer: which listing a guest takes is planted.

A row is one listing in one search, as models read it: the carried columns and a few
features. ``x_signal`` decides what is taken, up to a little noise; guests of one taste
take listings of one area again and again, which is what collaborative filtering can see.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from data.schema.feature_set import Feature, FeatureSet
from models.evaluation.validation_metric import ndcg_per_search
from models.recommender import Scores
from models.stage_utilities import UTILITIES

FIRST_DAY = 18_000
DAYS = 7
LISTINGS, GUESTS, SHOWN = 120, 60, 10

FEATURES = FeatureSet(
    tuple(
        Feature(name=name, kind=kind, meaning=name, null=null, group=group)
        for name, kind, null, group in (
            ("x_signal", "number", "never null", "listing"),
            ("listing_total_price", "number", "not shown", "listing"),
            ("listing_review_rating", "number", "new", "listing"),
            ("listing_review_count", "number", "not given", "listing"),
            ("listing_num_books_90day", "number", "not given", "listing"),
            ("listing_is_new", "boolean", "not given", "listing"),
            ("listing_room_type", "category", "not given", "listing"),
            ("lead_time_days", "number", "dateless", "query"),
        )
    )
)


def world(*, seed: int = 7, searches: int = 420, shuffled: bool = False) -> pa.Table:
    """The rows of ``searches`` searches over seven days, in two markets.

    ``shuffled`` deals the stages of each search out anew, so that nothing can be learnt.
    """
    rng = np.random.default_rng(seed)
    area = np.arange(LISTINGS) % 6  # areas 0-2 in one market, 3-5 in the other
    search = np.repeat(np.arange(searches), SHOWN)
    guest = rng.integers(GUESTS, size=searches)
    taste = guest % 6
    listing = _shown(rng, taste, area)
    signal = rng.normal(size=search.size)
    liked = area[listing] == np.repeat(taste, SHOWN)
    worth = 2.0 * signal + 2.5 * liked + 0.3 * rng.normal(size=search.size)
    stage = _stages(worth.reshape(searches, SHOWN))
    if shuffled:
        stage = rng.permuted(stage, axis=1)
    day = FIRST_DAY + np.sort(rng.integers(DAYS, size=searches))
    columns = _identity(search, guest, listing, area, np.repeat(day, SHOWN), stage.ravel())
    return pa.table(columns | _features(rng, listing, signal))


def windows(rows: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Days 1-5 to train on, day 6 for validation, day 7 to test on."""
    day = rows["search_day"].to_numpy() - FIRST_DAY
    return tuple(rows.filter(pa.array(at)) for at in (day < 5, day == 5, day == 6))


def reordered(rows: pa.Table, *, seed: int = 3) -> tuple[pa.Table, np.ndarray]:
    """The same rows in another order, and where each of them came from."""
    order = np.random.default_rng(seed).permutation(rows.num_rows)
    return rows.take(pa.array(order)), order


def replaced(rows: pa.Table, **columns: pa.Array) -> pa.Table:
    """The rows with these columns replaced."""
    for name, values in columns.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    return rows


def mean_ndcg(rows: pa.Table, scores: Scores) -> float:
    """Mean graded NDCG@10 of the searches with an action."""
    return float(np.nanmean(ndcg_per_search(rows, scores, utilities=UTILITIES, k=10)))


def _shown(rng: np.random.Generator, taste: np.ndarray, area: np.ndarray) -> np.ndarray:
    markets = [np.flatnonzero(area // 3 == market) for market in (0, 1)]
    return np.concatenate([rng.choice(markets[t // 3], size=SHOWN, replace=False) for t in taste])


def _stages(worth: np.ndarray) -> np.ndarray:
    """The best of a search is booked or contacted, the next two are clicked."""
    rank = np.argsort(np.argsort(-worth, axis=1), axis=1)
    stage = np.select([rank == 0, rank <= 2], [3, 1], 0)
    stage[1::3][rank[1::3] == 0] = 2
    stage[::10] = 0  # in some searches nothing happens
    return stage


def _identity(search, guest, listing, area, day, stage) -> dict[str, pa.Array]:
    known = [None if s % 11 == 0 else f"u{guest[s]:03d}" for s in search]
    return {
        "id_search": pa.array([f"s{s:05d}" for s in search]),
        "id_listing": pa.array([f"l{n:04d}" for n in listing]),
        "id_user": pa.array(known, pa.string()),
        "market": pa.array([("rio_de_janeiro", "sao_paulo")[area[n] // 3] for n in listing]),
        "ds_search": pa.array([date(1970, 1, 1) + timedelta(days=int(d)) for d in day]),
        "search_s": pa.array(day.astype(np.int64) * 86_400 + search % 86_400),
        "search_day": pa.array(day.astype(np.int32)),
        "stage": pa.array(stage.astype(np.int8)),
        "contact_day": pa.array(day.astype(np.int32), mask=stage != 2),
        "book_day": pa.array(day.astype(np.int32), mask=stage != 3),
    }


def _features(rng: np.random.Generator, listing, signal) -> dict[str, pa.Array]:
    rooms = ("entire_home", "private_room", None, "shared_room")
    return {
        "x_signal": pa.array(signal),
        "listing_total_price": pa.array(100.0 + listing * 3.0, mask=listing % 17 == 0),
        "listing_review_rating": pa.array(1.0 + listing % 5, pa.float64(), mask=listing % 4 == 0),
        "listing_review_count": pa.array((listing * 7) % 90, pa.int32()),
        "listing_num_books_90day": pa.array((listing * 5) % 13, pa.int32(), mask=listing % 9 == 0),
        "listing_is_new": pa.array(listing % 4 == 0),
        "listing_room_type": pa.array([rooms[n % 4] for n in listing], pa.string()),
        "lead_time_days": pa.array(rng.integers(60, size=listing.size).astype(np.float64)),
    }
