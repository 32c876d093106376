"""A log as flat arrays: what is learned from the log's columns, and how rows become inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.two_tower.config import TowerConfig
from models.two_tower.inputs.arrays import FloatArray, IntArray, ListingArrays, QueryArrays
from models.two_tower.inputs.guest_history import GuestEvents
from models.two_tower.inputs.location_inputs import LocationInputs
from models.two_tower.inputs.numeric_inputs import (
    LISTING_CATEGORIES,
    LISTING_NUMBERS,
    QUERY_NUMBERS,
    NumberScaler,
    column_values,
)
from models.two_tower.inputs.vocabulary import Vocabulary

__all__ = ["Encoder", "one_per", "row_order", "sorted_rows"]

_LISTING_PLACE = ("listing_lat", "listing_lng")
_QUERY_PLACE = ("query_center_lat", "query_center_lng")


def sorted_rows(rows: pa.Table) -> pa.Table:
    """The rows by time, search, guest and listing: their order in the table cannot matter."""
    return rows.take(pa.array(row_order(rows)))


def row_order(rows: pa.Table) -> IntArray:
    """The order of :func:`sorted_rows`."""
    names = ("search_s", "id_search", "id_user", "id_listing")
    keys = [(name, "ascending") for name in names if name in rows.column_names]
    return np.asarray(pc.sort_indices(rows, sort_keys=keys)).astype(np.int64)


def one_per(rows: pa.Table, name: str, *, last: bool = False) -> pa.Table:
    """The first (or last) row of each value of column ``name``; nulls are left out."""
    vocabulary = Vocabulary.of([rows[name]])
    index = vocabulary.index(rows[name])
    place = np.full(vocabulary.size, -1, dtype=np.int64)
    order = np.arange(rows.num_rows) if last else np.arange(rows.num_rows)[::-1]
    # numpy keeps the last of repeated assignments: reversed, that is the first row.
    place[index[order]] = order
    return rows.take(pa.array(place[1:]))


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """Everything learned from the training log before any weight.

    Attributes:
        listings, markets, guests: ids; ``guests`` is empty where they have no embedding.
        categories: vocabulary of each category column of listings that the log has.
        query_numbers, listing_numbers: scalers of the columns that the log has.
        listing_place, query_place: the market centres; ``None`` without coordinates.
        history_length: history slots per search.
    """

    listings: Vocabulary
    markets: Vocabulary
    guests: Vocabulary
    categories: dict[str, Vocabulary]
    query_numbers: NumberScaler
    listing_numbers: NumberScaler
    listing_place: LocationInputs | None
    query_place: LocationInputs | None
    history_length: int

    @classmethod
    def fit(cls, rows: pa.Table, config: TowerConfig, *, guest_ids: bool) -> Self:
        """Learn vocabularies and scales from ``rows`` (:func:`sorted_rows` first)."""
        columns = set(rows.column_names)
        listings = one_per(rows, "id_listing")
        searches = one_per(rows, "id_search") if "id_search" in columns else rows.slice(0, 0)
        markets = Vocabulary.of([rows["market"]] if "market" in columns else [])
        place = _fit_place(listings, markets)
        has_guests = guest_ids and "id_user" in columns
        return cls(
            listings=Vocabulary.of([rows["id_listing"]]),
            markets=markets,
            guests=Vocabulary.of([rows["id_user"]] if has_guests else []),
            categories={
                name: Vocabulary.of([rows[name]]) for name in LISTING_CATEGORIES if name in columns
            },
            query_numbers=NumberScaler.fit(searches, (*QUERY_NUMBERS, *config.extra_query_numbers)),
            listing_numbers=NumberScaler.fit(
                listings, (*LISTING_NUMBERS, *config.extra_listing_numbers)
            ),
            listing_place=place,
            query_place=place if columns.issuperset(_QUERY_PLACE) else None,
            history_length=config.history_length,
        )

    @property
    def query_inputs(self) -> tuple[str, ...]:
        """The name of each dense input of a search."""
        place = self.query_place.input_names if self.query_place else ()
        return (*self.query_numbers.input_names, *place)

    @property
    def listing_inputs(self) -> tuple[str, ...]:
        """The name of each dense input of a listing."""
        place = self.listing_place.input_names if self.listing_place else ()
        return (*self.listing_numbers.input_names, *place)

    def queries(self, searches: pa.Table, events: GuestEvents) -> QueryArrays:
        """One encoded search per row of ``searches``, with the guest's past as of it.

        Raises ``ValueError`` naming a column that the fit had and these rows lack.
        """
        market = self._market(searches)
        guest = _column_or_null(searches, "id_user")
        search_s = _seconds(searches)
        history = events.before(guest, search_s, self.history_length)
        parts = [self.query_numbers.transform(searches)]
        if self.query_place:
            parts.append(self.query_place.of_table(searches, _QUERY_PLACE, market))
        return QueryArrays(
            dense_SF=np.concatenate(parts, axis=1),
            market_S=market,
            guest_S=self.guests.index(guest),
            history_SH=history.listing_SH,
            history_stage_SH=history.stage_SH,
        )

    def listing_rows(self, rows: pa.Table) -> ListingArrays:
        """One encoded listing per row of ``rows``, its attributes as they stand in the row.

        Raises ``ValueError`` naming a column that the fit had and these rows lack.
        """
        market = self._market(rows)
        parts: list[FloatArray] = [self.listing_numbers.transform(rows)]
        if self.listing_place:
            parts.append(self.listing_place.of_table(rows, _LISTING_PLACE, market))
        codes = [words.index(_required(rows, name)) for name, words in self.categories.items()]
        shape = (rows.num_rows, len(codes))
        return ListingArrays(
            id_L=self.listings.index(rows["id_listing"]),
            dense_LF=np.concatenate(parts, axis=1),
            category_LK=np.stack(codes, axis=1) if codes else np.zeros(shape, dtype=np.int64),
            market_L=market,
        )

    def catalogue_rows(self, rows: pa.Table, *, last: bool) -> pa.Table:
        """One row per known listing, in the order of the listing index, row 0 first.

        It is a listing's first row, or its last. Row 0 stands for what was never seen: it
        repeats some row, and :meth:`catalogue` sets what is read of it to 0.
        """
        known = one_per(rows, "id_listing", last=last)
        # a known listing that these rows lacked would stay 0 and look like the first of them:
        # callers give all rows of the fit, or more
        order = np.zeros(self.listings.size, dtype=np.int64)
        order[self.listings.index(known["id_listing"])] = np.arange(known.num_rows)
        return known.take(pa.array(order))

    def catalogue(self, rows: pa.Table, *, last: bool) -> ListingArrays:
        """All known listings, row ``i`` being listing index ``i``; row 0 stands for unseen.

        Attributes are those of a listing's first row, or its last. For training the first:
        none of them can then be later than a search that it is compared for.
        """
        full = self.listing_rows(self.catalogue_rows(rows, last=last))
        full.id_L[0], full.dense_LF[0] = 0, 0.0
        full.category_LK[0], full.market_L[0] = 0, 0
        return full

    def _market(self, rows: pa.Table) -> IntArray:
        # Without markets in the log everything is one market, which is not "unseen".
        if self.markets.size == 1:
            return np.ones(rows.num_rows, dtype=np.int64)
        return self.markets.index(_required(rows, "market"))

    @property
    def market_count(self) -> int:
        """Number of market indices, the unseen one included."""
        return max(self.markets.size, 2)

    def to_mapping(self) -> dict[str, Any]:
        """As plain values, for JSON; the vocabularies of ids are kept apart."""
        return {
            "markets": self.markets.to_list(),
            "categories": {name: words.to_list() for name, words in self.categories.items()},
            "query_numbers": self.query_numbers.to_mapping(),
            "listing_numbers": self.listing_numbers.to_mapping(),
            "listing_place": _place_mapping(self.listing_place),
            "has_query_place": self.query_place is not None,
            "history_length": self.history_length,
        }

    @classmethod
    def from_mapping(
        cls, values: dict[str, Any], *, listings: Vocabulary, guests: Vocabulary
    ) -> Self:
        """What :meth:`to_mapping` gave, with the vocabularies of ids."""
        place = values["listing_place"]
        centres = None
        if place is not None:
            centres = LocationInputs(**{key: tuple(entry) for key, entry in place.items()})
        return cls(
            listings=listings,
            markets=Vocabulary.from_list(values["markets"]),
            guests=guests,
            categories={
                name: Vocabulary.from_list(words) for name, words in values["categories"].items()
            },
            query_numbers=NumberScaler.from_mapping(values["query_numbers"]),
            listing_numbers=NumberScaler.from_mapping(values["listing_numbers"]),
            listing_place=centres,
            query_place=centres if values["has_query_place"] else None,
            history_length=values["history_length"],
        )


def _fit_place(listings: pa.Table, markets: Vocabulary) -> LocationInputs | None:
    if not set(_LISTING_PLACE) <= set(listings.column_names):
        return None
    lat, lng = (column_values(listings, name) for name in _LISTING_PLACE)
    if lat is None or lng is None:
        return None
    if markets.size == 1:
        return LocationInputs.fit(lat, lng, np.ones(len(lat), dtype=np.int64), 2)
    return LocationInputs.fit(lat, lng, markets.index(listings["market"]), markets.size)


def _place_mapping(place: LocationInputs | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {"latitudes": place.latitudes, "longitudes": place.longitudes}


def _required(rows: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in rows.column_names:
        raise ValueError(f"the two-tower was fitted with column {name}, which these rows lack")
    return rows[name]


def _column_or_null(rows: pa.Table, name: str) -> pa.Array | pa.ChunkedArray:
    return rows[name] if name in rows.column_names else pa.nulls(rows.num_rows, pa.string())


def _seconds(searches: pa.Table) -> IntArray:
    """Second of each search; without a clock every search is after everything known."""
    if "search_s" not in searches.column_names:
        return np.full(searches.num_rows, np.iinfo(np.int64).max // 2, dtype=np.int64)
    return np.asarray(searches["search_s"].to_numpy(), dtype=np.int64)
