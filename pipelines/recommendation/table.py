"""The rows of ``recommendations``: lists with their scores, reasons, prices and versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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


def recommendation_rows(
    made: Recommended,
    language: Language = "en",
    *,
    blocks: Sequence[tuple[Codes, pl.DataFrame]] | None = None,
) -> pl.DataFrame:
    """One row per listing recommended to a guest, in the columns of ``recommendations``.

    Args:
        made: the lists.
        language: of the reasons.
        blocks: the features of all candidates, as :func:`feature_blocks` gives them, where they are
            few enough to be held; by default those of the listed ones are built again.
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
            **_asked_for(queries, query),
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
            "reasons": _reasons(made, language, blocks),
        }
    )
    return rows.with_columns(
        pl.lit(made.day, pl.Int32).cast(pl.Date).alias("ds"),
        pl.lit(made.serving.ranker_version).alias("ranker_version"),
        pl.lit(made.serving.retriever_version).alias("retriever_version"),
    ).select(RECOMMENDATIONS.names)


def _asked_for(queries: pl.DataFrame, query: Codes) -> dict[str, pl.Series]:
    """Check-in, nights and party of each row's search; null what it does not say."""
    checkin, checkout = _whole(queries, "checkin_day"), _whole(queries, "checkout_day")
    return {
        "query_checkin": checkin.cast(pl.Date).gather(query),
        "query_nights": (checkout - checkin).gather(query),
        "query_num_guests": _whole(queries, "query_num_guests").gather(query),
    }


def _whole(queries: pl.DataFrame, name: str) -> pl.Series:
    """A column of whole numbers; all null where the log lacks it."""
    if name not in queries.columns:
        return pl.Series(name, [None] * queries.height, dtype=pl.Int32)
    return queries[name].cast(pl.Int32)


def _reasons(
    made: Recommended, language: Language, blocks: Sequence[tuple[Codes, pl.DataFrame]] | None
) -> pl.Series:
    """What speaks for each of the first ten of a list among these; null further down.

    Where a policy gave a listing its place, that is the reason, in whatever place.
    """
    lists = made.lists
    first = np.flatnonzero(lists.place_R <= _WITH_REASONS)
    texts = np.full(len(lists.place_R), None, dtype=object)
    if len(first):
        listed = np.flatnonzero(made.scored.contender_C)[lists.contender_R[first]]
        features = _built_again(made, listed) if blocks is None else _of_blocks(blocks, listed)
        _tell(made, first, features, Sentences(language), texts)
    for policy, words in OF_POLICY.items():
        texts[lists.placed_by_R == PLACED_BY.index(policy)] = words.text(language)
    return pl.Series(texts.tolist(), dtype=pl.String)


def _built_again(made: Recommended, listed: Codes) -> Iterator[tuple[Codes, pl.DataFrame]]:
    """Features of these candidates, whole lists at a time, with their places in ``listed``."""
    candidates = made.scored.candidates.at(listed)
    features_read = made.serving.ranker.features_read
    return feature_blocks(candidates, made.source, made.before, features_read)


def _of_blocks(
    blocks: Sequence[tuple[Codes, pl.DataFrame]], listed: Codes
) -> Iterator[tuple[Codes, pl.DataFrame]]:
    """The same, of features at hand."""
    place = np.argsort(np.concatenate([at for at, _ in blocks]))
    yield np.arange(len(listed)), pl.concat([rows for _, rows in blocks])[place[listed]]


def _tell(
    made: Recommended,
    rows: Codes,
    blocks: Iterable[tuple[Codes, pl.DataFrame]],
    sentences: Sentences,
    texts: np.ndarray,
) -> None:
    """Write the reasons of these rows that the score placed; whole lists at a time."""
    ranker, lists = made.serving.ranker, made.lists
    is_by_score = lists.placed_by_R == PLACED_BY.index(SCORE)
    for at, features in blocks:
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
