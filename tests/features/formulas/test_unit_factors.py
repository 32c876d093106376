from __future__ import annotations

import re
from pathlib import Path

import narwhals as nw
import polars as pl
import pytest

import features
from features.formulas.unit_factors import (
    MINUTES_PER_SECOND,
    PER_HUNDREDTH,
    PER_MICRO,
    hours_since,
)

# `/ 100`, `/ HOUR_S`, `/ _WINDOW`: see features/formulas/unit_factors.py. Between constants
# it is harmless.
DIVISION_BY_CONSTANT = re.compile(r"(?<!/)/ (?:\d|_?[A-Z][A-Z_]+\b)")
BETWEEN_CONSTANTS = re.compile(r"\b(?:\d+|pi) / ")


def divisions_by_constants(folder: Path) -> list[str]:
    """``file:line: text`` of each division of a column by a constant, sub-folders included."""
    return [
        f"{path.relative_to(folder).as_posix()}:{number}: {line.strip()}"
        for path in sorted(folder.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if DIVISION_BY_CONSTANT.search(line) and not BETWEEN_CONSTANTS.search(line)
    ]


def test_no_column_is_divided_by_a_constant() -> None:
    folder = Path(features.__file__).parent
    assert (folder / "groups" / "listing.py").is_file()  # the folder that is searched is ours
    assert divisions_by_constants(folder) == []


@pytest.mark.parametrize(
    "line", ['price = nw.col("_price") / 100', "hours = age_s / HOUR_S", "x = (a + b) / _WINDOW_S"]
)
def test_a_division_by_a_constant_in_a_sub_folder_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups" / "prices.py").write_text(f"import narwhals as nw\n{line}\n")
    assert divisions_by_constants(tmp_path) == [f"groups/prices.py:2: {line}"]


@pytest.mark.parametrize(
    "line", ["share = clicks / impressions", "PER_MICRO = 1 / 1_000_000", "week = day // 7"]
)
def test_a_ratio_of_columns_or_of_constants_is_allowed(tmp_path: Path, line: str) -> None:
    (tmp_path / "prices.py").write_text(f"{line}\n")
    assert divisions_by_constants(tmp_path) == []


def test_integers_become_units() -> None:
    units = [12_345 * PER_HUNDREDTH, -22_970_000 * PER_MICRO, 90 * MINUTES_PER_SECOND]
    assert units == pytest.approx([123.45, -22.97, 1.5])


def test_hours_since_an_event_and_null_without_one() -> None:
    rows = nw.from_native(pl.DataFrame({"search_s": [9_000, 9_000], "_last_s": [1_800, None]}))
    hours = rows.select(hours=hours_since("_last_s"))["hours"].to_list()
    assert hours == [pytest.approx(2.0), None]
