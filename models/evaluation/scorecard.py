"""The scorecard: one row per model, segment and metric, with interval and comparison."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from models.evaluation.provenance import Honesty
from models.evaluation.sample_size import is_too_few
from models.evaluation.segments import ALL

__all__ = ["Score", "Scorecard"]

SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("split", pa.string()),
        ("segment", pa.string()),
        ("metric", pa.string()),
        ("k", pa.int32()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("searches", pa.int64()),
        ("positives", pa.int64()),
        ("is_small", pa.bool_()),
        ("clusters", pa.int64()),
        ("versus", pa.string()),
        ("difference", pa.float64()),
        ("difference_low", pa.float64()),
        ("difference_high", pa.float64()),
        ("p", pa.float64()),
        ("p_holm", pa.float64()),
    ]
)

_OPTIONAL = ("low", "high", "difference_low", "difference_high", "p", "p_holm")


@dataclass(frozen=True, kw_only=True)
class Score:
    """One figure.

    Attributes:
        model, split, segment, metric, k: what the figure is of; ``k`` null without cut-off.
        value, low, high: the figure and its interval; the ends null (never NaN) where none is
            known, such as from one guest.
        searches: searches that the figure scores.
        positives: rows of the segment that were booked (clicked or contacted where the
            metric names that stage).
        is_small: too few scored searches to read much into it.
        clusters: guests behind the figure: those with a scored search (a search without a
            guest is a cluster of its own). Null where it was not counted.
        versus: the reference that the model is compared with, null where it is not.
        difference, difference_low, difference_high: model minus reference, paired.
        p, p_holm: of no difference; Holm over all models and metrics of the comparison,
            the whole split and the segments being two families.
    """

    model: str
    split: str
    segment: str
    metric: str
    k: int | None
    value: float
    low: float | None
    high: float | None
    searches: int
    positives: int
    is_small: bool = False
    clusters: int | None = None
    versus: str | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    p: float | None = None
    p_holm: float | None = None

    @property
    def is_too_few(self) -> bool:
        """Whether the figure rests on so few searches that it is not printed."""
        return is_too_few(self.searches)

    def __post_init__(self) -> None:
        for name in _OPTIONAL:
            number = getattr(self, name)
            if number is not None and math.isnan(number):
                # an end that cannot be known is null: JSON and MLflow have no NaN
                object.__setattr__(self, name, None)
        ends = [("value", self.low, self.value, self.high)]
        if self.difference is not None:
            ends.append(("difference", self.difference_low, self.difference, self.difference_high))
        for name, low, value, high in ends:
            if not math.isfinite(value):
                raise ValueError(f"{self.model} {self.segment} {self.metric}: {name} is {value}")
            if (low is not None and low > value) or (high is not None and value > high):
                raise ValueError(
                    f"{self.model} {self.segment} {self.metric}: {name} {value} outside "
                    f"its interval {low}..{high}"
                )
        if self.searches < 0 or self.positives < 0 or "@" in self.metric:
            raise ValueError(f"not a sound figure: {self}")


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """All figures of one evaluation, with the panel that says how to read them.

    Raises ``ValueError`` when a figure stands twice.
    """

    scores: tuple[Score, ...]
    honesty: Honesty

    def __post_init__(self) -> None:
        keys = [(s.model, s.split, s.segment, s.metric) for s in self.scores]
        if len(set(keys)) != len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"figure stands twice: {twice}")

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(score.model for score in self.scores))

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(score.segment for score in self.scores))

    def find(self, model: str, metric: str, *, segment: str = ALL) -> Score:
        """The figure; raises ``KeyError`` naming what is not there."""
        for score in self.scores:
            if (score.model, score.metric, score.segment) == (model, metric, segment):
                return score
        raise KeyError(f"no {metric} of {model} in segment {segment}")

    def table(
        self,
        metrics: Sequence[str] = ("ndcg_at_5", "ndcg_at_10", "mrr", "recall_at_10"),
        *,
        segments: Iterable[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Compact rows for a terminal or a page: one per segment and model.

        Each row has ``segment``, ``model``, ``searches`` (scored by the first metric),
        ``is_small``, and per metric its :class:`Score` (``None`` where there is none).
        Without ``segments``: the whole split, then each market.
        """
        if segments is None:
            segments = [s for s in self.segments if s == ALL or s.startswith("market=")]
        at = {(s.segment, s.model, s.metric): s for s in self.scores}
        rows = []
        for segment in segments:
            for model in self.models:
                figures = [at.get((segment, model, metric)) for metric in metrics]
                first = next((score for score in figures if score is not None), None)
                if first is not None:
                    counts = {"searches": first.searches, "is_small": first.is_small}
                    names = {"segment": segment, "model": model}
                    rows.append({**names, **counts, **dict(zip(metrics, figures, strict=True))})
        return rows

    def to_records(self) -> list[dict[str, Any]]:
        """The figures as plain dictionaries, in order; null, never NaN."""
        return [asdict(score) for score in self.scores]

    def to_arrow(self) -> pa.Table:
        """The figures as a table, one row each."""
        return pa.Table.from_pylist(self.to_records(), schema=SCHEMA)

    @staticmethod
    def read_json(path: Path) -> tuple[Score, ...]:
        """The figures of a JSON list of :meth:`to_records`, checked again."""
        return tuple(Score(**record) for record in json.loads(path.read_text(encoding="utf-8")))
