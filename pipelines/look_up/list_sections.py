"""The recommended lists in full: what stands in the table, and what is asked instead."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from data.schema.time import date_of
from pipelines.look_up.found import Section
from pipelines.look_up.recommended_rows import DayOfLists, entries, latest_listings
from pipelines.look_up.searches import Search, day_in_words
from pipelines.look_up.what_if import Answer
from pipelines.look_up.who import made_by
from pipelines.run_context import RunContext

__all__ = ["asked_section", "list_sections"]

PRICES = "Prices are estimates, in the currency of the log."


def asked_section(answer: Answer) -> Section:
    return Section(
        heading="What is asked instead",
        sentences=(f"{answer.search.in_words()}.", *answer.who),
    )


def list_sections(
    context: RunContext,
    own: Search,
    lists: DayOfLists | None,
    table: pl.DataFrame,
    before: pl.LazyFrame,
    answer: Answer | None,
    top: int,
) -> list[Section]:
    """The lists in full: the one that is asked for, else the one of the table."""
    if answer is not None:
        asked, search = answer.query.table.head(top), answer.search
        listings = latest_listings(before, search.market, asked["id_listing"].to_list())
        heading = (
            f"Recommended for what is asked, on {day_in_words(date_of(answer.query.made.day))}"
        )
        if asked.is_empty():
            why = ("No listing of the market suits these nights and this party.",)
            return [Section(heading=heading, sentences=why)]
        section = entries(asked, search, listings, heading)
        return [replace(section, sentences=(PRICES, *section.sentences))]
    if lists is None:
        why = ("Nothing is recommended in this home yet: stayrank recommend.",)
        return [Section(heading="Recommended", sentences=why)]
    heading = f"Recommended for {lists.in_words()}"
    if table.is_empty():
        none = "No list of this guest stands among them."
        how = "Ask for one with --checkin and --nights, or make the day's anew: stayrank recommend."
        return [Section(heading=heading, sentences=(none, how))]
    first = table.head(top)
    listings = latest_listings(before, table["market"][0], first["id_listing"].to_list())
    section = entries(first, own, listings, heading)
    who = made_by(context, table["ranker_version"][0])
    notes = [who]
    if table["id_search"][0] != own.id_search:
        notes.append(f"The list was made for an earlier search, {table['id_search'][0]}.")
    return [replace(section, sentences=(*notes, PRICES, *section.sentences))]
