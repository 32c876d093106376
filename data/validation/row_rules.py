"""The row rules: each block of cells becomes typed columns, rejected rows, nulled cells.

What is rejected and what is nulled is the contract's (CONTRACT, "Accepted, nulled,
quarantined, refused"); the codes are in ``data.schema.reason_codes``.
"""

from __future__ import annotations

from collections.abc import Mapping as Table

import polars as pl

from data.readers.values import (
    read_booleans,
    read_dates,
    read_numbers,
    read_text,
    read_times,
    read_words,
)
from data.schema.reason_codes import Nulled, Reason
from data.schema.tables import IMPRESSIONS, Column, Kind, Stage
from data.sources.apply_mapping import Cell
from data.sources.mapping import Mapping, slug
from data.validation.row_results import RowResults

__all__ = ["apply_row_rules"]

Cells = Table[str, Cell]

MAX_ID_LENGTH = 256
# "no limit" on the nights of a stay is written as this number, or more
NO_LIMIT_NIGHTS = 999_999_999

_ROOM_TYPES = {
    "entire_home": "entire_home",
    "entire_home_apt": "entire_home",
    "entire_place": "entire_home",
    "entire_apartment": "entire_home",
    "entire": "entire_home",
    "private_room": "private_room",
    "private": "private_room",
    "shared_room": "shared_room",
    "shared": "shared_room",
    "hotel_room": "hotel_room",
    "hotel": "hotel_room",
}
_COORDINATES = ("query_center_lat", "query_center_lng", "listing_lat", "listing_lng")
_BY_RULE = frozenset(
    {"id_search", "id_listing", "id_user", "label", "ts_search", "ds_search", "query_market"}
    | {"ds_book", "ds_contact"}
)


def apply_row_rules(cells: Cells, mapping: Mapping, height: int) -> RowResults:
    """Type every cell and judge every row by itself.

    ``cells`` holds the target columns that the log supports; the required ones are there.
    """
    found = RowResults(height=height)
    _identity(cells, found)
    _market(cells["query_market"].raw, mapping, found)
    _time(cells, mapping, found)
    _outcome(cells, mapping, found)
    extras = {column.name: column for column in mapping.extra_columns}
    for name, cell in cells.items():
        if name not in _BY_RULE:
            column = extras[name] if name in extras else IMPRESSIONS.column(name)
            _attribute(column, cell, mapping, found)
    _across_columns(found)
    return found


def _identity(cells: Cells, found: RowResults) -> None:
    for name in ("id_search", "id_listing", "id_user"):
        if name not in cells:
            continue
        values = read_text(cells[name].raw).alias(name)
        found.columns[name] = values
        if name != "id_user":
            found.reject(Reason.IDENTITY_MISSING, values.is_null())
        unreadable = (values.str.len_chars() > MAX_ID_LENGTH) | values.str.contains(
            r"[\x00-\x1f\x7f]"
        )
        found.reject(Reason.IDENTITY_UNREADABLE, unreadable)


def _market(raw: pl.Series, mapping: Mapping, found: RowResults) -> None:
    def market_of(word: str) -> str | None:
        return mapping.market_of(word.removesuffix(".0"))

    read = read_words(raw, market_of, pl.String())
    found.columns["market"] = read.values
    found.reject(Reason.MARKET_MISSING, read.values.is_null() & ~read.is_unreadable)
    found.reject(Reason.MARKET_UNKNOWN, read.is_unreadable)


def _time(cells: Cells, mapping: Mapping, found: RowResults) -> None:
    read, offset = read_times(cells["ts_search"].raw, mapping.time_format)
    local = _on_local_clock(read.values, offset, mapping, found.columns["market"])
    found.reject(Reason.TIME_MISSING, read.values.is_null() & ~read.is_unreadable)
    found.reject(Reason.TIME_UNREADABLE, read.is_unreadable)
    day = local.dt.date()
    found.columns |= {
        "ds_search": day,
        "ts_search": local,
        "search_s": local.dt.epoch("s"),
        "search_day": day.cast(pl.Int32),
    }
    if "ds_search" in cells:
        given = read_dates(cells["ds_search"].raw, mapping.time_format)
        found.reject(Reason.TIME_UNREADABLE, given.is_unreadable & ~read.is_unreadable)
        found.reject(Reason.TIME_DISAGREES, given.values != day)


def _on_local_clock(
    values: pl.Series, offset: pl.Series, mapping: Mapping, market: pl.Series
) -> pl.Series:
    """Times with an offset on their market's clock; times without one are local already."""
    if not offset.is_not_null().any():
        return values
    local = values
    for name in market.unique().drop_nulls().to_list():
        zone = mapping.zone_of(name)
        if zone is None:
            continue
        utc = pl.select(values - pl.duration(minutes=pl.lit(offset.fill_null(0)))).to_series()
        there = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone.key)
        here = (market == name).fill_null(value=False) & offset.is_not_null()
        local = local.zip_with(~here, there.dt.replace_time_zone(None))
    return local


