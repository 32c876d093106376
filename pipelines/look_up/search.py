"""``look_up_search``: one search: what it showed, and how the ranker and popularity order that."""

from __future__ import annotations

from datetime import date

import polars as pl

from data.schema.language import Language
from data.schema.tables import FEATURES, IMPRESSIONS
from data.schema.time import DAY_S, date_of
from data.schema.types import CLICKED
from features.sentences.every_sentence import Sentences
from models.explanations.reasons import reasons_in_words
from models.funnel.funnel_model import FunnelModel
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.look_up.asking import Asking
from pipelines.look_up.found import Found, Section
from pipelines.look_up.ids import known_search
from pipelines.look_up.list_sections import asked_section, list_sections
from pipelines.look_up.past import guest_past, past_section, touched_in_words
from pipelines.look_up.provenance import data_note
from pipelines.look_up.recommended_rows import day_of_lists, day_to_ask
from pipelines.look_up.searches import Search, day_in_words
from pipelines.look_up.side_by_side import orders_of_results, shown_by, side_frame
from pipelines.look_up.stays import listing_in_words
from pipelines.look_up.what_if import ask_again
from pipelines.look_up.who import recommends_now
from pipelines.promotion.select_serving_run import run_to_recommend_with
from pipelines.recommendation.serving_models import latest_run_with
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord, load_one

__all__ = ["look_up_search"]

SHOWN, BY_RANKER, BY_CLICKS = "as shown", "by the ranker", "by clicks so far (popularity)"
_WINDOWS = {
    "train": "The ranker has learnt from this search: that it orders it well says little.",
    "valid": "The ranker's settings were chosen on days with this search.",
    "test": "The ranker has not seen this search: it lies in the test window.",
}


def look_up_search(
    context: RunContext,
    id_search: str,
    *,
    checkin: date | str | None = None,
    nights: int | None = None,
    guests: int | None = None,
    market: str | None = None,
    top: int = 10,
) -> Found:
    """One search: its results as shown, as the ranker orders them, and by clicks before it.

    The order is told of the results that the search showed. Where a list was recommended for it, or
    something is asked instead, that list follows, made of the whole market.

    Frames: ``search`` (impressions, with ``rank``, ``score`` and ``reasons`` of the ranker where
    there is one), ``past`` (where the log has guests), ``side_by_side``, ``recommended``, and with
    a question ``asked``. Arguments and errors as of :func:`pipelines.look_up.guest.look_up_guest`.
    """
    asking = Asking.of(checkin=checkin, nights=nights, guests=guests, market=market)
    known = known_search(context, id_search)
    impressions = context.lake.scan(IMPRESSIONS.name)
    last = int(impressions.select(pl.col("search_day").max()).collect().item())
    shown = shown_by(impressions, known, (last + 1) * DAY_S)
    own = Search.of(shown.row(0, named=True))
    lists = day_of_lists(context)
    # A search of a later day than the lists is asked on the morning after the log.
    day = day_to_ask(context, lists)
    day = day if int(shown["search_day"][0]) < day else last + 1
    rows = impressions.filter(pl.col("id_search") == known)
    answer = ask_again(context, rows, asking, day) if asking else None
    ordered, notes = _by_ranker(context, shown, context.settings.recommendation.language)
    columns = {
        SHOWN: shown["id_listing"].to_list(),
        **({} if ordered is None else {BY_RANKER: ordered["id_listing"].to_list()}),
        BY_CLICKS: _by_clicks(impressions, shown),
    }
    second = int(shown["search_s"][0])
    past = None if own.id_user is None else guest_past(impressions, own.id_user, second)
    table = pl.DataFrame() if lists is None else _rows_of_search(lists.rows, known)
    before = impressions.filter(pl.col("search_day") < day)
    sections = [
        _search_section(own, shown, last),
        *(
            []
            if past is None
            else [past_section(past, f"What was known of guest {own.id_user} before it")]
        ),
        *([] if answer is None else [asked_section(answer)]),
        orders_of_results("Its results, in several orders", columns, shown, top),
        *([] if ordered is None else [_ranker_section(ordered, notes, top)]),
        *(
            list_sections(context, own, lists, table, before, answer, top)
            if answer is not None or table.height
            else []
        ),
    ]
    frames = {
        "search": shown if ordered is None else ordered,
        "side_by_side": side_frame(columns),
        "recommended": table,
        **({} if past is None else {"past": past}),
        **({} if answer is None else {"asked": answer.query.table}),
    }
    return Found(
        title=f"Search {known}{data_note(context)}", sections=tuple(sections), frames=frames
    )


