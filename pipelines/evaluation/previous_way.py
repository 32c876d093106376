"""The rival that ``recommend`` was before it knew of free nights: two-tower, then lambdarank."""

from __future__ import annotations

import numpy as np
import polars as pl

from data.errors import DataError
from features.build_candidates import build_candidates
from models.evaluation.recommended_lists import Lists
from models.lambdarank import LambdaRank
from pipelines.candidates.candidate_rows import candidate_rows
from pipelines.evaluation.rival_lists import lists_by
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.recommendation.candidate_retrieval import (
    SEEN_COLUMNS,
    build_retriever,
    previously_seen_by,
)
from pipelines.recommendation.recommended import Recommended
from pipelines.recommendation.serving_models import latest_run_with
from pipelines.run_context import RunContext
from pipelines.training.run_record import load_one

__all__ = ["retrieved_lists"]

_CANDIDATES = 100
_RANKER = "lambdarank"


def retrieved_lists(
    context: RunContext, run: str, made: Recommended, before: pl.LazyFrame
) -> Lists | None:
    """The 100 that the two-tower finds for each query, in lambdarank's order.

    ``None`` where the log names no guests or no run has trained lambdarank. ``before`` is the log
    until the day.
    """
    source = made.source
    try:
        ranker = load_one(context, latest_run_with(context.home, run, _RANKER), _RANKER)
    except DataError:
        return None
    names = before.collect_schema().names()
    if not isinstance(ranker, LambdaRank) or not set(SEEN_COLUMNS) <= set(names):
        return None
    retriever = build_retriever(
        context, made.serving.tower, source.catalogue, source.queries, prior=None
    )
    asking = source.queries.lazy().select("id_user").drop_nulls().unique()
    seen = before.select(SEEN_COLUMNS).join(asking, on="id_user", how="semi")
    familiar = previously_seen_by(
        arrow(source.queries.select("id_user", "search_s")),
        arrow(seen.collect(engine="streaming")),
        retriever.catalogue,
    )
    found = retriever.retrieve(arrow(source.queries), _CANDIDATES, familiar=familiar)
    pairs = frame_of(found).select("id_search", "id_listing")
    timed = pairs.join(source.queries.select("id_search", "id_user", "search_s"), on="id_search")
    timed = timed.sort("search_s", "id_search", "id_listing")
    rows = candidate_rows(source, timed.select("id_search", "id_listing"))
    built = pl.concat(
        build_candidates(
            [rows],
            before,
            pairs=timed.select("id_user", "id_listing"),
            features=ranker.features,
        )
    )
    scores = ranker.score(arrow(built))
    keys = built.select("id_search", "market", "id_listing")
    numbered = keys.join(
        source.queries.select("id_search").with_row_index("query"),
        on="id_search",
        how="left",
        maintain_order="left",
    ).join(
        source.catalogue.select("market", "id_listing").with_row_index("listing"),
        on=["market", "id_listing"],
        how="left",
        maintain_order="left",
    )
    query, listing = (numbered[name].cast(pl.Int64).to_numpy() for name in ("query", "listing"))
    return lists_by("retrieved", query, listing, np.asarray(scores))
