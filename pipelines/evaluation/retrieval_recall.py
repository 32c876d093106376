"""Of what guests took among what they were shown, how much each model retrieves, and from all.

A guest can only take what some ranker has shown. So this recall rewards whoever guesses what
would be shown, beside whoever knows the guest's taste: it compares ways to narrow a catalogue
down under today's results, and does not say what a guest would have liked best.
``benchmarks/recall_ceilings.py`` computes, in a simulated world, what taste and exposure reach
each, and together.

Rows with and without the guest's past stand apart, so that like is compared with like:

    popularity         what all guests took               of all windows before the test window
    als                guest and listing vectors          of all windows before the test window
    als_with_memory    the same, and a bonus for what the guest met before this search
    two_tower          as of each search; knows kinds of listings that the guest took
    candidates         the same, and a bonus for what the guest met, a prior, new listings
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import torch

from data.schema.tables import BOOKED, CLICKED
from models.baselines.heuristics import Popularity
from models.baselines.implicit_als import ImplicitALS
from models.evaluation.catalogue_recall import RetrievalSettings, catalogue_recall
from models.evaluation.scorecard import Score
from models.ranking_order import hashed_ids
from models.recommender import Recommender
from models.row_source import one_after_the_other, places_of, read, read_at, source_of
from models.two_tower.exact_search import blocks, exact_top_k
from models.two_tower.inputs.eligibility import Eligibility
from models.two_tower.recommender import TwoTower
from models.two_tower.retrieval.previously_seen import PreviouslySeen, merge_seen, score_seen
from pipelines.config.memory import release_memory
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.feature_table.training_rows import SplitRows
from pipelines.recommendation.candidate_retrieval import (
    SEEN_COLUMNS,
    build_retriever,
    previously_seen_by,
)
from pipelines.run_context import RunContext

__all__ = [
    "ALS_WITH_MEMORY",
    "CANDIDATES",
    "RETRIEVED",
    "Asked",
    "Retrieval",
    "asked_of",
    "lists_retrieved",
    "retrieval_of",
    "retrieval_scores",
]

RETRIEVED = 100
REFERENCE = "popularity"
# What ``recommend`` ranks: the two-tower with all that retrieval knows beside it.
CANDIDATES = "candidates"
# ALS with the memory that the candidates have.
ALS_WITH_MEMORY = "als_with_memory"
# What having met a listing adds to ALS, in standard deviations of a search's scores: as of the
# retriever, a click adds half as much again. Chosen on the validation day of one simulated world,
# as those are, with ALS fitted on the days before it; 1 to 8 differ by 0.01 of recall.
_SHOWN, _CLICKED = 2.0, 1.0
# Searches whose met listings are scored at one time.
_BLOCK = 256


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The test window's searches in which something was taken.

    Attributes:
        taken: the rows that were clicked, contacted or booked.
        queries: one row per search of them.
        catalogue: one row per listing, as known before the test window.
    """

    taken: pl.DataFrame
    queries: pl.DataFrame
    catalogue: pl.DataFrame


@dataclass(frozen=True, kw_only=True)
class Retrieval(Asked):
    """And which of the rows that were taken each model retrieves for their search.

    Attributes:
        retrieved: model → ``id_search, id_listing, rank``, up to :data:`RETRIEVED`.
    """

    retrieved: dict[str, pa.Table]


def retrieval_scores(
    context: RunContext, retrieval: Retrieval | None, *, reference: str = REFERENCE
) -> list[Score]:
    """Recall@100 of the test window's clicked, contacted or booked listings.

    ``reference`` is the model that the others are compared with; without it, and without a
    retrieval, there are no scores.
    """
    if retrieval is None or reference not in retrieval.retrieved:
        return []
    settings = RetrievalSettings(
        k=RETRIEVED,
        split="test",
        reference=reference,
        replicates=context.settings.evaluation.replicates,
        seed=context.settings.seed,
    )
    taken = retrieval.taken
    return catalogue_recall(arrow(taken), retrieval.retrieved, _segments(taken), settings)


def retrieval_of(
    context: RunContext,
    models: Mapping[str, Recommender],
    rows: SplitRows,
    *,
    prior: pl.DataFrame | None = None,
) -> Retrieval | None:
    """What each model retrieves; ``None`` where nothing was taken.

    With a ``prior`` also the candidates that ``recommend`` ranks.
    """
    asked = asked_of(rows)
    if asked is None:
        return None
    retrieved: dict[str, pa.Table] = {}
    for name, found in lists_retrieved(context, models, rows, asked, prior=prior):
        # A hundred rows a search and model are many: of them only those that were taken count.
        retrieved[name] = _of_taken(asked.taken, found)
        release_memory()
    return Retrieval(**vars(asked), retrieved=retrieved)


def asked_of(rows: SplitRows) -> Asked | None:
    """The test window's searches in which something was taken; ``None`` where there is none."""
    in_order = ("search_s", "id_search", "id_listing")
    taken = frame_of(rows.test).filter(pl.col("stage") >= int(CLICKED)).sort(in_order)
    if taken.is_empty():
        return None
    queries = taken.unique("id_search", keep="first", maintain_order=True)
    return Asked(taken=taken, queries=queries, catalogue=_catalogue(rows, in_order))


