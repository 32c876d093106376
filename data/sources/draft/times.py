"""Which column is the time of the search, and how its times are written."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from data.readers.times import read_dates, read_times
from data.readers.values import read_text
from data.sources.draft.vocabulary import noun_score, words_of

__all__ = ["FoundTime", "find_time", "is_date", "is_time"]

# A time of day is needed; of these patterns the first that reads nearly every cell is taken.
_PATTERNS = (
    *("%Y%m%d%H%M%S", "%Y%m%d %H:%M:%S", "%Y%m%dT%H%M%S", "%d/%b/%Y:%H:%M:%S", "%d %b %Y %H:%M:%S"),
    *("%d %b %Y %H:%M", "%d-%b-%Y %H:%M:%S", "%d-%b-%y %H:%M", "%b %d, %Y %H:%M:%S"),
    *("%a %b %d %H:%M:%S %Y", "%d.%m.%Y %H.%M", "%Y-%m-%d %H.%M.%S", "%Y-%m-%d-%H-%M-%S"),
    *("%d/%m/%YT%H:%M:%S", "%d.%m.%Y, %H:%M", "%d.%m.%Y, %H:%M:%S", "%d/%m/%Y, %H:%M:%S"),
)
_READ = 0.9
_DAY_AND_MONTH = r"^\s*(\d{1,2})[-/.](\d{1,2})[-/.]\d{2,4}"
# Of a booking, a contact or a stay, and of a person: never the time of the search.
_OTHER_TIMES = frozenset(
    {"book", "booked", "booking", "reserved", "reservation", "contact", "contacted", "order"}
    | {"ordered", "purchase", "checkin", "checkout", "arrival", "departure", "birth", "birthday"}
    | {"updated", "modified", "review", "scraped"}
)


@dataclass(frozen=True, kw_only=True)
class FoundTime:
    """The column, its ``time_format``, whether its times are UTC (or have an offset), doubts."""

    column: str
    time_format: str
    is_utc: bool
    unsure: str = ""


def find_time(rows: pl.DataFrame) -> FoundTime | None:
    """The likeliest column: its name says so, or it is the only one with times of day."""
    found = []
    for name in rows.columns:
        words = words_of(name)
        is_other = _OTHER_TIMES.intersection(words) or {"check", "in"} <= set(words)
        read = None if is_other else _format(rows[name], is_named=noun_score(name, "ts_search") > 0)
        if read is not None:
            found.append((noun_score(name, "ts_search"), name, read))
    if not found:
        return None
    best = max(found, key=lambda one: one[0])
    others = [name for score, name, _ in found if name != best[1]]
    time_format, is_utc, doubt = best[2]
    if best[0] == 0 and others:
        doubt = f"{', '.join(others)} hold times too. {doubt}".strip()
    return FoundTime(column=best[1], time_format=time_format, is_utc=is_utc, unsure=doubt)


def is_time(column: pl.Series) -> bool:
    """Whether nearly all cells are times of day on a date, in any spelling that is known."""
    return _format(column, is_named=False) is not None


def is_date(column: pl.Series, time_format: str) -> bool:
    """Whether nearly all cells are dates, written as the log's times are."""
    filled = column.drop_nulls()
    if filled.is_empty() or (filled.dtype.is_numeric() and not time_format.startswith("epoch")):
        return False
    read = read_dates(filled, time_format)
    return _share(read.values) >= _READ


def _format(column: pl.Series, *, is_named: bool) -> tuple[str, bool, str] | None:
    """``time_format``, whether in UTC, doubts; ``None`` where the cells are no times."""
    if column.dtype.is_nested() or column.dtype in (pl.Boolean, pl.Date, pl.Time):
        return None
    filled = read_text(column).drop_nulls() if column.dtype == pl.String else column.drop_nulls()
    if filled.is_empty():
        return None
    if isinstance(filled.dtype, pl.Datetime):
        return "auto", filled.dtype.time_zone is not None, ""
    numbers = filled.cast(pl.Float64, strict=False)
    if _share(numbers) >= _READ:
        # a number is a time only by its name: a price in cents has ten digits too
        return (_epoch(numbers) or _written(filled.cast(pl.String))) if is_named else None
    return _written(filled)


def _epoch(numbers: pl.Series) -> tuple[str, bool, str] | None:
    middle = numbers.median()
    # 1990 to 2100; seconds and milliseconds cannot be taken for each other there
    for name, unit in (("epoch_seconds", 1), ("epoch_milliseconds", 1000)):
        if isinstance(middle, float) and 631_152_000 <= middle / unit < 4_102_444_800:
            return name, True, ""
    return None


def _written(text: pl.Series) -> tuple[str, bool, str] | None:
    shares = {}
    for time_format in ("auto", "day_first"):
        read, offset = read_times(text, time_format)
        shares[time_format] = (_share(read.values), offset.is_not_null().any())
    day_first, doubt = _is_day_first(text)
    if max(share for share, _ in shares.values()) >= _READ:
        chosen = "day_first" if day_first else "auto"
        return chosen, bool(shares[chosen][1]), doubt
    for pattern in _PATTERNS:
        read, _ = read_times(text, pattern)
        if _share(read.values) >= _READ:
            return pattern, False, ""
    return None


def _is_day_first(text: pl.Series) -> tuple[bool, str]:
    parts = text.str.extract_groups(_DAY_AND_MONTH)
    first = parts.struct.field("1").cast(pl.Int32, strict=False).drop_nulls()
    second = parts.struct.field("2").cast(pl.Int32, strict=False).drop_nulls()
    if first.is_empty():
        return False, ""
    if (first > 12).any():
        return True, ""
    if (second > 12).any():
        return False, ""
    # the days of a week of logs go on while its month stays
    if first.n_unique() > second.n_unique():
        return True, (
            f"days before months in {text[0]!r}: the first number takes {first.n_unique()} values "
            f"and the second {second.n_unique()}, but no number is above 12"
        )
    return False, (
        f"months before days in {text[0]!r}: no number is above 12, so that nothing proves it; "
        'otherwise write "day_first"'
    )


def _share(values: pl.Series) -> float:
    return 1.0 - values.null_count() / len(values) if len(values) else 0.0
