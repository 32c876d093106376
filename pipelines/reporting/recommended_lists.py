"""Recommendations on the terminal: what was written, or what a trial would have given."""

from __future__ import annotations

import polars as pl
from rich import box
from rich.markup import escape
from rich.table import Table

from data.counted import counted
from data.schema.market_names import market_in_words
from data.schema.tables import RECOMMENDATIONS
from pipelines.config.console import program
from pipelines.recommendation.published_pointer import read_published
from pipelines.run_context import RunContext

__all__ = ["say_trial", "say_written"]

GUESTS_SHOWN = 2
ROWS_SHOWN = 10
KEY = ("id_search", "rank", "id_listing")


def say_written(context: RunContext) -> None:
    """How many rows the newest write left for its day, and that what is published stays."""
    say, lake = context.console.say, context.lake
    version = context.version(RECOMMENDATIONS.name)
    rows = lake.rows(RECOMMENDATIONS.name)
    say(f"the table {RECOMMENDATIONS.name} holds {counted(rows, 'row')} now, version {version}")
    pointer = read_published(context.home)
    if pointer is not None:
        say(
            f"published is still what was: the lists for {pointer.ds}, version {pointer.version} "
            f"of the table; {program()} daily {context.home.option} publishes"
        )


def say_trial(context: RunContext, rows: pl.DataFrame) -> None:
    """A trial's size, how it compares with the table's rows of the day, and lists of some guests.

    ``rows``: in the columns of ``recommendations``; not empty.
    """
    say, day = context.console.say, rows["ds"][0]
    guests, top = rows["id_search"].n_unique(), max(rows["rank"].to_list())
    say(
        f"a trial: {counted(rows.height, 'row')}, up to {top} listings for each of "
        f"{counted(guests, 'guest')}, for {day}. Nothing was written."
    )
    say(_beside_table(context, rows))
    for market in rows["market"].unique().sort()[:GUESTS_SHOWN]:
        in_market = rows.filter(pl.col("market") == market)
        first = in_market.filter(pl.col("id_search") == in_market["id_search"].min())
        context.console.out.print(_table(first.sort("rank").head(ROWS_SHOWN)))
    say(
        f"To write these rows in place of the day's: {program()} recommend --top {top} --replace "
        f"{context.home.option}"
    )


def _beside_table(context: RunContext, rows: pl.DataFrame) -> str:
    day = rows["ds"][0]
    if not context.lake.exists(RECOMMENDATIONS.name):
        return f"the table {RECOMMENDATIONS.name} is not there yet, and was not made"
    there = context.lake.scan(RECOMMENDATIONS.name).filter(pl.col("ds") == day)
    kept = there.select(KEY).collect()
    if kept.is_empty():
        return f"the table {RECOMMENDATIONS.name} has no rows for {day}, and got none"
    same = rows.select(KEY).join(kept, on=KEY, how="semi").height
    return (
        f"the table keeps its {counted(kept.height, 'row')} for {day}; {same / rows.height:.0%} "
        "of the trial's places hold the listing that stands there too"
    )


def _table(rows: pl.DataFrame) -> Table:
    market, guest = market_in_words(rows["market"][0]), rows["id_user"][0]
    whom = f"guest {guest}" if guest is not None else f"the guest of search {rows['id_search'][0]}"
    table = Table(
        title=escape(f"{whom}, {market}"), title_justify="left", box=box.SIMPLE_HEAD, title_style=""
    )
    for name in ("rank", "listing", "price of the stay"):
        table.add_column(name, justify="left" if name == "listing" else "right", no_wrap=True)
    table.add_column("what speaks for it")
    for row in rows.iter_rows(named=True):
        price = row["estimated_total_price"]
        cells = [str(row["rank"]), row["id_listing"], "–" if price is None else f"{price:,.0f}"]
        # ids and reasons hold what a log held: brackets in them are no markup
        table.add_row(*(escape(cell) for cell in (*cells, row["reasons"] or "–")))
    return table
