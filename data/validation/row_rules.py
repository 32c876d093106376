"""The row rules: raw columns become typed columns, rejected rows and nulled cells.

A fault in what a row *is* (its identity, market, time, label, price above zero) rejects the
whole row; an unreadable or impossible optional attribute is nulled and its row stays. The
codes and their meanings are in ``data.schema.reason_codes``.

Masks may be null where a value is null; ``RowResults`` counts null as false.
"""

from __future__ import annotations

import polars as pl

from data.readers.ids import read_ids
from data.readers.times import read_dates
from data.readers.values import read_booleans, read_numbers, read_text, read_words
from data.readers.words import KnownWords
from data.schema.event_visibility import OUTCOME_DAY, OUTCOME_KNOWN
from data.schema.reason_codes import Nulled, Reason
from data.schema.tables import IMPRESSIONS, Column, Kind, Stage
from data.sources.apply_mapping import RawColumn
from data.sources.mapping import Mapping
from data.validation.row_results import RowResults
from data.validation.search_time import SearchTime, apply_search_time
from data.validation.time_reading import TimeReading

__all__ = ["apply_row_rules"]

RawColumns = dict[str, RawColumn]

MAX_ID_LENGTH = 256
# "no limit" on the nights of a stay is written as this number, or more
NO_LIMIT_NIGHTS = 999_999_999

_ROOM_TYPES = KnownWords(
    (word, room_type)
    for room_type, words in {
        "entire_home": (
            "entire home",
            "entire home/apt",
            "entire place",
            "entire apartment",
            "entire",
        ),
        "private_room": ("private room", "private"),
        "shared_room": ("shared room", "shared"),
        "hotel_room": ("hotel room", "hotel"),
    }.items()
    for word in words
)
_COORDINATES = ("query_center_lat", "query_center_lng", "listing_lat", "listing_lng")
_BY_RULE = frozenset(
    {"id_search", "id_listing", "id_user", "label", "ts_search", "ds_search", "query_market"}
    | {"ds_book", "ds_contact"}
)


def apply_row_rules(
    raw: RawColumns, mapping: Mapping, times: TimeReading, height: int
) -> RowResults:
    """Type every cell and check every row by itself.

    ``raw`` holds the target columns that the log supports; the required ones are there.
    Rules over several rows (duplicates, contradictions) are in ``data.ingest.deduplicate``.
    """
    results = RowResults(height=height)
    # market before time (its clock), time before outcome (no action before the search)
    _identity(raw, results)
    _market(raw["query_market"].values, mapping, results)
    searched = apply_search_time(raw, mapping, times, results)
    _outcome(raw, mapping, times, searched, results)
    extras = {column.name: column for column in mapping.extra_columns}
    for name, raw_column in raw.items():
        if name not in _BY_RULE:
            column = extras[name] if name in extras else IMPRESSIONS.column(name)
            _attribute(column, raw_column, times, results)
    _across_columns(results)
    return results


def _identity(raw: RawColumns, results: RowResults) -> None:
    for name in ("id_search", "id_listing", "id_user"):
        if name not in raw:
            continue
        ids, is_inexact = read_ids(raw[name].values)
        values = ids.alias(name)
        results.columns[name] = values
        if name != "id_user":
            results.reject(Reason.IDENTITY_MISSING, values.is_null())
        is_unreadable = (values.str.len_chars() > MAX_ID_LENGTH) | values.str.contains(
            r"[\x00-\x1f\x7f]"
        )
        results.reject(Reason.IDENTITY_UNREADABLE, is_unreadable)
        results.reject(Reason.IDENTITY_INEXACT, is_inexact)


def _market(values: pl.Series, mapping: Mapping, results: RowResults) -> None:
    parsed = read_words(values, mapping.market_of, pl.String())
    results.columns["market"] = parsed.values
    results.reject(Reason.MARKET_MISSING, parsed.values.is_null() & ~parsed.is_unreadable)
    results.reject(Reason.MARKET_UNKNOWN, parsed.is_unreadable)


def _outcome(
    raw: RawColumns,
    mapping: Mapping,
    times: TimeReading,
    searched: SearchTime,
    results: RowResults,
) -> None:
    label = read_words(raw["label"].values, mapping.stage_of, pl.Int8())
    stage = label.values
    results.columns["stage"] = stage
    results.reject(Reason.LABEL_MISSING, stage.is_null() & ~label.is_unreadable)
    results.reject(Reason.LABEL_UNKNOWN, label.is_unreadable)
    booked = _action_date("ds_book", Stage.BOOKED, raw, times, results)
    contacted = _action_date("ds_contact", Stage.CONTACTED, raw, times, results)
    results.reject(Reason.BOOKED_BEFORE_SEARCH, booked < searched.earliest_day)
    results.reject(Reason.CONTACTED_BEFORE_SEARCH, contacted < searched.earliest_day)
    results.reject(Reason.BOOKED_WITHOUT_DATE, (stage == Stage.BOOKED) & booked.is_null())
    results.reject(Reason.CONTACTED_WITHOUT_DATE, (stage == Stage.CONTACTED) & contacted.is_null())
    for name, of_stage, date in (
        ("ds_book", Stage.BOOKED, booked),
        ("ds_contact", Stage.CONTACTED, contacted),
    ):
        if name in raw:
            _action_day(name, of_stage, date, searched, results)


