"""What the two-tower finds, what it takes for alike, and what becomes of cold listings."""

from __future__ import annotations

import numpy as np
import polars as pl

from data.counted import counted
from models.evaluation.sample_size import FEWEST, is_too_few, too_few
from models.evaluation.scorecard import Score, Scorecard
from pipelines.analysis.conclusions.conclusion import Conclusion, listed, per_cent, times

__all__ = ["about_cold_listings", "about_neighbours", "about_recall"]

RECALL = "catalogue_recall_at_100"
TOWER, REFERENCE = "two_tower", "popularity"
NEAR, DEAR = 0.5, 1.25


def about_recall(evaluation: Scorecard) -> Conclusion:
    """The share of taken listings among the first hundred of the whole catalogue."""
    found = {s.model: s for s in evaluation.scores if s.metric == RECALL and s.segment == "all"}
    known = {model: s for model, s in found.items() if not s.is_too_few}
    if TOWER not in known:
        few = found.get(TOWER)
        return Conclusion(
            f"The searches with a taken listing are {too_few(few.searches)}."
            if few
            else "This run has no two-tower that retrieval was measured of."
        )
    others = [m for m in known if m not in {TOWER, "candidates"}]
    best = max(others, key=lambda model: known[model].value, default="")
    text = f"Of what guests took, the first hundred of the two-tower hold {_of(known[TOWER])}"
    if best:
        text += f"; the best of the others, {best}, {_of(known[best])}"
    if "candidates" in known:
        text += f"; together, as candidates are drawn, they hold {_of(known['candidates'])}"
    return Conclusion(f"{text}.")


def _of(score: Score) -> str:
    if score.low is None or score.high is None:
        return per_cent(score.value)
    return f"{per_cent(score.value)} ({per_cent(score.low)} to {per_cent(score.high)})"


def about_neighbours(neighbours: pl.DataFrame, market: pl.DataFrame) -> Conclusion:
    """In what the nearest vectors are alike, and in what not, beside any listing of the market.

    ``neighbours`` as :func:`pipelines.analysis.model_analysis.neighbours_of` gives them, the
    listing itself first; ``market`` the rows that they were chosen from.
    """
    itself, others = neighbours.row(0, named=True), neighbours.slice(1)
    if is_too_few(market.height) or others.is_empty():
        return Conclusion(f"The listings of the market are {too_few(market.height)}.")
    alike: list[str] = []
    unlike: list[str] = []
    columns = set(neighbours.columns)
    if {"listing_lat", "listing_lng"} <= columns:
        near, usual = (_distance_km(part, itself) for part in (others, market))
        text = f"place (half within {near:.1f} km; of the whole market within {usual:.1f} km)"
        (alike if near <= NEAR * usual else unlike).append(text)
    if "listing_room_type" in columns:
        same = pl.col("listing_room_type") == itself["listing_room_type"]
        share, usual = (part.select(same.mean()).item() or 0.0 for part in (others, market))
        text = f"kind ({share:.0%} {itself['listing_room_type']}; of the market {usual:.0%})"
        (alike if share > usual else unlike).append(text)
    if "listing_nightly_price" in columns and itself["listing_nightly_price"]:
        price = float(others["listing_nightly_price"].median() or 0)  # type: ignore[arg-type]
        ratio = price / itself["listing_nightly_price"]
        text = f"price (their median is {times(ratio)} its own)"
        (alike if 1 / DEAR <= ratio <= DEAR else unlike).append(text)
    return Conclusion(
        f"The {counted(others.height, 'nearest listing')} are alike to it in {listed(alike)}, and "
        f"not in {listed(unlike)}."
    )


def _distance_km(rows: pl.DataFrame, itself: dict[str, float]) -> float:
    """Half of the rows lie within so many km."""
    north = (rows["listing_lat"].to_numpy() - itself["listing_lat"]) * 111.2
    shrink = np.cos(np.deg2rad(itself["listing_lat"]))
    east = (rows["listing_lng"].to_numpy() - itself["listing_lng"]) * 111.2 * shrink
    return float(np.nanmedian(np.hypot(north, east)))


def about_cold_listings(evaluation: Scorecard) -> Conclusion:
    """The recall of new listings beside that of all, by the two-tower and by popularity."""
    found = {(s.model, s.segment): s for s in evaluation.scores if s.metric == RECALL}
    new, whole = found.get((TOWER, "listing=new")), found.get((TOWER, "all"))
    if new is None or whole is None:
        return Conclusion("No new listing was taken in the test window, or there is no two-tower.")
    if new.is_too_few:
        return Conclusion(
            f"The searches in which a new listing was taken are {too_few(new.searches)}; "
            f"{FEWEST} would be needed."
        )
    text = (
        f"Of new listings that guests took the two-tower finds {_of(new)}, of all {_of(whole)} "
        f"({counted(new.searches, 'search')} took a new one)"
    )
    reference = found.get((REFERENCE, "listing=new"))
    if reference is None or None in (new.low, new.high, reference.low, reference.high):
        return Conclusion(f"{text}.")
    apart = new.low > reference.high or reference.low > new.high  # type: ignore[operator]
    sure = "" if apart else ", and the intervals overlap"
    return Conclusion(f"{text}; popularity finds {_of(reference)} of the new ones{sure}.")
