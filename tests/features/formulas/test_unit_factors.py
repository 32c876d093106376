from __future__ import annotations

import ast
from pathlib import Path

import polars as pl
import pytest

import features
from features.formulas.unit_factors import (
    MINUTES_PER_SECOND,
    PER_HUNDREDTH,
    PER_MICRO,
    hours_since,
)


def divisions_by_constants(folder: Path) -> list[str]:
    """``file:line: code`` of each division of a column by a constant, sub-folders included.

    `/ 100`, `/ HOUR_S`, `/ _WINDOW`: see features/formulas/unit_factors.py. Between two constants
    a division is harmless, as in ``sentences``, which has no columns: numbers, one by one.
    """
    return [
        f"{path.relative_to(folder).as_posix()}:{node.lineno}: {ast.unparse(node)}"
        for path in sorted(folder.rglob("*.py"))
        if "sentences" not in path.relative_to(folder).parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div)
        and is_constant(node.right)
        and not is_constant(node.left)
    ]


def is_constant(node: ast.expr) -> bool:
    """A number, a name in capitals or pi, or what is computed from such alone."""
    if isinstance(node, ast.BinOp):
        return is_constant(node.left) and is_constant(node.right)
    if isinstance(node, ast.Name | ast.Attribute):
        name = node.id if isinstance(node, ast.Name) else node.attr
        return name.isupper() or name == "pi"
    return isinstance(node, ast.Constant)


def test_no_column_is_divided_by_a_constant() -> None:
    folder = Path(features.__file__).parent
    assert (folder / "groups" / "listing.py").is_file()  # the folder that is searched is ours
    assert divisions_by_constants(folder) == []


@pytest.mark.parametrize(
    ("code", "offence"),
    [
        ("price = col('_price') / 100", "col('_price') / 100"),
        ("hours = age_s / HOUR_S", "age_s / HOUR_S"),
        ("x = (a + b) / time._WINDOW_S", "(a + b) / time._WINDOW_S"),
        ("x = age_s / (24 * HOUR_S)", "age_s / (24 * HOUR_S)"),
        ("x = age_s / 24 * (1 / 60)", "age_s / 24"),
        ("x = {\n'hours': age_s\n/ 24}", "age_s / 24"),
    ],
)
def test_a_division_by_a_constant_in_a_sub_folder_is_found(
    tmp_path: Path, code: str, offence: str
) -> None:
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups" / "prices.py").write_text(code)
    (division,) = divisions_by_constants(tmp_path)
    file, _, text = division.split(":", 2)
    assert (file, text.strip()) == ("groups/prices.py", offence)


@pytest.mark.parametrize(
    "line",
    [
        "share = clicks / impressions",
        "PER_MICRO = 1 / 1_000_000",
        "week = day // 7",
        "radians = degrees * (pi / 180)",
        "per_guest = 100 / guests",
    ],
)
def test_a_ratio_of_columns_or_of_constants_is_allowed(tmp_path: Path, line: str) -> None:
    (tmp_path / "prices.py").write_text(f"{line}\n")
    assert divisions_by_constants(tmp_path) == []


def test_integers_become_units() -> None:
    units = [12_345 * PER_HUNDREDTH, -22_970_000 * PER_MICRO, 90 * MINUTES_PER_SECOND]
    assert units == pytest.approx([123.45, -22.97, 1.5])


def test_hours_since_an_event_and_null_without_one() -> None:
    rows = pl.DataFrame({"search_s": [9_000, 9_000], "_last_s": [1_800, None]})
    hours = rows.select(hours=hours_since("_last_s"))["hours"].to_list()
    assert hours == [pytest.approx(2.0), None]
