"""Quarantined rows counted by reason, and of each reason an example that a person can look up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping as Dict

import polars as pl

from data.schema.reason_codes import Reason
from data.sources.column_rules import Rule

__all__ = ["count_reasons", "first_examples"]

_VALUE_LENGTH = 60
_COLUMNS_OF: dict[str, tuple[str, ...]] = {
    Reason.IDENTITY_MISSING: ("id_search", "id_listing"),
    Reason.IDENTITY_UNREADABLE: ("id_search", "id_listing"),
    Reason.IDENTITY_INEXACT: ("id_search", "id_listing", "id_user"),
    Reason.MARKET_UNKNOWN: ("query_market",),
    Reason.LABEL_UNKNOWN: ("label",),
    Reason.TIME_UNREADABLE: ("ts_search", "ds_search"),
    Reason.TIME_WITHOUT_OFFSET: ("ts_search", "query_market"),
    Reason.TIME_DISAGREES: ("ts_search", "ds_search"),
    Reason.STAY_BACKWARDS: ("query_checkin", "query_checkout"),
    Reason.PARTY_BELOW_ONE: ("query_num_guests",),
    Reason.PRICE_NOT_POSITIVE: ("listing_total_price",),
    Reason.PRICE_NOT_FINITE: ("listing_total_price",),
    Reason.COORDINATES: ("query_center_lat", "query_center_lng", "listing_lat", "listing_lng"),
    Reason.BOOKED_BEFORE_SEARCH: ("ts_search", "ds_book"),
    Reason.CONTACTED_BEFORE_SEARCH: ("ts_search", "ds_contact"),
    Reason.BOOKED_WITHOUT_DATE: ("label", "ds_book"),
    Reason.CONTACTED_WITHOUT_DATE: ("label", "ds_contact"),
}


def count_reasons(reasons: pl.Series) -> Counter[str]:
    """Rows per code; a row with two codes counts under both.

    >>> counts = count_reasons(pl.Series(["label_missing,time_missing", "label_missing"]))
    >>> sorted(counts.items())
    [('label_missing', 2), ('time_missing', 1)]
    """
    counts: Counter[str] = Counter()
    for codes, rows in reasons.value_counts(name="rows").iter_rows():
        for code in codes.split(","):
            counts[code] += rows
    return counts


def first_examples(
    rejected: pl.DataFrame, rules: Dict[str, Rule], known: Dict[str, str]
) -> dict[str, str]:
    """Code → `` (first in line 7: label 'показ')``, for the codes that ``known`` lacks.

    ``rejected`` has ``source_line`` and ``reasons``, and ``row`` where a value is to be shown.
    """
    found = {}
    codes = {code for codes in rejected["reasons"].unique().to_list() for code in codes.split(",")}
    for code in codes - set(known):
        has_code = pl.col("reasons").str.split(",").list.contains(code)
        first = rejected.filter(has_code).sort("source_line").row(0, named=True)
        values = _values(code, first.get("row"), rules)
        found[code] = f" (first in line {first['source_line']}{values})"
    return found


def _values(code: str, row: str | None, rules: Dict[str, Rule]) -> str:
    """The columns of the file that the reason is about, with what stands in them."""
    if row is None:
        return ""
    cells = json.loads(row)
    targets = [name for name in _COLUMNS_OF.get(code, ()) if name in rules]
    needs = dict.fromkeys(need for name in targets for need in rules[name].needs if need in cells)
    shown = [f"{name} {_shortened(cells[name])}" for name in needs]
    if "line" in cells and not needs:
        shown = [_shortened(cells["line"])]
    return ": " + ", ".join(shown) if shown else ""


def _shortened(value: object) -> str:
    if value is None:
        return "empty"
    text = str(value)
    return repr(text if len(text) <= _VALUE_LENGTH else text[:_VALUE_LENGTH] + "…")
