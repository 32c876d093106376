"""Results of a search compared with each other: what plain loops over the pairs give."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from statistics import median
from typing import Any

import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import given, settings

from features.formulas.comparisons import Comparison, Dominated, ResultCount
from features.formulas.within_search_arrays import RESOLUTION

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
VALUE = (
    st.none() | st.integers(0, 3).map(float) | st.integers(-5_000, 5_000).map(lambda n: n * 0.01)
)
SMALL = st.none() | st.integers(0, 3).map(float)
RESULTS = st.lists(st.tuples(st.integers(0, 4), VALUE), min_size=1, max_size=40)
KINDS = ("rank", "z", "to_median", "to_best")

Oracle = Callable[[float, list[float], bool], float | None]


def rank(own: float, known: list[float], low_is_good: bool) -> float:
    return 1 + sum(other < own if low_is_good else other > own for other in known)


def to_median(own: float, known: list[float], low_is_good: bool) -> float | None:
    middle = median(known)
    return own / middle if middle > 0 else None


def to_best(own: float, known: list[float], low_is_good: bool) -> float | None:
    best = min(known) if low_is_good else max(known)
    return own / best if best > 0 else None


def z(own: float, known: list[float], low_is_good: bool) -> float | None:
    """Of positions between the lowest and the highest in whole steps, with exact fractions."""
    lowest, highest = min(known), max(known)
    if lowest == highest:
        return None

    def position(value: float) -> Fraction:
        return Fraction(int((value - lowest) / (highest - lowest) * RESOLUTION + 0.5))

    positions = [position(value) for value in known]
    mean = sum(positions, Fraction(0)) / len(positions)
    variance = sum((p - mean) ** 2 for p in positions) / len(positions)
    return float(position(own) - mean) / float(variance) ** 0.5 if variance else None


ORACLES: dict[str, Oracle] = {"rank": rank, "z": z, "to_median": to_median, "to_best": to_best}


def frame_of(rows: list[tuple[Any, ...]], *names: str) -> pl.DataFrame:
    schema = {"id_search": pl.UInt32, **dict.fromkeys(names, pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def of_search(rows: list[tuple[Any, ...]], search: int) -> list[tuple[Any, ...]]:
    return [row for row in rows if row[0] == search]


@pytest.mark.parametrize("low_is_good", [True, False])
@QUICK
@given(rows=RESULTS)
def test_each_result_is_compared_with_the_known_values_of_its_search(
    low_is_good: bool, rows: list[tuple[int, float | None]]
) -> None:
    frame = frame_of(rows, "v")
    wanted = {kind: Comparison(column="v", kind=kind, low_is_good=low_is_good) for kind in KINDS}
    found = dict(zip(KINDS, wanted["rank"].compute(wanted, frame), strict=True))
    assert [found[kind].name for kind in KINDS] == list(KINDS)
    for place, (search, own) in enumerate(rows):
        known = [value for _, value in of_search(rows, search) if value is not None]
        for kind, oracle in ORACLES.items():
            expected = None if own is None else oracle(own, known, low_is_good)
            assert found[kind][place] == (
                None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-9)
            ), (kind, place)


@QUICK
@given(rows=RESULTS)
def test_comparisons_of_several_columns_in_one_call_are_those_of_each_alone(
    rows: list[tuple[int, float | None]],
) -> None:
    frame = frame_of(rows, "v").with_columns(w=-pl.col("v"))
    wanted = {
        f"{column} {kind} {low}": Comparison(column=column, kind=kind, low_is_good=low)
        for kind in KINDS
        for column in ("v", "w")
        for low in (True, False)
    }
    together = next(iter(wanted.values())).compute(wanted, frame)
    alone = [value.compute({name: value}, frame)[0] for name, value in wanted.items()]
    assert [column.name for column in together] == list(wanted)
    assert all(a.equals(b, check_dtypes=True) for a, b in zip(together, alone, strict=True))


@QUICK
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4), st.none() | st.sampled_from("abc")), min_size=1, max_size=40
    )
)
def test_results_and_those_alike_are_counted_within_the_search(
    rows: list[tuple[int, str | None]],
) -> None:
    frame = pl.DataFrame(rows, schema={"id_search": pl.UInt32, "room": pl.String}, orient="row")
    wanted = {"all": ResultCount(), "alike": ResultCount(alike="room")}
    every, alike = wanted["all"].compute(wanted, frame)
    assert every.to_list() == [len(of_search(rows, search)) for search, _ in rows]
    assert alike.to_list() == [
        sum(other == room for _, other in of_search(rows, search)) for search, room in rows
    ]


def dominating(row: tuple[Any, ...], rows: list[tuple[Any, ...]]) -> int | None:
    """Results that are no dearer, no farther and no worse rated, and better in one of these."""
    if None in row:
        return None
    low_is_good = [(p, d, -r) for _, p, d, r in of_search(rows, row[0]) if None not in (p, d, r)]
    own = (row[1], row[2], -row[3])
    return sum(
        all(o <= v for o, v in zip(other, own, strict=True)) and other != own
        for other in low_is_good
    )


DOMINATED = Dominated(low=("price", "distance"), high=("rating",))


def dominated(rows: list[tuple[Any, ...]]) -> list[int | None]:
    frame = frame_of(rows, "price", "distance", "rating")
    (counts,) = DOMINATED.compute({"dominated_by": DOMINATED}, frame)
    return counts.to_list()


def test_a_result_is_dominated_by_those_no_worse_in_all_and_better_in_one() -> None:
    rows = [(1, 90.0, 1.0, 4.5), (1, 80.0, 1.0, 4.5), (1, 70.0, 2.0, 4.0), (1, None, 0.0, 5.0)]
    assert dominated(rows) == [1, 0, 0, None]


@QUICK
@given(rows=st.lists(st.tuples(st.integers(0, 4), SMALL, SMALL, SMALL), min_size=1, max_size=40))
def test_dominating_results_are_those_that_a_loop_over_the_search_finds(
    rows: list[tuple[Any, ...]],
) -> None:
    assert dominated(rows) == [dominating(row, rows) for row in rows]
