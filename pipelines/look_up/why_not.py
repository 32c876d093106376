"""Why a listing is recommended for a search, or why not: the first stage that it did not pass.

======================  ===========================================================================
stage                   what is said where it ends there
======================  ===========================================================================
the catalogue           the log had not shown it yet
the market              it lies in another one
what the search allows  too small, nights it does not take, too dear, too far
the first cut           its value for any guest × that it is free is not among the best
the score               others are more likely to be booked, or it is hardly free
the list                its nights are left to others; or a new listing has its place
======================  ===========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from data.counted import counted
from data.schema.geo import KM_PER_DEGREE
from data.schema.market_names import market_in_words
from models.arrow_columns import Codes, Numbers
from pipelines.candidates.candidate_rows import estimated_prices
from pipelines.candidates.catalogue import NIGHTLY_PRICE
from pipelines.candidates.eligible_pairs import eligible_pairs
from pipelines.config.settings import RecommendationSettings
from pipelines.look_up.recommended_rows import entry
from pipelines.look_up.searches import Search
from pipelines.look_up.stays import percent
from pipelines.look_up.what_if import Answer
from pipelines.recommendation.first_cut import cut_scores, within_price_filter
from pipelines.recommendation.one_query import OneQuery
from pipelines.recommendation.sources import large_markets

__all__ = ["why"]

# Below this chance a listing is rather taken than free.
_LIKELY = 0.5


def why(answer: Answer, id_listing: str, settings: RecommendationSettings) -> list[str]:
    """Sentences: the place that the listing has in the list, or where it was left behind."""
    query, search = answer.query, answer.search
    catalogue = query.made.source.catalogue
    known = catalogue.with_row_index("row").filter(pl.col("id_listing") == id_listing)
    here = known.filter(pl.col("market") == search.market)
    listed = query.table.filter(pl.col("id_listing") == id_listing)
    if listed.height:
        row = listed.row(0, named=True)
        place = f"Yes: it stands at place {row['rank']} of {query.table.height}."
        return [place, *entry(row, search, here.row(0, named=True))]
    if known.is_empty():
        return ["No: the log had not shown it before the day."]
    if here.is_empty():
        market = market_in_words(known["market"][0])
        asked = market_in_words(search.market)
        return [f"No: it lies in {market}, and the search is made in {asked}."]
    row = here.row(0, named=True)
    listing = int(row["row"])
    forbidding = _forbidding(query, search, row, listing)
    if forbidding:
        return [f"No, the search does not allow it: {'; '.join(forbidding)}."]
    at = np.flatnonzero(query.made.scored.candidates.listing_C == listing)
    if not len(at):
        return _left_by_first_cut(query, listing, settings, search)
    return _outranked(query, int(at[0]), listing)


def _forbidding(query: OneQuery, search: Search, row: Mapping[str, Any], listing: int) -> list[str]:
    """Each bound of the search that the listing does not meet."""
    found = []
    capacity, guests = row.get("listing_person_capacity"), search.guests
    if capacity is not None and guests is not None and capacity < guests:
        found.append(f"it takes {counted(capacity, 'guest')}, and {guests} travel")
    fewest, most = row.get("listing_minimum_nights"), row.get("listing_maximum_nights")
    if search.nights is not None:
        stay = f"and {counted(search.nights, 'night')} are asked for"
        stay = stay.replace("are", "is") if search.nights == 1 else stay
        if fewest is not None and fewest > search.nights:
            found.append(f"it is let for {counted(fewest, 'night')} at least, {stay}")
        if most is not None and most < search.nights:
            found.append(f"it is let for {counted(most, 'night')} at most, {stay}")
    km = _distance_km(row, search)
    if km is not None and search.radius_km is not None and km > search.radius_km:
        found.append(f"it lies {km:.1f} km from the point searched, beyond {search.radius_km:g} km")
    return [*found, *_beyond_price_filter(query, search, listing)]


def _beyond_price_filter(query: OneQuery, search: Search, listing: int) -> list[str]:
    source = query.made.source
    total = float(estimated_prices(source, np.array([0]), np.array([listing]))[0])
    each = total / float(source.queries["nights"][0])
    if search.price_max is not None and each > search.price_max:
        return [f"about {each:,.0f} a night is above the filter's {search.price_max:,.0f}"]
    if search.price_min is not None and each < search.price_min:
        return [f"about {each:,.0f} a night is below the filter's {search.price_min:,.0f}"]
    return []


def _distance_km(row: Mapping[str, Any], search: Search) -> float | None:
    lat, lng = row.get("listing_lat"), row.get("listing_lng")
    if lat is None or lng is None or search.lat is None or search.lng is None:
        return None
    east = (lng - search.lng) * np.cos(np.radians(search.lat))
    return float(np.hypot(lat - search.lat, east) * KM_PER_DEGREE)


def _left_by_first_cut(
    query: OneQuery, listing: int, settings: RecommendationSettings, search: Search
) -> list[str]:
    made = query.made
    bounds = made.source.catalogue.drop(NIGHTLY_PRICE, strict=False)
    blocks = eligible_pairs(made.source.queries, bounds, [search.market])
    pairs = [within_price_filter(block, made.source) for block in blocks]
    scores = [
        (block.listing_P, *cut_scores(block, made.availability, made.value_L)) for block in pairs
    ]
    listing_P, free_P, cut_P = (np.concatenate(column) for column in zip(*scores, strict=True))
    at = np.flatnonzero(listing_P == listing)
    if not len(at):
        # Bounds that are told in numbers above agree with those that decide, but for rounding.
        return ["No: the search does not allow it."]
    place = int((cut_P > cut_P[at[0]]).sum()) + 1
    value_L = made.value_L[listing_P]
    by_value = int((value_L > value_L[at[0]]).sum()) + 1
    free = float(free_P[at[0]])
    allowed = f"{len(listing_P):,}"
    if search.market in large_markets(made.source, settings.whole_catalogue):
        stage = (
            f"the two-tower proposes {counted(settings.proposals, 'listing')} of such a large "
            "market, and of these and what the guest saw the first cut looks at "
            f"{settings.candidates:,}"
        )
    else:
        stage = f"the first cut looks closer at {settings.candidates:,}"
    line = (
        f"No, it is left by the first cut: of the {allowed} listings that the search allows, "
        f"{stage}, by what a listing is worth to any guest and whether it is free. It stands at "
        f"place {place:,} there."
    )
    return [line, *_of_freedom(query, free, by_value, place)]


def _outranked(query: OneQuery, at: int, listing: int) -> list[str]:
    scored = query.made.scored
    value_C, score_C = scored.values, scored.score_C
    place, by_score = _place(value_C, at), _place(score_C, at)
    free = float(scored.candidates.availability_C[at])
    top = query.table.height
    line = (
        f"No, it is outranked: of {counted(len(value_C), 'listing')} that were looked at closer it "
        f"stands at place {place}, and the list ends at {top}. It would be booked by "
        f"{percent(float(score_C[at]))} of such guests who are shown it free."
    )
    lines = [line, *_of_freedom(query, free, by_score, place)]
    if top:
        last = query.table.sort("rank").row(-1, named=True)
        worth = last["score"] * (1.0 if last["availability"] is None else last["availability"])
        lines.append(
            f"The last of the list, {last['id_listing']}, is worth {percent(worth)} "
            f"(booked × free); this one {percent(float(value_C[at]))}."
        )
    taken = _taken_by_others(query, listing)
    if taken > 0:
        lines.append(
            f"Its nights are wanted by other guests too: that takes {percent(min(taken, 1.0))} of "
            "what it is worth here."
        )
    elif place <= top:
        lines.append(
            "By its own value it would stand in the list: its place went to a new listing, or to "
            "one unlike the others."
        )
    return lines


def _taken_by_others(query: OneQuery, listing: int) -> float:
    """The price of the stay's nights, a share of what the stay is worth."""
    availability = query.made.availability
    if query.prices is None or not availability.is_dated_Q[0]:
        return 0.0
    first, end = (
        availability.checkin_Q[:1] - query.made.day,
        availability.checkout_Q[:1] - query.made.day,
    )
    return float(query.prices.of_stays(np.array([[listing]]), first, end)[0, 0])


def _of_freedom(query: OneQuery, free: float, by_value: int, place: int) -> list[str]:
    if np.isnan(free):
        return []
    is_dated = bool(query.made.availability.is_dated_Q[0])
    nights = "on these nights" if is_dated else "for the stays that guests of its market ask for"
    chance = f"free {nights} with a chance of {percent(free)}"
    if free >= _LIKELY:
        return [f"It is {chance}."]
    would = (
        f": were it surely free, it would stand at place {by_value:,}" if by_value < place else ""
    )
    return [f"It is probably taken, {chance}{would}."]


def _place(values: Numbers, at: int) -> int:
    better: Codes = np.flatnonzero(values > values[at])
    return len(better) + 1
