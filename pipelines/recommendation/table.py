"""The rows of ``recommendations``: lists with their scores, reasons, prices and versions."""

from __future__ import annotations

import numpy as np
import polars as pl

from data.schema.language import Language
from data.schema.tables import RECOMMENDATIONS
from features.sentences.every_sentence import Sentences
from features.sentences.wording import Plain
from models.arrow_columns import Codes
from models.explanations.reasons import reasons_in_words
from pipelines.candidates.candidate_rows import estimated_prices
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.recommendation.lists import EXPOSURE, PLACED_BY, SCORE, SPREAD
from pipelines.recommendation.recommended import Recommended
from pipelines.recommendation.scores import feature_blocks

__all__ = ["OF_POLICY", "recommendation_rows"]

# Places that get reasons, which cost as much as all scores together: those that people look at.
_WITH_REASONS = 10

# The reason of a listing that stands where it does by a policy.
OF_POLICY = {
    EXPOSURE: Plain(
        en="new here: every list keeps some room for new homes",
        pt="novidade: em toda lista guardamos espaço para acomodações novas",
    ),
    SPREAD: Plain(
        en="here so that not everyone is sent to the same few homes",
        pt="sugerida para não mandarmos todo mundo às mesmas acomodações",
    ),
}


def recommendation_rows(made: Recommended, language: Language = "en") -> pl.DataFrame:
    """One row per listing recommended to a guest, in the columns of ``recommendations``.

    ``language``: of the reasons.
    """
    scored, source, lists = made.scored, made.source, made.lists
    at = np.flatnonzero(scored.contender_C)[lists.contender_R]
    query, listing = scored.candidates.query_C[at], scored.candidates.listing_C[at]
    queries, catalogue = source.queries, source.catalogue
    guests = (
        queries["id_user"].gather(query)
        if "id_user" in queries.columns
        else pl.Series([None] * len(at), dtype=pl.String)
    )
    rows = pl.DataFrame(
        {
            "id_user": guests,
            "id_search": queries["id_search"].gather(query),
            "market": queries["market"].gather(query),
            "rank": pl.Series(lists.place_R, dtype=pl.Int32),
            "id_listing": catalogue["id_listing"].gather(listing),
            "score": scored.score_C[at],
            "availability": _or_null(scored.candidates.availability_C[at]),
            "hours_since_shown_free": _or_null(made.availability.hours_since_shown(query, listing)),
            "placed_by": pl.Series(
                np.array(PLACED_BY)[lists.placed_by_R].tolist(), dtype=pl.String
            ),
            "value_kept": lists.kept_R,
            "retrieval_score": scored.candidates.cut_C[at],
            "was_shown": _was_shown(made, query, listing),
            "estimated_total_price": _or_null(estimated_prices(source, query, listing)),
            "reasons": _reasons(made, language),
        }
    )
    return rows.with_columns(
        pl.lit(made.day, pl.Int32).cast(pl.Date).alias("ds"),
        pl.lit(made.serving.ranker_version).alias("ranker_version"),
        pl.lit(made.serving.retriever_version).alias("retriever_version"),
    ).select(RECOMMENDATIONS.names)


def _reasons(made: Recommended, language: Language) -> pl.Series:
    """What speaks for each of the first ten of a list among these; null further down.

    Where a policy gave a listing its place, that is the reason, in whatever place.
    """
    lists = made.lists
    first = np.flatnonzero(lists.place_R <= _WITH_REASONS)
    texts = np.full(len(lists.place_R), None, dtype=object)
    if len(first):
        _tell(made, first, Sentences(language), texts)
    for policy, words in OF_POLICY.items():
        texts[lists.placed_by_R == PLACED_BY.index(policy)] = words.text(language)
    return pl.Series(texts.tolist(), dtype=pl.String)


def _tell(made: Recommended, rows: Codes, sentences: Sentences, texts: np.ndarray) -> None:
    """Write the reasons of these rows that the score placed; whole lists at a time."""
    ranker, lists = made.serving.ranker, made.lists
    is_by_score = lists.placed_by_R == PLACED_BY.index(SCORE)
    listed = made.scored.candidates.at(
        np.flatnonzero(made.scored.contender_C)[lists.contender_R[rows]]
    )
    for at, features in feature_blocks(listed, made.source, made.before, ranker.features_read):
        told = reasons_in_words(ranker, arrow(features), sentences, explained=is_by_score[rows[at]])
        texts[rows[at]] = told.to_pylist()


def _was_shown(made: Recommended, query: Codes, listing: Codes) -> pl.Series:
    """Whether the guest's last search itself had shown the listing."""
    keys = pl.DataFrame(
        {
            "id_search": made.source.queries["id_search"].gather(query),
            "id_listing": made.source.catalogue["id_listing"].gather(listing),
        }
    )
    shown = made.source.shown.with_columns(was_shown=pl.lit(value=True))
    joined = keys.join(
        shown, on=["id_search", "id_listing"], how="left", maintain_order="left", validate="m:1"
    )
    return joined["was_shown"].fill_null(value=False)


def _or_null(values: np.ndarray) -> pl.Series:
    return pl.Series(values, dtype=pl.Float64, nan_to_null=True)
