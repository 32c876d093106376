"""The one door to LightGBM: binning, training, saving, loading, predicting.

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
    "MAX_GROUP_ROWS",
    "Booster",
    "Labelled",
    "Trainer",
    "load_booster",
    "train_booster",
]

MAX_GROUP_ROWS = 10_000

Booster: TypeAlias = lgb.Booster


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What a booster learns from.

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


class Trainer(Protocol):
    """What makes a booster of labelled rows; see :func:`train_booster`."""

    def __call__(
        self,
        parameters: dict[str, Any],
        train: Labelled,
        valid: Labelled | None,
        *,
        rounds: int,
        patience: int,
        after_round: Callable[[int, int], None] | None = None,
        curves: dict[str, list[float]] | None = None,
    ) -> Booster: ...


def train_booster(
    parameters: dict[str, Any],
    train: Labelled,
    valid: Labelled | None,
    *,
    rounds: int,
    patience: int,
    after_round: Callable[[int, int], None] | None = None,
    curves: dict[str, list[float]] | None = None,
) -> Booster:
    """Train up to ``rounds`` trees, stopping when ``valid`` has not improved for ``patience``.

    Without ``valid``, and with DART, all the rounds are trained. The booster predicts with its best
    iteration. ``after_round(done, total)`` reports progress; ``curves`` is filled with each
    metric of ``valid``, round by round.
    """
    training = _dataset(train, parameters)
    against: Sequence[lgb.Dataset] = ()
    callbacks: list[Callable[..., Any]] = []
    if valid is not None:
        against = (_dataset(valid, parameters, reference=training),)
    # DART rescales earlier trees, so that no earlier iteration can be gone back to.
    if valid is not None and parameters["boosting"] != "dart":
        callbacks.append(lgb.early_stopping(patience, first_metric_only=True, verbose=False))
    if after_round is not None:
        report = after_round
        callbacks.append(lambda env: report(env.iteration + 1, rounds))
    recorded: dict[str, dict[str, list[float]]] = {}
    if against and curves is not None:
        callbacks.append(lgb.record_evaluation(recorded))
    booster = lgb.train(
        parameters,
        training,
        num_boost_round=rounds,
        valid_sets=list(against),
        valid_names=["valid"] * len(against),
        callbacks=callbacks,
    )
    if curves is not None:
        curves.update(recorded.get("valid", {}))
    return booster


def load_booster(path: Path) -> Booster:
    """Read a booster saved as LightGBM text; raises ``ValueError`` naming the file."""
    try:
        return lgb.Booster(model_str=path.read_text())
    except (OSError, lgb.basic.LightGBMError) as error:
        raise ValueError(f"{path}: no readable LightGBM model ({error})") from error


def _dataset(
    data: Labelled, parameters: dict[str, Any], *, reference: lgb.Dataset | None = None
) -> lgb.Dataset:
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
