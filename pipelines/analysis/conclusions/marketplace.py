"""What new listings suffer, and what the tables of the marketplace come to."""

from __future__ import annotations

import polars as pl

from data.counted import counted
from data.schema.market_names import market_in_words
from data.simulator.area_names import area_name
from models.evaluation.sample_size import FEWEST, is_too_few, too_few
from pipelines.analysis.conclusions.conclusion import Conclusion, by_market, listed, per_cent

__all__ = [
    "about_bookings",
    "about_exposure",
    "about_newness",
    "about_prices",
    "about_recruits",
    "about_unmet",
]

DEAR, CHEAP = 1.25, 0.8
AREAS_TOLD = 3


def about_newness(ranks: pl.DataFrame) -> Conclusion:
    """Of :func:`pipelines.analysis.model_analysis.ranks_by_newness`."""
    parts = []
    for market, rows in by_market(ranks):
        new, known = (rows.filter(pl.col("listing_is_new") == is_new) for is_new in (True, False))
        seen = int(new["rows"].sum())
        if is_too_few(seen) or known.is_empty():
            parts.append(f"{market}: new listings are {too_few(seen)}")
            continue
        one, other = new.row(0, named=True), known.row(0, named=True)
        lower = one["mean_place"] > other["mean_place"]
        parts.append(
            f"{market}: new listings stand {'lower' if lower else 'no lower'} than known ones "
            f"({per_cent(one['top_share'], 0)} against {per_cent(other['top_share'], 0)} of their "
            f"results among the first ten) and were clicked in {per_cent(one['click_rate'])} "
            f"against {per_cent(other['click_rate'])}"
        )
    return Conclusion(f"{'; '.join(parts)}." if parts else "The log does not tell new listings.")


def about_exposure(curve: pl.DataFrame) -> Conclusion:
    """Of the diagnostic ``trade_off``: the largest bonus that costs no more than is allowed."""
    if curve.is_empty():
        return Conclusion("No policy was tried.")
    most_loss = float(curve["most_loss"][0])
    allowed = curve.filter((pl.col("value_change") >= -most_loss) & (pl.col("bonus") > 0))
    booked = int(curve["bookings"].max() or 0)  # type: ignore[arg-type]
    bookings = (
        f" Bookings of new listings in a first ten are {too_few(booked)}: whether they gain any "
        "cannot be said."
        if is_too_few(booked)
        else ""
    )
    if allowed.is_empty():
        return Conclusion(
            f"Every bonus costs more than the {per_cent(most_loss)} of value that is allowed."
            f"{bookings}"
        )
    best = allowed.sort("bonus").row(-1, named=True)
    return Conclusion(
        f"A bonus of {best['bonus']:g} is the largest within the {per_cent(most_loss)} of value "
        f"that it may cost: exposure of new listings {best['exposure_change']:+.0%}, value "
        f"{best['value_change']:+.2%}.{bookings}"
    )


def about_unmet(unmet: pl.DataFrame) -> Conclusion:
    """Of :func:`pipelines.analysis.marketplace.unmet_demand`: the area and week that stand out."""
    worst = unmet.filter((pl.col("unmet") > 0) & (pl.col("searches") >= FEWEST))
    if worst.is_empty():
        return Conclusion("No area with enough searches is clicked less than its market.")
    first = worst.sort("unmet", descending=True).row(0, named=True)
    total = float(unmet["unmet"].sum())
    return Conclusion(
        f"Most demand goes unmet around {_place(first)} for check-ins from {first['week']:%d %b}: "
        f"{first['unmet']:,.0f} of {counted(first['searches'], 'search')} without a click above "
        f"what the market's own {per_cent(first['market_rate'], 0)} would leave, "
        f"{first['unmet'] / total:.0%} of all such searches."
    )


def about_prices(guidance: pl.DataFrame) -> Conclusion:
    """Of :func:`pipelines.analysis.marketplace.price_guidance`: are dear ones clicked less?"""
    if is_too_few(guidance.height):
        return Conclusion(f"Listings with comparable ones are {too_few(guidance.height)}.")
    parts = []
    for word, rows in (
        ("dearer", guidance.filter(pl.col("price_ratio") >= DEAR)),
        ("cheaper", guidance.filter(pl.col("price_ratio") < CHEAP)),
    ):
        edge = f"at least {DEAR:g} times" if word == "dearer" else f"below {CHEAP:g} times"
        if is_too_few(rows.height):
            parts.append(f"those {edge} the median of comparable ones are {too_few(rows.height)}")
            continue
        own = float(rows["click_rate"].mean() or 0)  # type: ignore[arg-type]
        usual = float(rows["comparable_click_rate"].mean() or 0)  # type: ignore[arg-type]
        parts.append(
            f"{counted(rows.height, 'listing')} {edge} the median of comparable ones are clicked "
            f"in {per_cent(own)} of their results, comparable ones in {per_cent(usual)}"
        )
    text = "; ".join(parts)
    return Conclusion(f"{text[:1].upper()}{text[1:]}.")


def about_recruits(wanted: pl.DataFrame) -> Conclusion:
    """Of :func:`pipelines.analysis.marketplace.hosts_to_recruit`: where, and for how many."""
    some = wanted.filter((pl.col("wanted") >= 1) & (pl.col("searches") >= FEWEST))
    if some.is_empty():
        return Conclusion("No area with enough searches has fewer listings than its market.")
    parts = [
        f"{row['wanted']:,.0f} for {row['capacity']} guests around {_place(row)}"
        for row in some.sort("wanted", descending=True).head(AREAS_TOLD).iter_rows(named=True)
    ]
    return Conclusion(f"To level searches per listing, most are missing: {listed(parts)}.")


def about_bookings(days: pl.DataFrame) -> Conclusion:
    """Of :func:`pipelines.analysis.marketplace.expected_bookings`: how much is still to come."""
    if days.is_empty() or is_too_few(int(days["observed"].sum())):
        few = int(days["observed"].sum()) if days.height else 0
        return Conclusion(f"Bookings are {too_few(few)}: their delays cannot be learnt.")
    seen, expected = float(days["observed"].sum()), float(days["expected"].sum())
    last = days.sort("ds_search").row(-1, named=True)
    return Conclusion(
        f"{seen:,.0f} bookings are in and about {max(0.0, expected - seen):,.0f} more are "
        f"expected; of the last day, {last['ds_search']:%d %b}, the log holds "
        f"{per_cent(last['completeness'])} of what it will hold in the end."
    )


def _place(row: dict[str, object]) -> str:
    """``Copacabana, Rio de Janeiro``, or the middle of the cell where no name is known."""
    market, lat, lng = str(row["market"]), float(str(row["area_lat"])), float(str(row["area_lng"]))
    name = area_name(market, lat, lng) or f"{lat:.2f}, {lng:.2f}"
    return f"{name}, {market_in_words(market)}"
