"""Lists to compare the recommendations with: by one part of the score alone, or by no model.

All are made from what was known on the same morning, for the same guests:

=====================  ==========================================================================
``recommendations``    what is written: after prices, places for new listings, diversity
``score``              score × availability: the same without any policy
``no_availability``    the score alone, free nights or not
``shown_before``       what the guest was shown before, by score
``popularity``         clicks per listing before the day, of all that the search allows
``random``             of all that the search allows
=====================  ==========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from data.schema.tables import CLICKED
from models.arrow_columns import Codes, Numbers
from models.evaluation.recommended_lists import Lists
from pipelines.candidates.catalogue import NIGHTLY_PRICE
from pipelines.candidates.eligible_pairs import eligible_pairs
from pipelines.recommendation.recommended import Recommended

__all__ = ["OURS", "RIVALS", "lists_by", "rival_lists"]

OURS = "recommendations"
RIVALS = ("score", "no_availability", "shown_before", "popularity", "random")

_LENGTH = 20


@dataclass(frozen=True)
class _Pairs:
    query: Codes
    listing: Codes
    score: Numbers


def rival_lists(made: Recommended, before: pl.LazyFrame, *, seed: int) -> dict[str, Lists]:
    """The lists of each name above, of at most 20 places; ``before`` is the log until the day."""
    candidates = made.scored.candidates
    contenders = np.flatnonzero(made.scored.contender_C)[made.lists.contender_R]
    ours = Lists(
        model=OURS,
        query_R=candidates.query_C[contenders],
        place_R=made.lists.place_R,
        listing_R=candidates.listing_C[contenders],
    )
    every = (candidates.query_C, candidates.listing_C)
    seen = candidates.was_seen_C
    lists = {
        OURS: ours,
        "score": lists_by("score", *every, made.scored.values),
        "no_availability": lists_by("no_availability", *every, made.scored.score_C),
        "shown_before": lists_by(
            "shown_before", every[0][seen], every[1][seen], made.scored.score_C[seen]
        ),
    }
    return lists | _without_model(made, before, seed)


def lists_by(model: str, query: Codes, listing: Codes, score: Numbers) -> Lists:
    """The best of each query by score, ties by listing; queries need not be sorted."""
    order = np.lexsort((listing, -score, query))
    query, listing = query[order], listing[order]
    firsts = np.flatnonzero(np.diff(query, prepend=-1))
    place = np.arange(len(query)) - np.repeat(firsts, np.diff(firsts, append=len(query))) + 1
    first = place <= _LENGTH
    return Lists(model=model, query_R=query[first], place_R=place[first], listing_R=listing[first])


def _without_model(made: Recommended, before: pl.LazyFrame, seed: int) -> dict[str, Lists]:
    """By popularity and at random, of all pairs that the searches allow."""
    source = made.source
    clicks = before.filter(pl.col("stage") >= int(CLICKED)).group_by("market", "id_listing").len()
    key = ["market", "id_listing"]
    counts = (
        source.catalogue.lazy().select(key).join(clicks, on=key, how="left", maintain_order="left")
    )
    popularity = counts.collect()["len"].fill_null(0).cast(pl.Float64).to_numpy()
    rng = np.random.default_rng(seed)
    parts: dict[str, list[_Pairs]] = {"popularity": [], "random": []}
    bounds = source.catalogue.drop(NIGHTLY_PRICE, strict=False)
    for block in eligible_pairs(source.queries, bounds):
        scores = {
            "popularity": popularity[block.listing_P],
            "random": rng.random(len(block)),
        }
        for name, score in scores.items():
            best = lists_by(name, block.query_P, block.listing_P, score)
            parts[name].append(_Pairs(best.query_R, best.listing_R, -best.place_R.astype(float)))
    return {
        name: lists_by(
            name,
            np.concatenate([p.query for p in kept]),
            np.concatenate([p.listing for p in kept]),
            np.concatenate([p.score for p in kept]),
        )
        for name, kept in parts.items()
    }
