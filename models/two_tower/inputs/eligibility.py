"""Which listings a search allows: exact bounds, evaluated block by block.

A null bound, or a null attribute of a listing, is no constraint. NaN stands for null,
and every rule is written as "is it violated?", which NaN never is.

Shapes: Q searches, L listings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from data.schema.geo import EARTH_RADIUS_KM
from models.two_tower.inputs.arrays import IntArray, Mask
from models.two_tower.inputs.numeric_inputs import column_values
from models.two_tower.inputs.vocabulary import Vocabulary

__all__ = ["Allowed", "Eligibility", "RankedBounds"]

# Rows as a slice, or as a tensor of their numbers; of listings also (searches, n) numbers,
# n listings for each search.
Rows = slice | Tensor
# (rows of searches, rows of listings) -> boolean mask (queries, listings)
Allowed = Callable[[slice, slice], Tensor]


# listing column, search column: the listing's value must be at least the search's
_AT_LEAST = (
    ("listing_person_capacity", "query_num_guests"),
    ("listing_maximum_nights", "query_nights"),
    ("listing_nightly_price", "query_price_min"),
)
_AT_MOST = (
    ("listing_minimum_nights", "query_nights"),
    ("listing_nightly_price", "query_price_max"),
)
# Ranks of a value that meets every bound, and of a bound that no value meets.
_ALWAYS, _NEVER = 2**31 - 2, 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Eligibility:
    """Bounds of searches and attributes of listings, as float64 tensors.

    Attributes:
        market_Q, market_L: codes; a listing must be of the search's market. Code 0 of a
            search (no market given) allows all.
        at_least: pairs (listing values, search bounds): value >= bound.
        at_most: pairs (listing values, search bounds): value <= bound.
        place_Q3, place_L3: points on the unit sphere; NaN where unknown.
        chord_Q: longest allowed straight line between them, through the sphere; NaN = no
            radius. A distance of d km is a chord of ``2 sin(d / (2 * earth radius))``.
    """

    market_Q: Tensor
    market_L: Tensor
    at_least: tuple[tuple[Tensor, Tensor], ...]
    at_most: tuple[tuple[Tensor, Tensor], ...]
    place_Q3: Tensor
    place_L3: Tensor
    chord_Q: Tensor

    @classmethod
    def of(cls, queries: pa.Table, catalogue: pa.Table) -> Self:
        """Read the bounds that both tables have columns for.

        ``queries`` has one row per search, ``catalogue`` one per listing. Prices are per
        night, the radius is in km.
        """
        markets = [t["market"] for t in (queries, catalogue) if "market" in t.column_names]
        words = Vocabulary.of(markets if len(markets) == 2 else [])
        return cls(
            market_Q=_market(queries, words),
            market_L=_market(catalogue, words),
            at_least=_pairs(_AT_LEAST, queries, catalogue),
            at_most=_pairs(_AT_MOST, queries, catalogue),
            place_Q3=_on_sphere(queries, "query_center_lat", "query_center_lng"),
            place_L3=_on_sphere(catalogue, "listing_lat", "listing_lng"),
            chord_Q=2 * torch.sin(_column(queries, "query_radius") / (2 * EARTH_RADIUS_KM)),
        )

    @property
    def binds(self) -> bool:
        """Whether there is any bound but the market."""
        has_radius = not bool(torch.isnan(self.chord_Q).all())
        return bool(self.at_least or self.at_most) or has_radius

    def ranks(self) -> RankedBounds | None:
        """The same bounds as comparisons of integers; ``None`` where a radius is one of them."""
        if not bool(torch.isnan(self.chord_Q).all()):
            return None
        # at most is at least with the signs turned
        pairs = [*self.at_least, *((-value, -bound) for value, bound in self.at_most)]
        ranked = [_ranked(value_L, bound_Q) for value_L, bound_Q in pairs]
        return RankedBounds(
            market_Q=self.market_Q,
            market_L=self.market_L,
            value_NL=_stacked([value for value, _ in ranked], len(self.market_L)),
            bound_NQ=_stacked([bound for _, bound in ranked], len(self.market_Q)),
        )

    def on(self, device: torch.device) -> Self:
        """The same bounds on another device."""

        def moved(pairs: tuple[tuple[Tensor, Tensor], ...]) -> tuple[tuple[Tensor, Tensor], ...]:
            return tuple((value.to(device), bound.to(device)) for value, bound in pairs)

        return type(self)(
            market_Q=self.market_Q.to(device),
            market_L=self.market_L.to(device),
            at_least=moved(self.at_least),
            at_most=moved(self.at_most),
            place_Q3=self.place_Q3.to(device),
            place_L3=self.place_L3.to(device),
            chord_Q=self.chord_Q.to(device),
        )

    def rows(self, queries: Rows) -> Self:
        """The bounds of these searches alone."""

        def selected(pairs: tuple[tuple[Tensor, Tensor], ...]) -> tuple[tuple[Tensor, Tensor], ...]:
            return tuple((value, bound[queries]) for value, bound in pairs)

        return replace(
            self,
            market_Q=self.market_Q[queries],
            at_least=selected(self.at_least),
            at_most=selected(self.at_most),
            place_Q3=self.place_Q3[queries],
            chord_Q=self.chord_Q[queries],
        )

    def within(self, listings: Tensor) -> Self:
        """The bounds over these listings alone, numbered anew."""

        def selected(pairs: tuple[tuple[Tensor, Tensor], ...]) -> tuple[tuple[Tensor, Tensor], ...]:
            return tuple((value[listings], bound) for value, bound in pairs)

        return replace(
            self,
            market_L=self.market_L[listings],
            at_least=selected(self.at_least),
            at_most=selected(self.at_most),
            place_L3=self.place_L3[listings],
        )

    def mask(self, queries: IntArray, listings: IntArray) -> Mask:
        """Which of these listings each of these searches allows, (queries, listings)."""
        within = self.within(torch.from_numpy(listings)).rows(torch.from_numpy(queries))
        return np.asarray(within(slice(None), slice(None)).numpy())

    def __call__(self, queries: Rows, listings: Rows) -> Tensor:
        """Mask of allowed listings per search; shape ``(queries, listings)``.

        With a row of listings for each search, shape ``(queries, n)``, the mask of those.
        """
        # ~(value < bound), not value >= bound: a comparison with NaN is false, so that a null
        # on either side forbids nothing
        market_Q1 = self.market_Q[queries, None]
        allowed_QL = (market_Q1 == self.market_L[listings]) | (market_Q1 == 0)
        for value_L, bound_Q in self.at_least:
            allowed_QL &= ~(value_L[listings] < bound_Q[queries, None])
        for value_L, bound_Q in self.at_most:
            allowed_QL &= ~(value_L[listings] > bound_Q[queries, None])
        chord_Q = self.chord_Q[queries]
        # a GPU is not asked: the host would wait for its answer
        if chord_Q.is_cuda or not bool(torch.isnan(chord_Q).all()):
            allowed_QL &= ~self._too_far(queries, listings)
        return allowed_QL

    def _too_far(self, queries: Rows, listings: Rows) -> Tensor:
        # |a - b|^2 = 2 - 2 a.b on the unit sphere: exact to a centimetre in float64
        centre_Q3, place_L3 = self.place_Q3[queries], self.place_L3[listings]
        if place_L3.ndim == 3:
            cosine_QL = torch.einsum("qd,qnd->qn", centre_Q3, place_L3)
        else:
            cosine_QL = centre_Q3 @ place_L3.T
        squared_QL = 2 - 2 * cosine_QL
        return squared_QL > (self.chord_Q[queries, None] ** 2)


@dataclass(frozen=True, kw_only=True)
class RankedBounds:
    """:class:`Eligibility` without a radius, in int32: a value counts by its rank.

    Attributes:
        market_Q, market_L: as there.
        value_NL: rank of each listing's value among all listings' values; above all where null.
        bound_NQ: rank of the least value that the search allows; 0 where null.
    """

    market_Q: Tensor
    market_L: Tensor
    value_NL: Tensor
    bound_NQ: Tensor

    def on(self, device: torch.device) -> Self:
        """The same bounds on another device."""
        return replace(self, **{name: value.to(device) for name, value in vars(self).items()})

    def between(
        self, search_B: Tensor, chosen_B: Tensor, listing_C: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Bounds ``(N, B)`` of searches and values ``(N, C)`` of listings: allowed is >= in all.

        Of use among the listings of the market of ``chosen_B``, the listing that each search
        chose: where the search asked for another market it allows none of them.
        """
        market_B = self.market_Q[search_B]
        is_elsewhere_B = (market_B != 0) & (market_B != self.market_L[chosen_B])
        bound_NB = self.bound_NQ[:, search_B].masked_fill(is_elsewhere_B, _NEVER)
        return bound_NB, self.value_NL[:, listing_C]