def _action_date(
    name: str, stage: Stage, raw: RawColumns, times: TimeReading, results: RowResults
) -> pl.Series:
    """The date of an action as the log has it, null where the label does not reach it."""
    if name not in raw:
        return pl.Series(name, [None], dtype=pl.Date).new_from_index(0, results.height)
    source = raw[name]
    parsed = read_dates(source.values, times.time_format).with_unreadable(source.is_unreadable)
    has_happened = (results.columns["stage"] >= stage).fill_null(value=False)
    # a booked row may have no contact: only there an unreadable contact date is nulled
    results.null(name, Nulled.UNREADABLE, parsed.is_unreadable, source.values)
    is_without_action = parsed.values.is_not_null() & ~has_happened
    results.null(name, Nulled.DATE_WITHOUT_ACTION, is_without_action, source.values)
    return parsed.values.set(~has_happened, None)


def _action_day(
    name: str, stage: Stage, date: pl.Series, searched: SearchTime, results: RowResults
) -> None:
    """Write an action's date, its day, and where instants are told when it becomes known."""
    if searched.clock is not None:
        results.columns[OUTCOME_KNOWN[stage]] = searched.clock.last_second_of(date)
        # a date by another clock than the market's may be the day before the search: nobody
        # acts before the search
        is_before = (date < searched.day).fill_null(value=False)
        date = date.zip_with(~is_before, searched.day)
    results.columns[name] = date
    results.columns[OUTCOME_DAY[stage]] = date.cast(pl.Int32)


def _attribute(column: Column, source: RawColumn, times: TimeReading, results: RowResults) -> None:
    """Type one optional attribute by its kind; an unusable value is nulled and counted."""
    name, raw = column.name, source.values
    if column.kind in (Kind.NUMBER, Kind.COUNT):
        _number(column, source, results)
    elif column.kind == Kind.BOOLEAN:
        parsed = read_booleans(raw).with_unreadable(source.is_unreadable)
        results.columns[name] = parsed.values
        results.null(name, Nulled.UNREADABLE, parsed.is_unreadable, raw)
    elif column.kind == Kind.DATE:
        parsed = read_dates(raw, times.time_format).with_unreadable(source.is_unreadable)
        results.columns[name] = parsed.values
        # query_checkin comes with checkin_day
        day = name.removeprefix("query_") + "_day"
        results.columns[day] = parsed.values.cast(pl.Int32)
        results.null(name, Nulled.UNREADABLE, parsed.is_unreadable, raw)
    elif name == "listing_room_type":
        parsed = read_words(raw, _ROOM_TYPES.meaning, pl.String())
        results.columns[name] = parsed.values
        results.null(name, Nulled.UNKNOWN_VALUE, parsed.is_unreadable, raw)
    else:
        results.columns[name] = read_text(raw)


def _number(column: Column, source: RawColumn, results: RowResults) -> None:
    """A number: rejected, nulled as unreadable, nulled as out of range, or kept.

    A price, a coordinate or a number of guests that cannot be rejects its row. Every other
    number outside the bounds of its column is nulled.
    """
    name = column.name
    parsed = read_numbers(source.values).with_unreadable(source.is_unreadable)
    values, is_unreadable = parsed.values, parsed.is_unreadable
    if name == "listing_maximum_nights":
        values = values.set((values >= NO_LIMIT_NIGHTS).fill_null(value=False), None)
    if name == "listing_total_price":
        results.reject(Reason.PRICE_NOT_FINITE, values.is_infinite())
        results.reject(Reason.PRICE_NOT_POSITIVE, (values <= 0) & ~values.is_infinite())
    elif name in _COORDINATES:
        results.reject(Reason.COORDINATES, _is_outside(values, column))
    elif name == "query_num_guests":
        results.reject(Reason.PARTY_BELOW_ONE, values < 1)
    if column.kind == Kind.COUNT:
        is_unreadable = is_unreadable | ((values != values.floor()) & values.is_finite())
    is_unreadable = is_unreadable.fill_null(value=False)
    is_outside = (_is_outside(values, column) & ~is_unreadable).fill_null(value=False)
    results.null(name, Nulled.UNREADABLE, is_unreadable, source.values)
    results.null(name, Nulled.OUT_OF_RANGE, is_outside, source.values)
    sound = values.set(is_unreadable | is_outside, None)
    results.columns[name] = sound.cast(pl.Int32) if column.kind == Kind.COUNT else sound


def _is_outside(values: pl.Series, column: Column) -> pl.Series:
    """Infinite, or outside the column's bounds; false for null."""
    is_outside = values.is_infinite()
    if column.low is not None:
        is_outside = is_outside | (values < column.low)
    if column.high is not None:
        is_outside = is_outside | (values > column.high)
    return is_outside.fill_null(value=False)


def _across_columns(results: RowResults) -> None:
    checkin = results.columns.get("query_checkin")
    checkout = results.columns.get("query_checkout")
    if checkin is not None and checkout is not None:
        results.reject(Reason.STAY_BACKWARDS, checkout <= checkin)
