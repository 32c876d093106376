"""Attributes of the listing and the query: by their names, and only where the values agree."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from data.counted import counted
from data.readers.values import read_booleans, read_numbers, read_text
from data.schema.tables import IMPRESSIONS, Kind
from data.sources.draft.as_toml import Line, quoted
from data.sources.draft.times import is_date
from data.sources.draft.vocabulary import words_of

__all__ = ["describe", "find_attributes"]

# Contract column → names, as words joined by "_"; the first that the log has is taken.
_NAMES: dict[str, str] = {
    "position": "position rank place slot display_position item_position ranking posicion",
    "is_random_order": "random_bool is_random is_random_order random",
    "propensity": "propensity",
    "query_checkin": "checkin check_in checkin_date check_in_date arrival arrival_date date_from "
    "start_date entrada anreise arrivee llegada chegada ci",
    "query_checkout": "checkout check_out checkout_date check_out_date departure departure_date "
    "date_to end_date salida abreise depart saida co",
    "query_num_guests": "num_guests guests guest_count party_size persons pax travellers travelers "
    "huespedes hospedes gaste personen",
    "query_num_children": "num_children children srch_children_count children_count child_count "
    "ninos criancas kinder enfants",
    "query_num_infants": "num_infants infants infants_count bebes babies",
    "query_radius": "radius radius_km",
    "query_price_min": "price_min min_price",
    "query_price_max": "price_max max_price",
    "listing_total_price": "total_price price price_usd price_eur amount cost preis prix precio "
    "preco prezzo цена price_total listing_price",
    "listing_lat": "lat latitude listing_lat listing_latitude",
    "listing_lng": "lng lon long longitude listing_lng listing_longitude",
    "listing_review_rating": "review_rating review_score prop_review_score rating review_scores_"
    "rating guest_rating score avg_rating stars_rating",
    "listing_review_count": "review_count num_reviews number_of_reviews reviews reviews_count",
    "listing_property_type": "property_type prop_type accommodation_type",
    "listing_room_type": "room_type",
    "listing_num_beds": "beds num_beds",
    "listing_num_bedrooms": "bedrooms num_bedrooms",
    "listing_num_bathrooms": "bathrooms num_bathrooms",
    "listing_person_capacity": "capacity person_capacity accommodates max_guests sleeps",
    "listing_instant_bookable": "instant_bookable instant_book",
    "listing_minimum_nights": "minimum_nights min_nights",
    "listing_maximum_nights": "maximum_nights max_nights",
    "listing_cleaning_fee": "cleaning_fee",
}
_WINDOW = "booking_window srch_booking_window lead_time days_ahead lead_days advance_days"
_NIGHTS = (
    "nights length_of_stay srch_length_of_stay los num_nights stay_nights noches noites nachte "
    "nuits"
)
_ADULTS = "adults num_adults srch_adults_count adults_count adult_count adultos erwachsene adultes"
_NIGHTLY = (
    "price_per_night nightly_price night_price adr price_usd nightly_rate preco_por_noite "
    "precio_por_noche preis_pro_nacht"
)
_SOUND = 0.9


@dataclass(frozen=True, kw_only=True)
class _Log:
    """The sample by the plain form of its columns' names."""

    rows: pl.DataFrame
    named: dict[str, str]
    time_format: str

    def find(self, names: str, kind: Kind, target: str = "") -> str | None:
        """The log's column of the first of these names whose values are of that kind."""
        for plain in names.split():
            name = self.named.get(plain)
            if name is not None and _is_kind(self.rows[name], kind, target, self.time_format):
                return name
        return None


def find_attributes(
    rows: pl.DataFrame, used: set[str], time: str, time_format: str, listing: str | None
) -> list[Line]:
    """The lines of the optional columns; ``used`` are the log's columns that others read.

    ``time`` is the column of the search's time. Adds to ``used`` what the lines read.
    """
    free = [name for name in rows.columns if name not in used and not rows[name].dtype.is_nested()]
    named = {"_".join(words_of(name)): name for name in reversed(free)}
    log = _Log(rows=rows, named=named, time_format=time_format)
    lines = {line.key: line for line in _stay(log, time)}
    for target, names in {target: f"{target} {names}" for target, names in _NAMES.items()}.items():
        column = log.find(names, IMPRESSIONS.column(target).kind, target)
        if column is None or target in lines:
            continue
        if target == "listing_review_rating" and _is_own_opinion(rows, column, listing):
            continue
        lines[target] = Line(key=target, value=_value(rows[column], target))
    lines |= {line.key: line for line in (*_guests(log), *_price(log, lines))}
    for name in free:
        if any(quoted(name) in line.value for line in lines.values()):
            used.add(name)
    order = {name: number for number, name in enumerate(IMPRESSIONS.names)}
    return sorted(lines.values(), key=lambda line: order[line.key])


