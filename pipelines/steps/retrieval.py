"""How much of what guests took is retrieved from the whole catalogue, and by which model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import torch

from data.contract import BOOKED, CLICKED
from models.baselines import Popularity
from models.collaborative import Collaborative
from models.evaluation.retrieval import RetrievalSettings, catalogue_recall
from models.evaluation.scorecard import Score
from models.order import hashed_ids
from models.recommender import Recommender
from models.two_tower.eligibility import Eligibility
from models.two_tower.index import exact_top_k
from models.two_tower.recommender import TwoTower
from pipelines.steps.arrow import arrow, frame_of
from pipelines.steps.context import RunContext
from pipelines.steps.rows import SplitRows

__all__ = ["retrieval_scores"]

RETRIEVED = 100
REFERENCE = "popularity"


def retrieval_scores(
    context: RunContext,
    models: Mapping[str, Recommender],
    rows: SplitRows,
    *,
    reference: str = REFERENCE,
) -> list[Score]:
    """Recall@100 of the test window's clicked, contacted or booked listings.

    Every model retrieves from the same catalogue under the same eligibility (capacity,
    nights, price filter, radius), exactly. ``reference`` is the model that the others are
    compared with; without it there are no scores.
    """
    test = frame_of(rows.test).sort("search_s", "id_search", "id_listing")
    taken = test.filter(pl.col("stage") >= int(CLICKED))
    if taken.is_empty() or reference not in models:
        return []
    queries = taken.unique("id_search", keep="first", maintain_order=True)
    catalogue = _catalogue(rows, test)
    retrieved = {
        name: _retrieve(model, arrow(queries), arrow(catalogue), rows.test)
        for name, model in models.items()
        if isinstance(model, Popularity | Collaborative | TwoTower)
    }
    settings = RetrievalSettings(
        k=RETRIEVED,
        split="test",
        reference=reference,
        replicates=context.settings.evaluation.replicates,
        seed=context.settings.seed,
    )
    return catalogue_recall(arrow(taken), retrieved, _segments(taken), settings)


def _catalogue(rows: SplitRows, test: pl.DataFrame) -> pl.DataFrame:
    """Every listing once: its last row before the test window, or its first one in it.

    Later rows of the test window would carry booking counts that did not exist yet. In the
    order of a hash of the id, so that ties between listings are broken by a fair coin.
    """
    # The training rows have their attributes only, which is what retrieval reads.
    names = rows.train.column_names
    parts = [frame_of(rows.train), frame_of(rows.valid.select(names))]
    before = pl.concat(parts, how="vertical_relaxed")
    test = test.select(names)
    latest = before.sort("search_s", "id_search").unique("id_listing", keep="last")
    new = test.unique("id_listing", keep="first").join(latest, on="id_listing", how="anti")
    every = pl.concat([latest, new], how="vertical_relaxed")
    coin = hashed_ids(pa.chunked_array([every["id_listing"].to_arrow()]))
    return every.with_columns(pl.Series("_coin", coin)).sort("_coin").drop("_coin")


def _retrieve(
    model: Recommender, queries: pa.Table, catalogue: pa.Table, outcomes: pa.Table
) -> pa.Table:
    eligible = Eligibility.of(queries, catalogue)
    if isinstance(model, TwoTower):
        return model.remembering(outcomes).retrieve(
            queries, catalogue, RETRIEVED, eligible=eligible
        )
    if isinstance(model, Collaborative):
        vectors: tuple[Any, Any] = model.encode_queries(queries), model.encode_listings(catalogue)
    else:  # popularity is the same for every query
        vectors = np.ones((queries.num_rows, 1)), model.score(catalogue)[:, None]
    query_QD, listing_LD = (torch.from_numpy(v.astype(np.float64)) for v in vectors)
    scores, places = exact_top_k(
        query_QD,
        listing_LD,
        RETRIEVED,
        allowed=eligible,
    )
    return _pairs(queries, catalogue, scores.numpy(), places.numpy())


def _pairs(queries: pa.Table, catalogue: pa.Table, scores: Any, places: Any) -> pa.Table:
    query, column = np.nonzero(np.isfinite(scores))
    return pa.table(
        {
            "id_search": queries["id_search"].take(pa.array(query)),
            "id_listing": catalogue["id_listing"].take(pa.array(places[query, column])),
            "rank": pa.array((column + 1).astype(np.int32)),
        }
    )


def _segments(taken: pl.DataFrame) -> dict[str, np.ndarray[Any, np.dtype[np.bool_]]]:
    segments = {f"market={m}": taken["market"] == m for m in sorted(taken["market"].unique())}
    segments["stage=booked"] = taken["stage"] == int(BOOKED)
    if "guest_past_clicks" in taken.columns:
        # What collaborative filtering lives on: a guest who has clicked before.
        segments["guest=clicked_before"] = taken["guest_past_clicks"].fill_null(0) > 0
    if "listing_is_new" in taken.columns:
        segments["listing=new"] = taken["listing_is_new"].fill_null(value=False)
    return {name: mask.to_numpy() for name, mask in segments.items()}
