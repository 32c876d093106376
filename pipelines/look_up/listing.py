"""``look_up_listing``: what a listing is, how it does, whom it is recommended to, and why not."""

from __future__ import annotations

from datetime import date

import polars as pl

from data.counted import counted
from data.schema.market_names import market_in_words
from data.schema.tables import IMPRESSIONS
from data.schema.types import BOOKED, CLICKED, CONTACTED
from features.formulas.nightly_price import nightly_price
from pipelines.look_up.asking import Asking, AskingError
from pipelines.look_up.found import Found, Section
from pipelines.look_up.ids import known_guest, known_listing, known_search
from pipelines.look_up.provenance import data_note
from pipelines.look_up.recommended_rows import DayOfLists, day_of_lists, day_to_ask
from pipelines.look_up.searches import day_in_words, searches_by_id
from pipelines.look_up.stays import listing_in_words, percent, placed_in_short
from pipelines.look_up.what_if import ask_again
from pipelines.look_up.who import made_by
from pipelines.look_up.why_not import why
from pipelines.run_context import RunContext

__all__ = ["look_up_listing"]

_STAGES = {"clicks": CLICKED, "contacts": CONTACTED, "bookings": BOOKED}


def look_up_listing(  # noqa: PLR0913  # the same words as the command's options
    context: RunContext,
    id_listing: str,
    *,
    guest: str | None = None,
    search: str | None = None,
    checkin: date | str | None = None,
    nights: int | None = None,
    guests: int | None = None,
    market: str | None = None,
    top: int = 10,
) -> Found:
    """A listing: what it is, its price and place, how it does, and to whom it is recommended.

    With ``guest`` or ``search`` also why that guest, or that search, is recommended it or not; with
    ``checkin``, ``nights``, ``guests`` or ``market`` for these instead of the search's own.

    Frames: ``listing`` (one row per market: its latest columns), ``days`` (one row per market and
    day: impressions, clicks, contacts, bookings), ``recommended`` (rows of ``recommendations``),
    and with a question ``asked`` (the list of the guest or search).

    Raises ``DataError`` for an id that the log does not know, naming the nearest, and
    :class:`~pipelines.look_up.asking.AskingError` for what no search can ask.
    """
    asking = Asking.of(checkin=checkin, nights=nights, guests=guests, market=market)
    if guest is not None and search is not None:
        raise AskingError("say either a guest or a search, not both")
    if asking and guest is None and search is None:
        raise AskingError("say for whom: a guest (--guest ID) or a search (--search ID)")
    known = known_listing(context, id_listing)
    impressions = context.lake.scan(IMPRESSIONS.name)
    rows = impressions.filter(pl.col("id_listing") == known)
    latest, days = _latest(rows), _days(rows)
    lists = day_of_lists(context)
    recommended = _recommended(lists, known)
    sections = [
        _what_it_is(latest, rows),
        _how_it_does(days, impressions),
        _to_whom(context, recommended, lists, known, top),
    ]
    frames = {"listing": latest, "days": days, "recommended": recommended}
    if guest is not None or search is not None:
        asked_by, whose = _asked_by(context, impressions, guest, search)
        answer = ask_again(context, asked_by, asking, day_to_ask(context, lists))
        sentences = (
            f"{answer.search.in_words()}.",
            *why(answer, known, context.settings.recommendation),
            *answer.who,
        )
        sections.append(Section(heading=f"Is it recommended to {whose}?", sentences=sentences))
        frames["asked"] = answer.query.table
    return Found(
        title=f"Listing {known}{data_note(context)}", sections=tuple(sections), frames=frames
    )


def _asked_by(
    context: RunContext, impressions: pl.LazyFrame, guest: str | None, search: str | None
) -> tuple[pl.LazyFrame, str]:
    if guest is not None:
        id_user = known_guest(context, guest)
        return impressions.filter(pl.col("id_user") == id_user), f"guest {id_user}"
    id_search = known_search(context, search or "")
    return impressions.filter(pl.col("id_search") == id_search), f"search {id_search}"


def _latest(rows: pl.LazyFrame) -> pl.DataFrame:
    names = rows.collect_schema().names()
    wanted = [n for n in names if n.startswith(("listing_", "x_listing_"))]
    return (
        rows.sort("search_s", "id_search")
        .unique("market", keep="last", maintain_order=True)
        .select("market", "id_listing", *wanted)
        .sort("market")
        .collect()
    )


def _days(rows: pl.LazyFrame) -> pl.DataFrame:
    return (
        rows.group_by("market", "ds_search")
        .agg(
            impressions=pl.len(),
            **{name: (pl.col("stage") >= int(stage)).sum() for name, stage in _STAGES.items()},
        )
        .sort("market", "ds_search")
        .collect()
    )