def _rows_of_search(rows: pl.LazyFrame, id_search: str) -> pl.DataFrame:
    return rows.filter(pl.col("id_search") == id_search).sort("rank").collect()


def _search_section(own: Search, shown: pl.DataFrame, last: int) -> Section:
    who = "a guest without an id" if own.id_user is None else f"guest {own.id_user}"
    known = f"as known at the end of the log, {day_in_words(date_of(last))}"
    return Section(
        heading="The search",
        sentences=(
            f"{own.in_words()}.",
            f"Searched on {own.when()}, by {who}.",
            f"It showed {touched_in_words(shown)} ({known}).",
        ),
    )


def _by_clicks(impressions: pl.LazyFrame, shown: pl.DataFrame) -> list[str]:
    """The results by the clicks that each had before the search; as shown where these are equal."""
    clicks = (
        impressions.filter(
            pl.col("market") == shown["market"][0],
            pl.col("search_s") < shown["search_s"][0],
            pl.col("stage") >= int(CLICKED),
            pl.col("id_listing").is_in(shown["id_listing"].implode()),
        )
        .group_by("id_listing")
        .agg(clicks=pl.len())
        .collect()
    )
    counted = shown.join(clicks, on="id_listing", how="left", maintain_order="left")
    ordered = counted.sort(pl.col("clicks").fill_null(0), descending=True, maintain_order=True)
    return list(ordered["id_listing"].to_list())


def _by_ranker(
    context: RunContext, shown: pl.DataFrame, language: Language
) -> tuple[pl.DataFrame | None, tuple[str, ...]]:
    """The results with the ranker's ``rank``, ``score`` and ``reasons``, and who ranks.

    ``None`` where there are no features or no ranker yet.
    """
    if not context.lake.exists(FEATURES.name) or not context.home.newest_run():
        return None, ()
    keys = shown.select("id_search", "id_listing")
    features = context.lake.scan(FEATURES.name).filter(pl.col("id_search") == keys["id_search"][0])
    rows = keys.join(
        features.collect(), on=["id_search", "id_listing"], how="inner", maintain_order="left"
    )
    if rows.height != keys.height:
        # Not every result has its features: a log that was taken in after they were built.
        return None, ()
    serving = run_to_recommend_with(context)
    record = latest_run_with(context.home, serving.run, "ranker")
    ranker = load_one(context, record, "ranker")
    if not isinstance(ranker, FunnelModel):
        return None, ()
    table = arrow(rows)
    ordered = shown.with_columns(
        score=pl.Series(ranker.score(table)),
        reasons=pl.Series(
            reasons_in_words(ranker, table, Sentences(language)).to_pylist(), dtype=pl.String
        ),
    )
    ordered = ordered.sort("score", descending=True, maintain_order=True)
    notes = (
        *(line.replace("Recommended by", "Ranked by") for line in recommends_now(context, serving)),
        *_window(record, int(shown["search_day"][0])),
    )
    return ordered.with_row_index("rank", offset=1), notes


def _window(record: RunRecord, day: int) -> list[str]:
    for name, words in _WINDOWS.items():
        first, last = record.windows.get(name, (1, 0))
        if first <= day <= last:
            return [words]
    if record.windows and day > max(last for _, last in record.windows.values()):
        return [f"The search is of {date_of(day)}, after all that the ranker has seen."]
    return []


def _ranker_section(ordered: pl.DataFrame, notes: tuple[str, ...], top: int) -> Section:
    lines = list(notes)
    for row in ordered.head(top).iter_rows(named=True):
        total = row.get("listing_total_price")
        price = "no price shown" if total is None else f"{total:,.0f} for the stay"
        what = f"{listing_in_words(row)}; {price}"
        lines.append(f"{row['rank']:>2}  {row['id_listing']} (shown at {row['place']}): {what}")
        if row["reasons"]:
            lines.append(f"    why: {row['reasons']}")
    return Section(heading="As the ranker orders its results", sentences=tuple(lines))
