"""``look_up_guest``: one guest's search and past, what was shown, and what is recommended."""

from __future__ import annotations

from datetime import date

import polars as pl

from data.errors import DataError
from data.schema.tables import IMPRESSIONS
from data.schema.time import DAY_S, date_of
from pipelines.candidates.catalogue import catalogue_of
from pipelines.candidates.queries import latest_queries
from pipelines.look_up.asking import Asking
from pipelines.look_up.found import Found, Section
from pipelines.look_up.ids import known_guest
from pipelines.look_up.list_sections import asked_section, list_sections
from pipelines.look_up.past import guest_past, past_section, touched_in_words
from pipelines.look_up.provenance import data_note
from pipelines.look_up.recommended_rows import (
    DayOfLists,
    day_of_lists,
    day_to_ask,
)
from pipelines.look_up.searches import Search, day_in_words
from pipelines.look_up.side_by_side import most_clicked, shown_by, side_by_side, side_frame
from pipelines.look_up.what_if import Answer, ask_again, own_search
from pipelines.run_context import RunContext

__all__ = ["look_up_guest"]

SHOWN, RECOMMENDED, POPULAR = "shown", "recommended", "most clicked (popularity)"
ASKED_NOW = "recommended for what is asked"
_MOST_SHOWN = 1_000


def look_up_guest(
    context: RunContext,
    id_user: str,
    *,
    checkin: date | str | None = None,
    nights: int | None = None,
    guests: int | None = None,
    market: str | None = None,
    top: int = 10,
) -> Found:
    """A guest's latest search, what was known of the guest before it, and the recommended list.

    With ``checkin``, ``nights``, ``guests`` or ``market`` also what the guest would be recommended
    for these: the same search otherwise. That list is made now, with the models that the daily
    batch takes, and written nowhere.

    Frames: ``search`` (the impressions of the search, in their order), ``past`` (what was shown to
    the guest before it, with ``known_stage``), ``side_by_side``, ``recommended`` (rows of
    ``recommendations``); with a question ``asked`` (the same, for what is asked).

    Args:
        context: home and settings.
        id_user: as the log has it.
        checkin: a first night, such as ``2026-02-13``.
        nights: of the stay.
        guests: adults who sleep there.
        market: as the log or people write it.
        top: places of each list that are told.

    Raises ``DataError`` for a guest whom the log does not know, naming the nearest, and
    :class:`~pipelines.look_up.asking.AskingError` for what no search can ask.
    """
    asking = Asking.of(checkin=checkin, nights=nights, guests=guests, market=market)
    guest = known_guest(context, id_user)
    lists = day_of_lists(context)
    impressions = context.lake.scan(IMPRESSIONS.name)
    rows = impressions.filter(pl.col("id_user") == guest)
    day = day_to_ask(context, lists)
    own = own_search(rows, day)
    if own is None:
        first = rows.select(pl.col("search_day").min()).collect().item()
        raise DataError(
            f"the first search of guest {guest} is of {day_in_words(date_of(first))}, and this "
            f"home's recommendations are those of {day_in_words(date_of(day))}: make those of a "
            "later day, stayrank recommend --date YYYY-MM-DD"
        )
    answer = ask_again(context, rows, asking, day) if asking else None
    return _found(context, guest, own, lists, day, answer, top)


def _found(
    context: RunContext,
    guest: str,
    own: Search,
    lists: DayOfLists | None,
    day: int,
    answer: Answer | None,
    top: int,
) -> Found:
    impressions = context.lake.scan(IMPRESSIONS.name)
    before = impressions.filter(pl.col("search_day") < day)
    rows = before.filter(pl.col("id_user") == guest)
    shown = shown_by(before, own.id_search, day * DAY_S)
    past = guest_past(before, guest, int(shown["search_s"][0]))
    table = _rows_of_guest(lists, guest)
    columns = {SHOWN: shown["id_listing"].to_list(), RECOMMENDED: table["id_listing"].to_list()}
    if answer is None:
        query = latest_queries(rows, day)
        catalogue = catalogue_of(before.filter(pl.col("market") == own.market))
        columns[POPULAR] = most_clicked(before, query, catalogue)
        asked = None
    else:
        source = answer.query.made.source
        asked = answer.query.table
        columns[ASKED_NOW] = asked["id_listing"].to_list()
        columns[POPULAR] = most_clicked(before, source.queries, source.catalogue)
    columns = {name: ids for name, ids in columns.items() if ids or name == SHOWN}
    sections = [
        _search_section(own, shown, day),
        past_section(past, "What was known of the guest before it"),
        *([] if answer is None else [asked_section(answer)]),
        side_by_side("Side by side", columns, shown, top),
        *(list_sections(context, own, lists, table, before, answer, top)),
    ]
    frames = {
        "search": shown,
        "past": past,
        "side_by_side": side_frame(columns),
        "recommended": table,
        **({} if asked is None else {"asked": asked}),
    }
    return Found(
        title=f"Guest {guest}{data_note(context)}", sections=tuple(sections), frames=frames
    )


def _search_section(own: Search, shown: pl.DataFrame, day: int) -> Section:
    known = f"as known on the morning of {day_in_words(date_of(day))}"
    return Section(
        heading=f"The latest search, {own.id_search}",
        sentences=(
            f"{own.in_words()}.",
            f"Searched on {own.when()}.",
            f"It showed {touched_in_words(shown)} ({known}).",
        ),
    )


def _rows_of_guest(lists: DayOfLists | None, guest: str) -> pl.DataFrame:
    if lists is None:
        return pl.DataFrame(
            {"id_listing": [], "rank": []}, schema_overrides={"id_listing": pl.String}
        )
    return lists.rows.filter(pl.col("id_user") == guest).sort("rank").collect()
