"""Arrow tables of a chunk: the log's raw columns, and the truth as a table of its own."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.schema.tables import TRUTH
from data.simulator.draws import Array
from data.simulator.guests import Guests
from data.simulator.listings import ROOM_TYPES, SUB_RATINGS, Catalogue
from data.simulator.outcomes import Outcomes
from data.simulator.parameters import MARKETS
from data.simulator.results import Shown
from data.simulator.searches import Queries
from data.simulator.truth import Given

__all__ = [
    "LABELS",
    "MARKET_LABELS",
    "Names",
    "exposure_columns",
    "log_table",
    "numbers_of",
    "truth_table",
]

LABELS = ("impressed", "clicked", "contact host", "booked")
MARKET_LABELS = ("Rio de Janeiro", "Sao Paulo")
_ID = r"^sim[A-Z]\d{8,18}$"
_PREFIX = len("simL")


def _ids(letter: str, numbers: Array) -> pa.Array:
    return pa.array([f"sim{letter}{number:08d}" for number in numbers.tolist()], pa.string())


def numbers_of(ids: pa.ChunkedArray | pa.Array) -> Array:
    """The numbers in simulated ids of one kind, such as 12 in ``simL00000012``.

    Raises ``ValueError`` where an id is not of this form.

    >>> numbers_of(pa.array(["simL00000012", "simL00000003"])).tolist()
    [12, 3]
    """
    if len(ids) == 0:
        return np.empty(0, dtype=np.int64)
    is_simulated = pc.fill_null(pc.match_substring_regex(ids, _ID), False)
    if not pc.all(is_simulated).as_py():
        first = ids[pc.index(is_simulated, False).as_py()].as_py()
        raise ValueError(f"not ids of a simulated log: {first}")
    numbers = pc.utf8_slice_codeunits(ids, _PREFIX).cast(pa.int64())
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.int64)


def _words(words: tuple[str, ...], index: Array) -> pa.Array:
    return pa.array(words, pa.string()).take(pa.array(index))


def _dates(days: Array, known: Array | None = None) -> pa.Array:
    mask = None if known is None else ~known
    return pa.array(days.astype(np.int32), pa.int32(), mask=mask).cast(pa.date32())


def _numbers(values: Array) -> pa.Array:
    """Float column whose NaN become null."""
    return pa.array(values.astype(np.float64), pa.float64(), from_pandas=True)


class Names:
    """Ids of all listings, made once per run; the other ids are made per chunk."""

    def __init__(self, listings: int) -> None:
        self.listing = _ids("L", np.arange(listings))

    def identity(self, queries: Queries, shown: Shown) -> dict[str, pa.Array]:
        """``id_search``, ``id_user`` and ``id_listing`` of each impression."""
        search = pa.array(shown.search)
        return {
            "id_search": _ids("S", queries.number).take(search),
            "id_user": _ids("U", queries.guest).take(search),
            "id_listing": self.listing.take(pa.array(shown.listing)),
        }


def log_table(
    identity: dict[str, pa.Array],
    world: tuple[Guests, Catalogue, Array],
    queries: Queries,
    shown: Shown,
    outcomes: Outcomes,
) -> pa.Table:
    """The raw columns of a log; ``world`` also holds the new bookings of each listing."""
    guests, catalogue, new_bookings = world
    search = shown.search
    columns = {
        "id_search": identity["id_search"],
        "label": _words(LABELS, outcomes.stage),
        "id_user": identity["id_user"],
        "id_listing": identity["id_listing"],
        "ts_search": pa.array(queries.second[search], pa.int64()).cast(pa.timestamp("s")),
        "ds_search": _dates(queries.day[search]),
        "ds_book": _dates(outcomes.book_day, outcomes.book_day >= 0),
        "ds_contact": _dates(outcomes.contact_day, outcomes.contact_day >= 0),
        "query_market": _words(MARKET_LABELS, queries.market[search]),
    }
    columns |= _query_columns(guests, queries, search)
    columns |= _listing_columns(catalogue, shown, new_bookings[shown.listing])
    return pa.table(columns)


def exposure_columns(shown: Shown) -> dict[str, pa.Array]:
    """The optional columns: place shown, random order or not, and its propensity."""
    return {
        "position": pa.array(shown.position, pa.int32()),
        "is_random_order": pa.array(shown.is_random_order),
        "propensity": _numbers(shown.propensity),
    }


def _query_columns(guests: Guests, queries: Queries, search: Array) -> dict[str, pa.Array]:
    dated = queries.is_dated
    guest = queries.guest
    per_search = {
        "query_checkin": _dates(queries.checkin, dated),
        "query_checkout": _dates(queries.checkin + queries.nights, dated),
        "query_num_guests": pa.array(queries.party.astype(np.int32)),
        "query_num_children": pa.array(guests.children[guest].astype(np.int32)),
        "query_num_infants": pa.array(guests.infants[guest].astype(np.int32)),
        "query_radius": _numbers(queries.radius),
        "query_price_min": _numbers(queries.price_min),
        "query_price_max": _numbers(queries.price_max),
        "query_center_lat": _numbers(queries.center_lat),
        "query_center_lng": _numbers(queries.center_lng),
    }
    rows = pa.array(search)
    return {name: column.take(rows) for name, column in per_search.items()}


def _listing_columns(catalogue: Catalogue, shown: Shown, booked: Array) -> dict[str, pa.Array]:
    at = shown.listing
    count = {name: getattr(catalogue, name)[at] for name in ("books_90day", "recent_reservations")}
    sub_ratings = catalogue.sub_ratings[at]
    return {
        "listing_is_new": pa.array(catalogue.is_new[at] & (booked == 0)),
        "listing_total_price": _numbers(shown.price.total),
        "listing_instant_bookable": pa.array(catalogue.instant[at]),
        "listing_lat": _numbers(catalogue.lat[at]),
        "listing_lng": _numbers(catalogue.lng[at]),
        "listing_review_rating": _numbers(catalogue.rating[at]),
        "listing_review_count": pa.array(catalogue.reviews[at]),
        "listing_property_type": pa.array(catalogue.property_type[at].astype(np.int32)),
        "listing_room_type": _words(
            tuple(name.replace("_", " ") for name in ROOM_TYPES), catalogue.room_type[at]
        ),
        "listing_num_beds": pa.array(catalogue.beds[at].astype(np.int32)),
        "listing_num_bedrooms": pa.array(catalogue.bedrooms[at].astype(np.int32)),
        "listing_num_bathrooms": _numbers(catalogue.bathrooms[at]),
        "listing_person_capacity": pa.array(catalogue.capacity[at].astype(np.int32)),
        "listing_has_pro_pictures": pa.array(catalogue.pro_pictures[at]),
        "listing_num_recent_reservations": pa.array(count["recent_reservations"] + booked),
        **{
            f"listing_{name}_rating": _numbers(sub_ratings[:, index])
            for index, name in enumerate(SUB_RATINGS)
        },
        "listing_num_books_90day": pa.array(count["books_90day"] + booked),
        "listing_occupancy_rate": _numbers(catalogue.occupancy[at]),
        "listing_monthly_discount": pa.array(~np.isnan(catalogue.monthly_factor[at])),
        "listing_weekly_discount": pa.array(~np.isnan(catalogue.weekly_factor[at])),
        "listing_cleaning_fee": _numbers(catalogue.cleaning_fee[at]),
        "listing_monthly_price_factor": _numbers(catalogue.monthly_factor[at]),
        "listing_weekly_price_factor": _numbers(catalogue.weekly_factor[at]),
        "listing_minimum_nights": pa.array(catalogue.minimum_nights[at]),
        "listing_maximum_nights": pa.array(catalogue.maximum_nights[at]),
    }


def truth_table(
    identity: dict[str, pa.Array], queries: Queries, shown: Shown, truths: tuple[Given, Given]
) -> pa.Table:
    """Rows of the table ``truth``: probabilities given taste, and given observables."""
    search = shown.search
    columns = {
        "id_search": identity["id_search"],
        "id_listing": identity["id_listing"],
        "market": _words(MARKETS, queries.market[search]),
        "ds_search": _dates(queries.day[search]),
        "position": pa.array(shown.position, pa.int32()),
        "can_book": pa.array(truths[0].can_book),
    }
    for condition, truth in zip(("taste", "observables"), truths, strict=True):
        for stage in ("click", "contact", "book"):
            columns[f"p_{stage}_{condition}"] = _numbers(getattr(truth, stage))
    return pa.table(columns).select(list(TRUTH.names)).cast(TRUTH.schema)
