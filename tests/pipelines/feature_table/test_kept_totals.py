"""The past kept beside the lake: the same bits, and never trusted when stale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features import build_in_blocks
from pipelines.feature_table import build_table
from pipelines.feature_table.build_table import build_features_table
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.run_context import RunContext
from tests.features.worlds import differences
from tests.pipelines.feature_table.test_build_table import features_of, home_of, log

__all__ = ["log"]  # the fixture


def built_with(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Build, and say for each call whether kept totals were used."""
    used: list[bool] = []
    honest = build_in_blocks.build_by_day

    def watched(*args: Any, **named: Any) -> Any:
        used.append(named["opening"] is not None)
        return honest(*args, **named)

    monkeypatch.setattr(build_table, "build_by_day", watched)
    build_features_table(context)
    return used


def week(folder: Path, log: Sequence[Path]) -> pl.DataFrame:
    return features_of(home_of(folder / "whole", log))


def test_one_more_day_begins_from_what_was_kept_and_has_the_same_bits(
    log: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = home_of(tmp_path / "daily", log[:5])
    for file in log[5:]:
        ingest_logs(context, [file])
        assert built_with(context, monkeypatch) == [True]
    assert differences(week(tmp_path, log), features_of(context)) == []
    assert len(list(context.home.past.iterdir())) == 2


def test_a_late_file_of_the_last_day_begins_from_the_day_before(
    log: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pl.read_parquet(log[-1])
    early, late = tmp_path / "early.parquet", tmp_path / "late.parquet"
    is_early = pl.col("id_search").hash() % 2 == 0
    rows.filter(is_early).write_parquet(early)
    rows.filter(~is_early).write_parquet(late)
    context = home_of(tmp_path / "daily", [*log[:-1], early])
    ingest_logs(context, [late])
    assert built_with(context, monkeypatch) == [True]
    assert differences(week(tmp_path, log), features_of(context)) == []


@pytest.mark.parametrize("fault", ["an earlier day changed", "damaged", "other code", "no record"])
def test_what_is_stale_or_damaged_is_not_trusted(
    fault: str, log: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = log[1:6] if fault == "an earlier day changed" else log[:6]
    context = home_of(tmp_path / "daily", first)
    newest = max(context.home.past.iterdir(), key=lambda path: int(path.name))
    if fault == "damaged":
        path = newest / "clicks.parquet"
        table = pl.read_parquet(path)
        table.with_columns(pl.col("search_s") + 1).write_parquet(path)
    elif fault == "other code":
        record = newest / "made_from.json"
        record.write_text(record.read_text().replace('"code": "', '"code": "x'))
    elif fault == "no record":
        (newest / "made_from.json").unlink()
    ingest_logs(context, [log[0], log[6]] if fault == "an earlier day changed" else [log[6]])
    assert built_with(context, monkeypatch) == [False]
    assert differences(week(tmp_path, log), features_of(context)) == []
