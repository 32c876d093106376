"""The report's part on the marketplace: unmet demand, hosts to recruit, prices by area."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl

from data.counted import counted
from data.schema.market_names import market_in_words
from data.schema.tables import IMPRESSIONS
from models.evaluation.config import EvaluationConfig
from pipelines.analysis.marketplace_by_area import (
    hosts_by_area,
    prices_by_area,
    tells_demand,
    tells_supply,
    unmet_by_area,
)
from pipelines.analysis.search_log import latest_listings
from pipelines.run_context import RunContext

__all__ = ["marketplace_of", "parts_of"]

# The newest days of a long log: what is wanted now, and no more rows than memory holds.
DAYS = 28
ROWS = 8
FEWEST = EvaluationConfig.fewest


def marketplace_of(context: RunContext) -> dict[str, Any]:
    """Days that are looked at, and a title, sentence and table for each question.

    Without a part where the log does not tell what its question needs.
    """
    impressions = context.lake.scan(IMPRESSIONS.name)
    last = impressions.select(pl.col("ds_search").max()).collect().item()
    if last is None:
        return {"days": "", "parts": []}
    first = max(last - timedelta(days=DAYS - 1), _first_day(impressions))
    recent = impressions.filter(pl.col("ds_search") >= first)
    return {"days": f"{first} to {last}", "parts": parts_of(recent)}


def parts_of(impressions: pl.LazyFrame) -> list[dict[str, Any]]:
    """Unmet demand, hosts to recruit and prices of these impressions."""
    columns = impressions.collect_schema().names()
    has_demand, has_supply = tells_demand(columns), tells_supply(columns)
    listings = latest_listings(impressions) if has_supply else None
    parts = [_unmet(unmet_by_area(impressions))] if has_demand else []
    if listings is not None:
        parts += [_hosts(hosts_by_area(impressions, listings))] if has_demand else []
        parts.append(_prices(prices_by_area(listings)))
    return [part for part in parts if part is not None]


def _first_day(impressions: pl.LazyFrame) -> date:
    day: date = impressions.select(pl.col("ds_search").min()).collect().item()
    return day


def _unmet(areas: pl.DataFrame) -> dict[str, Any] | None:
    shown = areas.filter((pl.col("unmet") > 0) & (pl.col("searches") >= FEWEST)).head(ROWS)
    if shown.is_empty():
        return None
    most = shown.row(0, named=True)
    line = (
        f"Most unmet demand: {_place(most)}, check-in in the week of {most['week']}: of "
        f"{counted(most['searches'], 'search')} about {most['unmet']:,.0f} more than usual in "
        f"{market_in_words(most['market'])} found nothing to click on."
    )
    header = ["market", "neighbourhood", "check-in week", "searches", "clicked", "in the market"]
    return {
        "title": "Unmet demand",
        "line": line,
        "table": {
            "header": [*header, "without a click, above the usual"],
            "words": ["market", "neighbourhood"],
            "rows": [
                [
                    market_in_words(row["market"]),
                    row["area"],
                    str(row["week"]),
                    f"{row['searches']:,}",
                    f"{row['click_rate']:.0%}",
                    f"{row['market_rate']:.0%}",
                    f"{row['unmet']:,.0f}",
                ]
                for row in shown.iter_rows(named=True)
            ],
            "classes": None,
        },
        "note": "Rates of few searches are drawn towards the market's. A search without a click "
        "may have been idle, or repeated and clicked a minute later.",
    }


def _hosts(areas: pl.DataFrame) -> dict[str, Any] | None:
    shown = areas.filter((pl.col("wanted") >= 1) & (pl.col("searches") >= FEWEST)).head(ROWS)
    if shown.is_empty():
        return None
    most = shown.row(0, named=True)
    line = (
        f"Hosts to recruit first: {_place(most)}, for parties of {most['capacity']}: "
        f"{counted(most['searches'], 'search')} meet {counted(most['listings'], 'listing')}; "
        f"{counted(round(most['wanted']), 'listing')} more would make it as usual in "
        f"{market_in_words(most['market'])}."
    )
    return {
        "title": "Hosts to recruit",
        "line": line,
        "table": {
            "header": ["market", "neighbourhood", "guests", "searches", "listings", "wanted"],
            "words": ["market", "neighbourhood"],
            "rows": [
                [
                    market_in_words(row["market"]),
                    row["area"],
                    row["capacity"],
                    f"{row['searches']:,}",
                    f"{row['listings']:,}",
                    f"{row['wanted']:,.0f}",
                ]
                for row in shown.iter_rows(named=True)
            ],
            "classes": None,
        },
        "note": "Wanted: so many more listings of that size would bring the searches per listing "
        "to the market's own. Guests search near where listings are; demand that no listing ever "
        "attracted is not seen.",
    }


def _prices(areas: pl.DataFrame) -> dict[str, Any] | None:
    shown = areas.filter((pl.col("dear") > 0) & (pl.col("listings") >= FEWEST)).head(ROWS)
    if shown.is_empty():
        return None
    dear, compared = (int(areas[name].sum()) for name in ("dear", "listings"))
    cheap = int(areas["cheap"].sum())
    most = shown.row(0, named=True)
    line = (
        f"Of {counted(compared, 'listing')} with at least five comparable stays {dear:,} ask at "
        f"least 1.25 times their middle price, most of them in {_place(most)} "
        f"({most['dear']:,}), and {cheap:,} less than 0.8 times."
    )
    return {
        "title": "Price guidance",
        "line": line,
        "table": {
            "header": [
                "market",
                "neighbourhood",
                "listings",
                "dear",
                "cheap",
                "clicks of the dear",
                "clicks of comparable",
            ],
            "words": ["market", "neighbourhood"],
            "rows": [
                [
                    market_in_words(row["market"]),
                    row["area"],
                    f"{row['listings']:,}",
                    f"{row['dear']:,}",
                    f"{row['cheap']:,}",
                    f"{row['dear_click_rate']:.1%}",
                    f"{row['comparable_click_rate']:.1%}",
                ]
                for row in shown.iter_rows(named=True)
            ],
            "classes": None,
        },
        "note": "Comparable: same market, kind of room, size and area of about 2 km. Dear and "
        "clicked less: hosts to talk to. Cheap: room for a higher price. Style, view and photos "
        "are not in the log.",
    }


def _place(row: dict[str, Any]) -> str:
    return f"{row['area']} in {market_in_words(row['market'])}"