def _what_it_is(latest: pl.DataFrame, rows: pl.LazyFrame) -> Section:
    sentences = []
    for row in latest.iter_rows(named=True):
        sentences.append(f"{market_in_words(row['market'])}: {listing_in_words(row)}.")
        lat, lng = row.get("listing_lat"), row.get("listing_lng")
        if lat is not None and lng is not None:
            sentences.append(f"It lies at {lat:.5f}, {lng:.5f}.")
        sentences.append(_price(rows.filter(pl.col("market") == row["market"])))
        fewest, most = row.get("listing_minimum_nights"), row.get("listing_maximum_nights")
        if fewest is not None:
            upto = "" if most is None else f", {most:,} at most"
            sentences.append(f"It is let for {counted(fewest, 'night')} at least{upto}.")
        fee = row.get("listing_cleaning_fee")
        if fee is not None:
            sentences.append(f"The cleaning fee is {fee:,.0f} a stay.")
        if (occupancy := row.get("listing_occupancy_rate")) is not None:
            sentences.append(f"{percent(occupancy)} of its nights are booked.")
    return Section(heading="What it is", sentences=tuple(sentences))


def _price(rows: pl.LazyFrame) -> str:
    names = rows.collect_schema().names()
    if "listing_total_price" not in names:
        return "The log has no prices."
    each = rows.select(nightly_price(names).alias("price")).collect()["price"].drop_nulls()
    if each.is_empty():
        return "It never showed a price."
    low, middle, high = (each.quantile(q, "nearest") for q in (0.0, 0.5, 1.0))
    spread = "" if low == high else f" (from {low:,.0f} to {high:,.0f}, by dates and length)"
    return f"A night costs {middle:,.0f} in the middle of what was shown{spread}."


def _how_it_does(days: pl.DataFrame, impressions: pl.LazyFrame) -> Section:
    sentences = []
    for (market,), rows in days.group_by(["market"], maintain_order=True):
        shown = int(rows["impressions"].sum())
        of_market = (
            impressions.filter(pl.col("market") == market)
            .select(
                shown=pl.len(),
                **{n: (pl.col("stage") >= int(stage)).sum() for n, stage in _STAGES.items()},
            )
            .collect()
            .row(0, named=True)
        )
        here = market_in_words(str(market))
        parts = [
            f"{name} {int(rows[name].sum())} ({percent(int(rows[name].sum()) / shown)} of its "
            f"impressions; {here}: {percent(of_market[name] / of_market['shown'])})"
            for name in _STAGES
        ]
        first, last = rows["ds_search"][0], rows["ds_search"][-1]
        sentences.append(
            f"Shown {counted(shown, 'time')} from {day_in_words(first)} to {day_in_words(last)}: "
            f"{', '.join(parts)}."
        )
    header = ("day", "shown", *_STAGES)
    table = tuple(
        (f"{row['ds_search']:%a %d %b}", *(str(row[n]) for n in ("impressions", *_STAGES)))
        for row in days.tail(14).iter_rows(named=True)
    )
    return Section(heading="How it does", sentences=tuple(sentences), header=header, rows=table)


def _recommended(lists: DayOfLists | None, id_listing: str) -> pl.DataFrame:
    if lists is None:
        return pl.DataFrame()
    rows = lists.rows.filter(pl.col("id_listing") == id_listing)
    return rows.sort("rank", "score", "id_search", descending=[False, True, False]).collect()


def _to_whom(
    context: RunContext,
    recommended: pl.DataFrame,
    lists: DayOfLists | None,
    id_listing: str,
    top: int,
) -> Section:
    heading = "To whom it is recommended"
    if lists is None:
        why_none = ("Nothing is recommended in this home yet: stayrank recommend.",)
        return Section(heading=heading, sentences=why_none)
    of_market = lists.rows.filter(pl.col("market").is_in(recommended["market"].unique().implode()))
    lists_there = of_market.select(pl.col("id_search").n_unique()).collect().item()
    if recommended.is_empty():
        return Section(
            heading=heading,
            sentences=(
                f"To nobody on {lists.in_words()}.",
                f"Why not to a guest: stayrank show listing {id_listing} --guest GUEST",
            ),
        )
    first = int((recommended["rank"] == 1).sum())
    among = int((recommended["rank"] <= 10).sum())
    head = recommended.head(top)
    asked = searches_by_id(context.lake.scan(IMPRESSIONS.name), head["id_search"])
    rows = []
    for row in head.iter_rows(named=True):
        search = asked.get(row["id_search"])
        words = "not in the log any more" if search is None else search.in_short()
        price = row["estimated_total_price"]
        rows.append(
            (
                str(row["rank"]),
                row["id_user"] or "without an id",
                words,
                "–" if price is None else f"{price:,.0f}",
                placed_in_short(row["placed_by"]),
            )
        )
    often = (
        f"On {lists.in_words()}, in {recommended.height:,} of the {lists_there:,} lists of its "
        f"market: {counted(among, 'time')} among the first ten, "
        f"{counted(first, 'time')} at the top."
    )
    return Section(
        heading=heading,
        sentences=(
            often,
            made_by(context, recommended["ranker_version"][0]),
            *(["Where it stands highest:"] if recommended.height > len(rows) else []),
        ),
        header=("place", "guest", "search", "price of the stay", "placed by"),
        rows=tuple(rows),
    )