def _ranked(value_L: Tensor, bound_Q: Tensor) -> tuple[Tensor, Tensor]:
    """Values and bounds as ranks among the values.

    >>> value_L, bound_Q = torch.tensor([4.0, 2.0, 4.0]), torch.tensor([1.0, 3.0, 4.0, 5.0])
    >>> [ranks.tolist() for ranks in _ranked(value_L, bound_Q)]
    [[1, 0, 1], [0, 1, 1, 2]]
    """
    known = torch.unique(value_L[~torch.isnan(value_L)])
    value_rank_L = torch.searchsorted(known, value_L, out_int32=True)
    bound_rank_Q = torch.searchsorted(known, bound_Q, out_int32=True)
    return (
        value_rank_L.masked_fill(torch.isnan(value_L), _ALWAYS),
        bound_rank_Q.masked_fill(torch.isnan(bound_Q), 0),
    )


def _stacked(rows: list[Tensor], length: int) -> Tensor:
    return torch.stack(rows) if rows else torch.zeros((0, length), dtype=torch.int32)


def _column(table: pa.Table, name: str) -> Tensor:
    values = column_values(table, name)
    return torch.tensor(np.full(table.num_rows, np.nan) if values is None else values)


def _pairs(
    names: tuple[tuple[str, str], ...], queries: pa.Table, catalogue: pa.Table
) -> tuple[tuple[Tensor, Tensor], ...]:
    read = ((_column(catalogue, value), _column(queries, bound)) for value, bound in names)
    return tuple(
        (value, bound)
        for value, bound in read
        if not torch.isnan(value).all() and not torch.isnan(bound).all()
    )


def _market(table: pa.Table, words: Vocabulary) -> Tensor:
    if words.size == 1:
        return torch.zeros(table.num_rows, dtype=torch.int64)
    return torch.from_numpy(words.index(table["market"]))


def _on_sphere(table: pa.Table, lat: str, lng: str) -> Tensor:
    phi, lam = (torch.deg2rad(_column(table, name)) for name in (lat, lng))
    return torch.stack([phi.cos() * lam.cos(), phi.cos() * lam.sin(), phi.sin()], dim=1)
