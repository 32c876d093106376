"""Evaluates steps over a frame as soon as what they read is there, and drops what nobody reads.

Example: ``b`` reads ``a``, ``c`` reads ``b`` and a sum of the past that comes later.

>>> steps = [
...     Step(name="c", value=pl.col("b") + pl.col("sum"), reads=("b", "sum")),
...     Step(name="b", value=pl.col("a") * 2, reads=("a",)),
... ]
>>> evaluation = Evaluation(pl.DataFrame({"a": [1, 2]}), steps, keep={"c"})
>>> evaluation.frame.to_dict(as_series=False)  # `a` is not kept, and no step is left to read it
{'b': [2, 4]}
>>> evaluation.add(pl.DataFrame({"sum": [10, 20]}))
>>> evaluation.frame.to_dict(as_series=False)
{'c': [12, 24]}
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable

import polars as pl

from features.definitions.plan import Step

__all__ = ["Evaluation"]


class Evaluation:
    """A frame on its way: its columns so far, and the steps that are left.

    Attributes:
        frame: one row per row, in the order given; columns that are kept, or still read.
    """

    def __init__(
        self, frame: pl.DataFrame, steps: Iterable[Step], *, keep: Collection[str]
    ) -> None:
        self.frame = frame
        self._left = list(steps)
        self._keep = set(keep)
        self._advance()

    def add(self, columns: pl.DataFrame) -> None:
        """Put these columns beside, and compute what they make possible."""
        if columns.width:
            self.frame = self.frame.hstack(columns)
            self._advance()

    def keep_only(self, names: Collection[str]) -> None:
        """From now on keep these columns alone, beside what is still read."""
        self._keep = set(names)
        self._drop_unread()

    def _advance(self) -> None:
        while ready := self._ready():
            self._left = [step for step in self._left if step not in ready]
            expressions = [s.value.alias(s.name) for s in ready if isinstance(s.value, pl.Expr)]
            if expressions:
                self.frame = _with(self.frame, expressions)
            for together in _batches(s for s in ready if not isinstance(s.value, pl.Expr)):
                wanted = {step.name: step.value for step in together}
                columns = together[0].value.compute(wanted, self.frame)
                self.frame = self.frame.hstack(columns)
        self._drop_unread()

    def _ready(self) -> list[Step]:
        present = set(self.frame.columns)
        return [step for step in self._left if present.issuperset(step.reads)]

    def _drop_unread(self) -> None:
        read = self._keep.union(*(step.reads for step in self._left))
        self.frame = self.frame.select(name for name in self.frame.columns if name in read)


def _with(frame: pl.DataFrame, expressions: list[pl.Expr]) -> pl.DataFrame:
    if frame.height != 1:
        return frame.with_columns(expressions)
    # A column with a single row is a constant to Polars, which multiplies by the reciprocal of a
    # constant instead of dividing by it: the last bit would differ from that of a larger block.
    return pl.concat([frame, frame.clear(1)]).with_columns(expressions).head(1)


def _batches(steps: Iterable[Step]) -> list[list[Step]]:
    batches: dict[Hashable, list[Step]] = defaultdict(list)
    for step in steps:
        batches[step.value.together].append(step)
    return list(batches.values())