def _outcome(cells: Cells, mapping: Mapping, found: RowResults) -> None:
    label = read_words(cells["label"].raw, lambda word: mapping.stage_of.get(slug(word)), pl.Int8())
    stage = label.values
    found.columns["stage"] = stage
    found.reject(Reason.LABEL_MISSING, stage.is_null() & ~label.is_unreadable)
    found.reject(Reason.LABEL_UNKNOWN, label.is_unreadable)
    booked = _action_date("ds_book", Stage.BOOKED, cells, mapping, found)
    contacted = _action_date("ds_contact", Stage.CONTACTED, cells, mapping, found)
    day = found.columns["ds_search"]
    found.reject(Reason.BOOKED_BEFORE_SEARCH, booked < day)
    found.reject(Reason.CONTACTED_BEFORE_SEARCH, contacted < day)
    found.reject(Reason.BOOKED_WITHOUT_DATE, (stage == Stage.BOOKED) & booked.is_null())
    found.reject(Reason.CONTACTED_WITHOUT_DATE, (stage == Stage.CONTACTED) & contacted.is_null())


def _action_date(
    name: str, stage: Stage, cells: Cells, mapping: Mapping, found: RowResults
) -> pl.Series:
    """The date of an action, null where the label does not reach it."""
    if name not in cells:
        return pl.Series(name, [None], dtype=pl.Date).new_from_index(0, found.height)
    cell = cells[name]
    read = read_dates(cell.raw, mapping.time_format).with_unreadable(cell.is_unreadable)
    happened = (found.columns["stage"] >= stage).fill_null(value=False)
    # a booked row may have no contact: only there an unreadable contact date is nulled
    found.null(name, Nulled.UNREADABLE, read.is_unreadable, cell.raw)
    early = read.values.is_not_null() & ~happened
    found.null(name, Nulled.DATE_WITHOUT_ACTION, early, cell.raw)
    values = read.values.set(~happened, None)
    found.columns[name] = values
    found.columns["book_day" if stage == Stage.BOOKED else "contact_day"] = values.cast(pl.Int32)
    return values


def _attribute(column: Column, cell: Cell, mapping: Mapping, found: RowResults) -> None:
    """Type one optional attribute by its kind; what cannot be kept is nulled and counted."""
    name, raw = column.name, cell.raw
    if column.kind in (Kind.NUMBER, Kind.COUNT):
        _number(column, cell, found)
    elif column.kind == Kind.BOOLEAN:
        read = read_booleans(raw).with_unreadable(cell.is_unreadable)
        found.columns[name] = read.values
        found.null(name, Nulled.UNREADABLE, read.is_unreadable, raw)
    elif column.kind == Kind.DATE:
        read = read_dates(raw, mapping.time_format).with_unreadable(cell.is_unreadable)
        found.columns[name] = read.values
        day = name.removeprefix("query_") + "_day"
        found.columns[day] = read.values.cast(pl.Int32)
        found.null(name, Nulled.UNREADABLE, read.is_unreadable, raw)
    elif name == "listing_room_type":
        read = read_words(raw, lambda word: _ROOM_TYPES.get(slug(word)), pl.String())
        found.columns[name] = read.values
        found.null(name, Nulled.UNKNOWN_VALUE, read.is_unreadable, raw)
    else:
        found.columns[name] = read_text(raw)


def _number(column: Column, cell: Cell, found: RowResults) -> None:
    name = column.name
    read = read_numbers(cell.raw).with_unreadable(cell.is_unreadable)
    values, is_nan = read.values, read.values.is_nan().fill_null(value=False)
    if name == "listing_maximum_nights":
        values = values.set((values >= NO_LIMIT_NIGHTS).fill_null(value=False), None)
    if name == "listing_total_price":
        found.reject(Reason.PRICE_NOT_FINITE, is_nan | values.is_infinite())
        found.reject(Reason.PRICE_NOT_POSITIVE, (values <= 0) & ~values.is_infinite())
    elif name in _COORDINATES:
        found.reject(Reason.COORDINATES, _outside(values, column) & ~is_nan)
    elif name == "query_num_guests":
        found.reject(Reason.PARTY_BELOW_ONE, (values < 1) & ~is_nan)
    unreadable = read.is_unreadable | is_nan
    if column.kind == Kind.COUNT:
        unreadable = unreadable | ((values != values.floor()) & values.is_finite())
    unreadable = unreadable.fill_null(value=False)
    outside = (_outside(values, column) & ~unreadable).fill_null(value=False)
    found.null(name, Nulled.UNREADABLE, unreadable, cell.raw)
    found.null(name, Nulled.OUT_OF_RANGE, outside, cell.raw)
    sound = values.set(unreadable | outside, None)
    found.columns[name] = sound.cast(pl.Int32) if column.kind == Kind.COUNT else sound


def _outside(values: pl.Series, column: Column) -> pl.Series:
    outside = values.is_infinite()
    if column.low is not None:
        outside = outside | (values < column.low)
    if column.high is not None:
        outside = outside | (values > column.high)
    return outside.fill_null(value=False)


def _across_columns(found: RowResults) -> None:
    checkin = found.columns.get("query_checkin")
    checkout = found.columns.get("query_checkout")
    if checkin is not None and checkout is not None:
        found.reject(Reason.STAY_BACKWARDS, checkout <= checkin)
