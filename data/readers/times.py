"""Dates and times of a log: cells of any spelling to wall-clock times and offsets from UTC.

As in ``data.readers.values``, a column is read whole, each distinct text once, and cells that
are not empty but cannot be read are marked.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from data.readers.values import NULL_SPELLINGS, ParsedColumn, joined, looked_up, nowhere
from data.schema.time import DAY_S, day_number

__all__ = ["TIME_FORMATS", "YEAR_LAST", "read_dates", "read_times"]

# Units of an epoch, in parts of a second. The long names are those of earlier versions.
_EPOCHS = {
    "epoch_s": 1,
    "epoch_ms": 1_000,
    "epoch_us": 1_000_000,
    "epoch_seconds": 1,
    "epoch_milliseconds": 1_000,
    "epoch_microseconds": 1_000_000,
}
TIME_FORMATS = ("auto", "day_first", "month_first", *_EPOCHS)
"""How times may be written, besides by a strptime pattern."""

# Year first, or month and day first with the year last; then a time, an offset.
_CLOCK = (
    r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"(?:\s*(?P<half>[AaPp][Mm]))?\s*(?P<offset>Z|UTC|[+-]\d{2}:?(?:\d{2})?)?)?$"
)
_YEAR_FIRST = r"^(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})" + _CLOCK
_MONTH_FIRST = r"^(?P<month>\d{1,2})[-/.](?P<day>\d{1,2})[-/.](?P<year>\d{4}|\d{2})" + _CLOCK
_DAY_FIRST = r"^(?P<day>\d{1,2})[-/.](?P<month>\d{1,2})[-/.](?P<year>\d{4}|\d{2})" + _CLOCK
YEAR_LAST = r"^\s*(?P<first>\d{1,2})[-/.](?P<second>\d{1,2})[-/.](?P<year>\d{4}|\d{2})(?:[T ].*)?$"
"""Dates of which the order of day and month is open; what follows the date does not matter."""
_PARTS = ("year", "month", "day", "hour", "minute", "second", "half", "offset")
_LAST_EPOCH_S = day_number(date(2100, 1, 1)) * DAY_S


def read_dates(raw: pl.Series, time_format: str) -> ParsedColumn:
    """The cells as dates; a time of day after the date is ignored."""
    if raw.dtype == pl.Date:
        return _bounded(raw, nowhere(raw))
    read, _ = read_times(raw, time_format, is_date=True)
    return ParsedColumn(values=read.values.cast(pl.Date), is_unreadable=read.is_unreadable)


def read_times(
    raw: pl.Series, time_format: str, *, is_date: bool = False
) -> tuple[ParsedColumn, pl.Series]:
    """The cells as wall-clock times, and each one's offset from UTC in minutes.

    The offset is null for a time without one. ``is_date`` also takes a date without time.
    """
    no_offset = pl.Series("offset", [None] * len(raw), dtype=pl.Int32)
    if raw.dtype == pl.Date and not is_date:
        return ParsedColumn(
            values=raw.cast(pl.Datetime("us")), is_unreadable=raw.is_not_null()
        ), no_offset
    if isinstance(raw.dtype, pl.Datetime):
        if raw.dtype.time_zone is not None:
            utc = raw.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            offset = pl.Series("offset", [0] * len(raw), dtype=pl.Int32)
            return _bounded(utc.cast(pl.Datetime("us")), nowhere(raw)), offset
        return _bounded(raw.cast(pl.Datetime("us")), nowhere(raw)), no_offset
    text = raw if raw.dtype == pl.String else raw.cast(pl.String)
    distinct = text.unique().drop_nulls().alias("raw")
    lookup = _parse_times(distinct, time_format, is_date=is_date)
    read = looked_up(text, lookup.select("raw", "values", "unreadable"))
    if not lookup["offset"].is_not_null().any():
        return read, no_offset
    offsets = joined(text, lookup.select("raw", "offset"))["offset"]
    return read, offsets


def _parse_times(distinct: pl.Series, time_format: str, *, is_date: bool) -> pl.DataFrame:
    text = distinct.str.strip_chars()
    is_filled = ~text.is_in(NULL_SPELLINGS)
    if time_format in _EPOCHS:
        seconds = text.cast(pl.Float64, strict=False) // _EPOCHS[time_format]
        in_range = seconds.is_between(0, _LAST_EPOCH_S)
        micros = seconds.set(~in_range.fill_null(value=False), None).cast(pl.Int64) * 1_000_000
        values = micros.cast(pl.Datetime("us"))
        offset = pl.Series([0] * len(text), dtype=pl.Int32)
    elif time_format not in TIME_FORMATS:
        values = text.str.strptime(pl.Datetime("us"), time_format, strict=False)
        offset = pl.Series([None] * len(text), dtype=pl.Int32)
    else:
        values, offset = _by_pattern(text, day_first=time_format == "day_first", is_date=is_date)
    read = _bounded(values.alias("values"), is_filled & values.is_null())
    return pl.DataFrame(
        {
            "raw": distinct,
            "values": read.values,
            "unreadable": read.is_unreadable,
            "offset": offset,
        }
    )


def _by_pattern(text: pl.Series, *, day_first: bool, is_date: bool) -> tuple[pl.Series, pl.Series]:
    """Times and their offsets in minutes, from texts that a regular expression takes apart.

    >>> text = pl.Series(["2018-02-05T10:30Z", "2/5/18 10:30 pm", "2018-02-30 10:00"])
    >>> times, offsets = _by_pattern(text, day_first=False, is_date=False)
    >>> times.dt.to_string().to_list()
    ['2018-02-05 10:30:00.000000', '2018-02-05 22:30:00.000000', None]
    >>> offsets.to_list()
    [0, None, None]
    """
    year_last = _DAY_FIRST if day_first else _MONTH_FIRST
    frame = pl.DataFrame({"text": text})
    first = pl.col("text").str.extract_groups(_YEAR_FIRST)
    last = pl.col("text").str.extract_groups(year_last)
    parts = frame.select(
        pl.coalesce(first.struct.field(part), last.struct.field(part)).alias(part)
        for part in _PARTS
    )
    hour = pl.col("hour").cast(pl.Int32)
    half = pl.col("half").str.to_lowercase()
    hour_of_day = (
        pl.when(half.is_null())
        .then(hour)
        .when(~hour.is_between(1, 12))
        .then(None)
        .otherwise(hour % 12 + pl.when(half == "pm").then(12).otherwise(0))
    )
    if is_date:
        hour_of_day = pl.coalesce(hour_of_day, pl.when(pl.col("hour").is_null()).then(0))
    # null in any part makes the whole text null, and an impossible date does not parse
    iso = pl.concat_str(
        pl.when(pl.col("year").str.len_bytes() == 2)
        .then(pl.lit("20") + pl.col("year"))
        .otherwise(pl.col("year")),
        pl.lit("-"),
        pl.col("month").str.zfill(2),
        pl.lit("-"),
        pl.col("day").str.zfill(2),
        pl.lit(" "),
        hour_of_day.cast(pl.String).str.zfill(2),
        pl.lit(":"),
        pl.col("minute").fill_null("00"),
        pl.lit(":"),
        pl.col("second").fill_null("00"),
    )
    parsed = parts.select(
        iso.str.strptime(pl.Datetime("us"), "%Y-%m-%d %H:%M:%S", strict=False).alias("values"),
        _offset_minutes(pl.col("offset")).alias("offset"),
    )
    return parsed["values"], parsed["offset"]


def _offset_minutes(offset: pl.Expr) -> pl.Expr:
    hours = offset.str.slice(1, 2).cast(pl.Int32, strict=False)
    minutes = offset.str.slice(3).str.strip_chars(":").cast(pl.Int32, strict=False).fill_null(0)
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    return (
        pl.when(offset.is_in(["Z", "UTC"]))
        .then(0)
        .otherwise(sign * (hours * 60 + minutes))
        .cast(pl.Int32)
    )


def _bounded(values: pl.Series, is_unreadable: pl.Series) -> ParsedColumn:
    """Times before 1990 or from 2100 on count as unreadable: they are typing errors."""
    outside = ~values.dt.year().is_between(1990, 2099)
    outside = outside.fill_null(value=False)
    return ParsedColumn(values=values.set(outside, None), is_unreadable=is_unreadable | outside)
