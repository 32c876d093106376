"""The one place that calls LightGBM on this machine: binning, training, loading.

Arrow goes straight into LightGBM, without a pandas copy. Traps that decide the code:
a dictionary-typed Arrow column aborts the whole process, so it is refused here; a query
of more than 10,000 rows is refused and a group of size 0 crashes in LightGBM itself, so
the caller bounds both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import lightgbm as lgb
import numpy as np
import pyarrow as pa

from models.arrow_columns import Codes, Numbers

__all__ = [
    "CURVE_DIGITS",
    "MAX_GROUP_ROWS",
    "Booster",
    "LabelledRows",
    "RoundLimits",
    "TrainedBooster",
    "Trainer",
    "load_booster",
    "train_booster",
    "train_boosters",
]

MAX_GROUP_ROWS = 10_000
# A metric is summed by several threads, and its last digit is not the same on one thread and two:
# neither a stop nor a saved curve hangs on it.
_LEAST_GAIN = 1e-9
CURVE_DIGITS = 12

Booster: TypeAlias = lgb.Booster


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """What a booster learns from. Raises ``ValueError`` on what would crash LightGBM.

    Attributes:
        matrix: one row per candidate; numeric, boolean and integer-coded columns only.
        labels: one per row.
        groups: rows per search, in the order of the rows; none where rows stand alone.
        categories: columns of ``matrix`` whose integers are codes.
        weights: one per row, or none.
        offsets: log-odds that each row starts from, which the booster does not learn, or none.
        positions: where each row was shown, for lambdarank to debias by, or none.
    """

    matrix: pa.Table
    labels: Codes
    groups: Codes | None = None
    categories: tuple[str, ...] = ()
    weights: Numbers | None = None
    offsets: Numbers | None = None
    positions: Codes | None = None

    def __post_init__(self) -> None:
        coded = [f.name for f in self.matrix.schema if pa.types.is_dictionary(f.type)]
        if coded:
            raise ValueError(f"dictionary-typed columns abort LightGBM: {', '.join(coded)}")
        if self.groups is not None and (
            self.groups.min() < 1 or self.groups.max() > MAX_GROUP_ROWS
        ):
            raise ValueError(f"a search has 1 to {MAX_GROUP_ROWS} rows; found {self.groups}")


@dataclass(frozen=True, kw_only=True)
class RoundLimits:
    """``most`` trees, fewer after ``patience`` rounds without an improvement on validation."""

    most: int
    patience: int


@dataclass(frozen=True, kw_only=True)
class TrainedBooster:
    """A booster that predicts with its best number of trees, and how it got there.

    Attributes:
        booster: what was trained.
        curves: each metric of the validation rows, round by round; empty where none were given.
    """

    booster: Booster
    curves: dict[str, list[float]]


class Trainer(Protocol):
    """What makes a booster of labelled rows; see :func:`train_booster`."""

    def __call__(
        self,
        parameters: dict[str, Any],
        train: LabelledRows,
        valid: LabelledRows | None,
        *,
        limits: RoundLimits,
        after_round: Callable[[int, int], None] | None = None,
    ) -> TrainedBooster: ...


def train_booster(
    parameters: dict[str, Any],
    train: LabelledRows,
    valid: LabelledRows | None,
    *,
    limits: RoundLimits,
    after_round: Callable[[int, int], None] | None = None,
) -> TrainedBooster:
    """Train trees one after the other until ``limits`` or the validation rows end it.

    Without ``valid``, and with DART, ``limits.most`` trees are trained. ``after_round(done,
    total)`` reports progress.
    """
    (trained,) = train_boosters([(parameters, limits)], train, valid, after_round=after_round)
    return trained


def train_boosters(
    plans: Sequence[tuple[dict[str, Any], RoundLimits]],
    train: LabelledRows,
    valid: LabelledRows | None,
    *,
    after_round: Callable[[int, int], None] | None = None,
) -> tuple[TrainedBooster, ...]:
    """A booster for each plan, like :func:`train_booster`, on rows that are binned once.

    The plans' parameters differ in nothing that decides the bins.
    """
    first, _ = plans[0]
    training = _dataset(train, first)
    against = [] if valid is None else [_dataset(valid, first, reference=training)]
    return tuple(_train(*plan, training, against, after_round) for plan in plans)


def _train(
    parameters: dict[str, Any],
    limits: RoundLimits,
    training: lgb.Dataset,
    against: Sequence[lgb.Dataset],
    after_round: Callable[[int, int], None] | None,
) -> TrainedBooster:
    callbacks: list[Callable[..., Any]] = []
    # DART rescales earlier trees, so that no earlier iteration can be gone back to.
    if against and parameters["boosting"] != "dart":
        stopping = lgb.early_stopping(
            limits.patience, first_metric_only=True, verbose=False, min_delta=_LEAST_GAIN
        )
        callbacks.append(stopping)
    if after_round is not None:
        report = after_round
        callbacks.append(lambda env: report(env.iteration + 1, limits.most))
    recorded: dict[str, dict[str, list[float]]] = {}
    if against:
        callbacks.append(lgb.record_evaluation(recorded))
    booster = lgb.train(
        parameters,
        training,
        num_boost_round=limits.most,
        valid_sets=list(against),
        valid_names=["valid"] * len(against),
        callbacks=callbacks,
    )
    curves = {
        metric: [round(value, CURVE_DIGITS) for value in values]
        for metric, values in recorded.get("valid", {}).items()
    }
    return TrainedBooster(booster=booster, curves=curves)


def load_booster(path: Path) -> Booster:
    """Read a booster saved as LightGBM text; raises ``ValueError`` naming the file."""
    try:
        return lgb.Booster(model_str=path.read_text())
    except (OSError, lgb.basic.LightGBMError) as error:
        raise ValueError(f"{path}: no readable LightGBM model ({error})") from error


def _dataset(
    data: LabelledRows, parameters: dict[str, Any], *, reference: lgb.Dataset | None = None
) -> lgb.Dataset:
    """``reference`` is the training data, whose bins the validation rows take over."""
    return lgb.Dataset(
        data.matrix,
        label=pa.chunked_array([pa.array(data.labels.astype(np.float32))]),
        group=None if data.groups is None else data.groups.astype(np.int32),
        weight=None if data.weights is None else data.weights.astype(np.float32),
        categorical_feature=list(data.categories),
        init_score=data.offsets,
        position=None if data.positions is None else data.positions.astype(np.int32),
        reference=reference,
        params=dict(parameters),
        free_raw_data=True,
    )
