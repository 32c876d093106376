"""Steps are computed as soon as they can be, together where they share work, and dropped after."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from features.definitions.evaluate import Evaluation
from features.definitions.plan import Step

A, B, LATER = pl.col("a"), pl.col("b"), pl.col("later")


@dataclass(frozen=True)
class Recorded:
    """Adds one, and notes with what it was called together."""

    column: str
    calls: list[list[str]] = field(default_factory=list, hash=False, compare=False)

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def together(self) -> Hashable:
        return Recorded

    def compute(self, wanted: Mapping[str, Any], rows: pl.DataFrame) -> list[pl.Series]:
        self.calls.append(list(wanted))
        return [(rows[v.column] + 1).alias(name) for name, v in wanted.items()]


def step(name: str, value: Any, *reads: str) -> Step:
    return Step(name=name, value=value, reads=reads)


def test_steps_wait_for_what_they_read_in_whatever_order_they_stand() -> None:
    steps = [step("d", pl.col("c") + LATER, "c", "later"), step("c", B + 1, "b"), step("b", A, "a")]
    evaluation = Evaluation(pl.DataFrame({"a": [1, 2]}), steps, keep={"d"})
    assert evaluation.frame.to_dict(as_series=False) == {"c": [2, 3]}
    evaluation.add(pl.DataFrame({"later": [10, 20]}))
    assert evaluation.frame.to_dict(as_series=False) == {"d": [12, 23]}


def test_values_that_share_work_are_computed_in_one_call() -> None:
    calls: list[list[str]] = []
    steps = [step(f"{name}1", Recorded(name, calls), name) for name in ("a", "b", "later")]
    evaluation = Evaluation(pl.DataFrame({"a": [1], "b": [5]}), steps, keep={"a1", "b1", "later1"})
    evaluation.add(pl.DataFrame({"later": [7]}))
    assert calls == [["a1", "b1"], ["later1"]]
    assert evaluation.frame.row(0, named=True) == {"a1": 2, "b1": 6, "later1": 8}


def test_what_is_kept_no_longer_goes_unless_it_is_still_read() -> None:
    steps = [step("b", A + LATER, "a", "later")]
    evaluation = Evaluation(pl.DataFrame({"a": [1], "x": [2]}), steps, keep={"b", "x"})
    evaluation.keep_only({"b"})
    assert evaluation.frame.columns == ["a"]
    evaluation.add(pl.DataFrame({"later": [1]}))
    assert evaluation.frame.to_dict(as_series=False) == {"b": [2]}


def test_no_columns_are_nothing_to_add() -> None:
    evaluation = Evaluation(pl.DataFrame({"a": [1]}), [], keep={"a"})
    evaluation.add(pl.DataFrame())
    assert evaluation.frame.to_dict(as_series=False) == {"a": [1]}


def test_a_row_alone_gets_the_bits_that_it_gets_among_others() -> None:
    thirds = pl.DataFrame({"a": [float(n) for n in range(1, 200)], "b": [49.0] * 199})
    steps = [step("share", A / B, "a", "b")]
    together = Evaluation(thirds, steps, keep={"share"}).frame
    alone = [Evaluation(thirds[n], steps, keep={"share"}).frame for n in range(199)]
    assert pl.concat(alone).equals(together)