def _value(column: pl.Series, target: str) -> str:
    if target == "listing_review_rating" and (read_numbers(column).values == 0).any():
        # outside the contract's 1 to 5: it would be counted as a fault in every such row
        return f'{{ column = {quoted(column.name)}, null_if = ["0", "0.0"] }}'
    return quoted(column.name)


def describe(rows: pl.DataFrame, name: str, listing: str | None) -> str:
    """What a column looks like, for one that was not taken."""
    column = rows[name]
    if column.dtype.is_nested():
        return "several values in a cell"
    filled = read_text(column).drop_nulls()
    if filled.is_empty():
        return "empty in the sample"
    example = filled[0] if len(filled[0]) <= 40 else f"{filled[0][:39]}…"
    what = f"{counted(filled.n_unique(), 'value')}, such as {example!r}"
    is_rating = {"rating", "score", "stars"}.intersection(words_of(name))
    if is_rating and _is_own_opinion(rows, name, listing):
        what += "; it differs within a listing: a guest's own, given after the search"
    return what


def _is_kind(column: pl.Series, kind: Kind, target: str, time_format: str) -> bool:
    filled = column.drop_nulls()
    if filled.is_empty():
        return False
    if kind == Kind.DATE:
        return is_date(column, time_format)
    if kind == Kind.BOOLEAN:
        return not read_booleans(filled).is_unreadable.any()
    if kind in (Kind.NUMBER, Kind.COUNT):
        numbers = read_numbers(filled).values
        bounds = IMPRESSIONS.column(target) if target else None
        low = bounds.low if bounds and bounds.low is not None else float("-inf")
        high = bounds.high if bounds and bounds.high is not None else float("inf")
        is_sound = numbers.is_between(low, high).fill_null(value=False)
        if target == "listing_review_rating":
            # 0 says in many logs that there is no review yet
            is_sound = is_sound | (numbers == 0).fill_null(value=False)
        mean = is_sound.mean()
        return isinstance(mean, float) and mean >= _SOUND
    return column.dtype == pl.String or column.dtype.is_integer()


def _stay(log: _Log, time: str) -> list[Line]:
    """The dates of stay from a booking window and a length, where no column has them."""
    if log.find(_NAMES["query_checkin"], Kind.DATE) is not None:
        return []
    window, nights = log.find(_WINDOW, Kind.NUMBER), log.find(_NIGHTS, Kind.NUMBER)
    if window is None:
        return []
    checkin = f"{{ date = {quoted(time)}, plus_days = {quoted(window)} }}"
    lines = [Line(key="query_checkin", value=checkin)]
    if nights is not None:
        days = f"[{quoted(window)}, {quoted(nights)}]"
        value = f"{{ date = {quoted(time)}, plus_days = {days} }}"
        lines.append(Line(key="query_checkout", value=value))
    return lines


def _guests(log: _Log) -> list[Line]:
    if log.find(_NAMES["query_num_guests"], Kind.NUMBER) is not None:
        return []
    adults = log.find(_ADULTS, Kind.NUMBER)
    children = log.find(_NAMES["query_num_children"], Kind.NUMBER)
    if adults is None:
        return []
    parts = ", ".join(quoted(name) for name in (adults, children) if name is not None)
    return [Line(key="query_num_guests", value=f"{{ sum = [{parts}] }}")]


def _price(log: _Log, lines: dict[str, Line]) -> list[Line]:
    """The price of the whole stay; a price per night times the nights where the log has them."""
    nightly, nights = log.find(_NIGHTLY, Kind.NUMBER), log.find(_NIGHTS, Kind.NUMBER)
    if nightly is not None and nights is not None:
        value = f"{{ product = [{quoted(nightly)}, {quoted(nights)}] }}"
        doubt = f"{nightly} is taken for the price of a night; the contract's is of the whole stay"
        return [Line(key="listing_total_price", value=value, unsure=doubt)]
    found = lines.get("listing_total_price")
    if found is None and nightly is not None:
        found = Line(key="listing_total_price", value=quoted(nightly))
    if found is None:
        return []
    doubt = (
        f"{found.value} is taken for the price of the whole stay; if it is of a night, write "
        "{ product = [price, nights] }"
    )
    return [Line(key=found.key, value=found.value, unsure=doubt if nights is not None else "")]


def _is_own_opinion(rows: pl.DataFrame, rating: str, listing: str | None) -> bool:
    """Whether ratings of one listing differ from row to row: the guests' own, given afterwards.

    A mean rating stays nearly what it was. A guest's own is an outcome: as an attribute of the
    listing it would tell a model what came after the search.
    """
    if listing is None:
        return False
    frame = pl.DataFrame({"listing": rows[listing], "rating": read_numbers(rows[rating]).values})
    spread = frame["rating"].std()
    within = (
        frame.group_by("listing").agg(pl.col("rating").std(), pl.len()).filter(pl.col("len") > 1)
    )
    typical = within["rating"].median()
    if not isinstance(spread, float) or not isinstance(typical, float) or spread == 0:
        return False
    return typical > spread / 2
