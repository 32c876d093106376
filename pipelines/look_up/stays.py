"""A listing in words, and a recommended one: price of the nights, free or not, why it stands there.

The log has prices in one currency and does not name it; so does what is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.counted import counted
from data.simulator.area_names import area_name
from models.explanations.reasons import MARK_BETWEEN
from pipelines.look_up.searches import Search
from pipelines.recommendation.lists import EXPOSURE, SCORE, SPREAD

__all__ = [
    "area_of",
    "chance_in_words",
    "free_in_words",
    "listing_in_words",
    "percent",
    "placed_in_short",
    "placed_in_words",
    "price_in_words",
    "reasons_of",
]

_HOURS_PER_DAY = 24

_PLACED_SHORT = {
    SCORE: "its own value",
    EXPOSURE: "a place for a new listing",
    SPREAD: "better ones left to others",
}
_PLACED = {
    SCORE: "placed by its own value",
    EXPOSURE: "a place kept for a new listing: by its own value it would stand lower",
    SPREAD: "moved up: nights of better ones were left to guests who would otherwise lose them",
}


def listing_in_words(row: Mapping[str, Any]) -> str:
    """What a listing is, from its listing columns: what the log does not tell is left out."""
    room = str(row.get("listing_room_type") or "listing").replace("_", " ")
    capacity, area = row.get("listing_person_capacity"), area_of(row)
    what = room + (f" for {capacity}" if capacity else "") + (f" in {area}" if area else "")
    parts = [what]
    for name, noun in (("bedrooms", "bedroom"), ("beds", "bed"), ("bathrooms", "bathroom")):
        if (number := row.get(f"listing_num_{name}")) is not None:
            parts.append(f"{number:g} {noun}{'' if number == 1 else 's'}")
    if (rating := row.get("listing_review_rating")) is not None:
        reviews = row.get("listing_review_count")
        of = f" from {counted(reviews, 'review')}" if reviews else ""
        parts.append(f"{rating:.2f} stars{of}")
    if row.get("listing_is_new"):
        parts.append("new: no reviews and no bookings yet")
    return ", ".join(parts)


def area_of(row: Mapping[str, Any]) -> str | None:
    """The named neighbourhood of a listing's row; ``None`` where none is known."""
    lat, lng = row.get("listing_lat"), row.get("listing_lng")
    return None if lat is None or lng is None else area_name(row["market"], lat, lng)


def price_in_words(total: float | None, search: Search) -> str:
    """The estimated price of the asked nights, of one night for a dateless search."""
    if total is None:
        return "it never showed a price"
    if search.nights is None:
        return f"about {total:,.0f} a night"
    if search.nights == 1:
        return f"about {total:,.0f} for the night"
    each = total / search.nights
    return f"about {total:,.0f} for the {search.nights} nights ({each:,.0f} a night)"


def free_in_words(row: Mapping[str, Any], search: Search) -> str:
    """How likely it is free, from a row of ``recommendations``."""
    free = row["availability"]
    if free is None:
        is_past = search.checkin is not None and search.checkin < row["ds"]
        return (
            "its check-in has passed: free or not is no question any more"
            if is_past
            else "the log does not tell whether it is free"
        )
    if search.nights is None:
        return f"free for {percent(free)} of the stays that guests of this market ask for"
    hours = row.get("hours_since_shown_free")
    if hours is None:
        return (
            f"free on these nights with a chance of {percent(free)}; never yet shown on all of them"
        )
    return f"free on these nights with a chance of {percent(free)}, last shown free {_ago(hours)}"


def chance_in_words(score: float) -> str:
    """The model's chance of a booking."""
    return f"booked by {percent(score)} of such guests who are shown it free"


def placed_in_words(placed_by: str) -> str:
    """What gave a listing its place."""
    return _PLACED.get(placed_by, placed_by)


def placed_in_short(placed_by: str) -> str:
    """The same in a few words, for a table."""
    return _PLACED_SHORT.get(placed_by, placed_by)


def reasons_of(row: Mapping[str, Any]) -> list[str]:
    """The reasons of a row of ``recommendations``, one each."""
    return str(row["reasons"]).split(MARK_BETWEEN) if row["reasons"] else []


def _ago(hours: float) -> str:
    if hours < 1:
        return "in the hour before the day"
    if hours < 2 * _HOURS_PER_DAY:
        return f"{counted(int(hours), 'hour')} before the day"
    return f"{counted(int(hours // _HOURS_PER_DAY), 'day')} before the day"


def percent(share: float) -> str:
    """Two digits that count, however small.

    >>> percent(0.0082), percent(0.987), percent(1.0), percent(0.5), percent(0.00004)
    ('0.82%', '99%', '100%', '50%', 'less than 0.01%')
    >>> percent(0.998)
    'more than 99%'
    """
    if 0 < share < 1e-4:
        return "less than 0.01%"
    if 0.995 <= share < 1:
        return "more than 99%"
    return f"{100 * share:.2f}%" if share < 0.0995 else f"{100 * share:.0f}%"
