"""Train from a folder of Parquet files: ``python -m models.two_tower.train_command --help``.

Needs torch, numpy, pyarrow and safetensors only. Under ``torchrun`` the processes share
each step.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.recommender import TwoTower
from models.two_tower.training.distributed import joined_group, part_of_this_process
from models.two_tower.training.loss_monitor import StepReport

__all__ = ["main", "split_last_days"]

_REPORTS = 20


def split_last_days(rows: pa.Table, valid_days: int) -> tuple[pa.Table, pa.Table]:
    """The searches before the last ``valid_days`` days that have searches, and those on them.

    Without ``search_day``, or with too few days, everything is for training.
    """
    if "search_day" not in rows.column_names or not valid_days:
        return rows, rows.slice(0, 0)
    days = sorted(pc.unique(rows["search_day"]).to_pylist())
    if len(days) <= valid_days:
        return rows, rows.slice(0, 0)
    is_late = pc.greater_equal(rows["search_day"], days[-valid_days])
    return rows.filter(pc.invert(is_late)), rows.filter(is_late)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.two_tower.train_command", description=__doc__
    )
    parser.add_argument("--features", type=Path, required=True, help="folder of Parquet files")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model into")
    parser.add_argument("--config", type=Path, help='JSON: {"towers": {...}, "training": {...}}')
    parser.add_argument("--valid-days", type=int, default=1, help="last days, for early stopping")
    return parser.parse_args(argv)


def _settings(path: Path | None) -> tuple[TowerConfig, TrainConfig]:
    values: dict[str, Any] = json.loads(path.read_text()) if path else {}
    unknown = sorted(set(values) - {"towers", "training"})
    if unknown:
        raise ValueError(f"{path}: unknown sections {', '.join(unknown)}; known: towers, training")
    return (
        TowerConfig.from_mapping(values.get("towers", {})),
        TrainConfig.from_mapping(values.get("training", {})),
    )


def _printer() -> Callable[[StepReport], None]:
    def write(report: StepReport) -> None:
        if report.step % max(1, report.steps // _REPORTS) and report.step != report.steps:
            return
        sys.stderr.write(
            f"step {report.step}/{report.steps}  loss {report.loss:.4f}  "
            f"{report.samples_per_s:,.0f} samples/s  {report.seconds_left:.0f} s left\n"
        )

    return write


def main(argv: Sequence[str] | None = None) -> int:
    """Train, write the model, print the recalls as JSON; returns the exit code."""
    arguments = _arguments(argv)
    try:
        config, training = _settings(arguments.config)
        rows = ds.dataset(arguments.features, format="parquet", partitioning="hive").to_table()
        train, valid = split_last_days(rows, arguments.valid_days)
        with joined_group():
            is_first = part_of_this_process().rank == 0
            model = TwoTower(config, training).fit(
                train,
                valid,
                checkpoint=arguments.out / "checkpoint",
                report=_printer() if is_first else None,
            )
            if is_first:
                model.save(arguments.out)
    except (OSError, ValueError, pa.ArrowException) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if is_first:
        sys.stdout.write(json.dumps({"validation_recall": model.trained.recalls}) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