def lists_retrieved(
    context: RunContext,
    models: Mapping[str, Recommender],
    rows: SplitRows,
    asked: Asked,
    *,
    prior: pl.DataFrame | None = None,
) -> Iterator[tuple[str, pa.Table]]:
    """Each model with ``id_search, id_listing, rank`` of all that it retrieves, one at a time.

    Every model retrieves from the same catalogue under the same eligibility (capacity, nights,
    price filter, radius), exactly.
    """
    query_rows, listing_rows = arrow(asked.queries), arrow(asked.catalogue)
    met = previously_seen_by(query_rows, _impressions(rows, query_rows), listing_rows)
    release_memory()
    for name, model in models.items():
        if isinstance(model, Popularity | ImplicitALS | TwoTower):
            yield name, _retrieve(model, query_rows, listing_rows, rows.test)
        if isinstance(model, ImplicitALS) and met is not None:
            yield ALS_WITH_MEMORY, _als_with_memory(model, query_rows, listing_rows, met)
    tower = models.get("two_tower")
    if prior is not None and isinstance(tower, TwoTower):
        retriever = build_retriever(
            context, tower.remembering(rows.test), asked.catalogue, asked.queries, prior
        )
        yield CANDIDATES, retriever.retrieve(query_rows, RETRIEVED, familiar=met)


def _of_taken(taken: pl.DataFrame, found: pa.Table) -> pa.Table:
    """The retrieved rows that were taken, in the order of ``taken``."""
    key = ["id_search", "id_listing"]
    ranks = frame_of(found.select([*key, "rank"]))
    return arrow(taken.select(key).join(ranks, on=key, how="inner", maintain_order="left"))


def _impressions(rows: SplitRows, queries: pa.Table) -> pa.Table:
    """What the guests of these searches were shown in all windows.

    A search may know what came before it. Of a batch the rows of other guests are dropped at
    once: of a log of many guests they are most.
    """
    guests = pc.unique(queries["id_user"])
    parts = [
        batch.filter(pc.is_in(batch["id_user"], value_set=guests, skip_nulls=True))
        for part in (rows.train, rows.valid, rows.test)
        for batch in source_of(part).batches(SEEN_COLUMNS)
    ]
    return pa.concat_tables(parts, promote_options="permissive")


def _catalogue(rows: SplitRows, in_order: Sequence[str]) -> pl.DataFrame:
    """Every listing once: its last row before the test window, or its first one in it.

    Later rows of the test window would carry booking counts that did not exist yet. In the
    order of a hash of the id, so that ties between listings are broken by a fair coin.
    """
    # The training rows have their attributes only, which is what retrieval reads.
    names = rows.train.schema.names
    before = one_after_the_other(rows.train, rows.valid)
    # Of all rows the keys alone are read; attributes of those that are in the catalogue.
    keys = frame_of(read(before, ["id_listing", "search_s", "id_search"])).with_row_index("_at")
    latest_at = keys.sort("search_s", "id_search").unique("id_listing", keep="last")["_at"]
    places = places_of(latest_at.cast(pl.Int64).to_numpy(), before.num_rows)
    latest = frame_of(read_at(before, names, [places])[0])
    unknown = frame_of(rows.test.select(names)).join(latest, on="id_listing", how="anti")
    new = unknown.sort(in_order).unique("id_listing", keep="first")
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
    if isinstance(model, ImplicitALS):
        query_QD, listing_LD = _vectors(model, queries, catalogue)
    else:  # popularity is the same for every query
        query_QD = torch.ones((queries.num_rows, 1), dtype=torch.float64)
        listing_LD = torch.from_numpy(model.score(catalogue)[:, None])
    scores, places = exact_top_k(query_QD, listing_LD, RETRIEVED, allowed=eligible)
    return _pairs(queries, catalogue, scores.numpy(), places.numpy())


def _als_with_memory(
    model: ImplicitALS, queries: pa.Table, catalogue: pa.Table, met: PreviouslySeen
) -> pa.Table:
    """As ALS alone, with a bonus for what the guest met, strictly before each search.

    The bonus counts in deviations of the search's scores over the catalogue, since the lengths
    of ALS's guest vectors differ.
    """
    eligible = Eligibility.of(queries, catalogue)
    query_QD, listing_LD = _vectors(model, queries, catalogue)
    score_QK, place_QK = exact_top_k(query_QD, listing_LD, RETRIEVED, allowed=eligible)
    centred_LD = listing_LD - listing_LD.mean(dim=0)
    covariance_DD = centred_LD.T @ centred_LD / len(listing_LD)
    deviation_Q = ((query_QD @ covariance_DD) * query_QD).sum(dim=1).clamp(min=0).sqrt()
    seconds = queries["search_s"].to_numpy()
    for part in blocks(len(query_QD), _BLOCK):
        guests = queries["id_user"].slice(part.start, part.stop - part.start)
        seen = met.before(guests, seconds[part], shown=_SHOWN, clicked=_CLICKED)
        seen = replace(seen, bonus_QM=seen.bonus_QM * deviation_Q[part, None])
        scored = score_seen(query_QD[part], listing_LD, seen, eligible.rows(part))
        score_QK[part], place_QK[part] = merge_seen((score_QK[part], place_QK[part]), scored)
    return _pairs(queries, catalogue, score_QK.numpy(), place_QK.numpy())


def _vectors(
    model: ImplicitALS, queries: pa.Table, catalogue: pa.Table
) -> tuple[torch.Tensor, torch.Tensor]:
    query_QD, listing_LD = model.encode_queries(queries), model.encode_listings(catalogue)
    return (
        torch.from_numpy(query_QD.astype(np.float64)),
        torch.from_numpy(listing_LD.astype(np.float64)),
    )


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
