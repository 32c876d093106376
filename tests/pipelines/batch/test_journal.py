"""A batch that is killed between two stages, and its next start."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from data.errors import DataError
from pipelines.batch.batch_log import as_markdown
from pipelines.batch.journal import Batch, BatchStage, run_stage
from pipelines.batch.run_batch import run_batch, unfinished_day
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.run_context import RunContext

DAY = date(2026, 1, 20)


class Killed(BaseException):
    """As a kill: nothing of the batch runs after it."""


def batch_in(folder: Path, start: str, day: date = DAY) -> Batch:
    context = RunContext(home=Home(folder), settings=load_settings(), console=Console())
    return Batch(context=context, kind="weekly", day=day, id=start)


def counting(name: str, calls: list[str]) -> BatchStage:
    def work(batch: Batch) -> Mapping[str, Any]:
        calls.append(name)
        return {"done by": batch.id}

    return BatchStage(name=name, work=work)


def killed_in(batch: Batch, stages: tuple[BatchStage, ...], at: str) -> None:
    def runner(batch: Batch, stage: BatchStage) -> Mapping[str, Any]:
        if stage.name == at:
            raise Killed
        return run_stage(batch, stage)

    with pytest.raises(Killed):
        run_batch(batch, stages, stage_runner=runner)


def test_the_next_start_does_only_the_stages_that_were_not_done(tmp_path: Path) -> None:
    calls: list[str] = []
    stages = tuple(counting(name, calls) for name in ("one", "two", "three"))
    killed_in(batch_in(tmp_path, "first"), stages, at="two")
    done = run_batch(batch_in(tmp_path, "second"), stages)

    assert calls == ["one", "two", "three"]
    assert done.results == {
        "one": {"done by": "first"},
        "two": {"done by": "second"},
        "three": {"done by": "second"},
    }
    assert done.is_done


def test_a_day_done_again_forgets_what_earlier_starts_wrote(tmp_path: Path) -> None:
    calls: list[str] = []
    stages = (counting("one", calls),)
    first = run_batch(batch_in(tmp_path, "first"), stages)
    path = first.folder / "journal.json"
    path.write_text(json.dumps(first.journal() | {"is_training": True}))
    run_batch(batch_in(tmp_path, "second"), stages)
    assert calls == ["one"]

    again = run_batch(batch_in(tmp_path, "third"), stages, again=True)
    assert calls == ["one", "one"]
    assert set(again.journal()) == {"id", "changed_at", "stages", "status", "reason", "log"}


@pytest.mark.parametrize(("days_later", "unfinished"), [(0, True), (6, True), (7, False)])
def test_a_weekly_batch_that_was_cut_off_is_continued_for_six_days(
    tmp_path: Path, days_later: int, unfinished: bool
) -> None:
    cut_off = batch_in(tmp_path, "first")
    killed_in(cut_off, (counting("one", []),), at="one")
    today = date(2026, 1, 20 + days_later)
    assert unfinished_day(cut_off.context, "weekly", today) == (DAY if unfinished else today)


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    batch = batch_in(tmp_path, "first")
    batch.folder.mkdir(parents=True)
    (batch.folder / "journal.json").write_text('{"id": "fir')
    with pytest.raises(DataError, match=r"journal\.json: cannot be read"):
        batch.journal()


def test_a_failed_stage_is_written_with_its_reason(tmp_path: Path) -> None:
    def fails(batch: Batch) -> Mapping[str, Any]:
        raise ValueError("no such thing")

    work: Callable[[Batch], Mapping[str, Any]] = fails
    batch = batch_in(tmp_path, "first")
    with pytest.raises(ValueError, match="no such thing"):
        run_batch(batch, (BatchStage(name="one", work=work),))
    journal = batch.journal()
    assert (journal["status"], journal["reason"]) == ("failed", "ValueError: no such thing")


@pytest.mark.parametrize("stranger", ["notes", "20260120", "2026-W04-2", ".DS_Store", "2026-02-31"])
def test_a_stranger_among_the_days_of_a_batch_is_refused_by_name(
    tmp_path: Path, stranger: str
) -> None:
    batch = batch_in(tmp_path, "first")
    (tmp_path / "batches" / "weekly" / stranger).mkdir(parents=True)
    with pytest.raises(DataError, match="is no day's folder") as refused:
        unfinished_day(batch.context, "weekly", DAY)
    assert str(tmp_path / "batches" / "weekly" / stranger) in str(refused.value)


@pytest.mark.parametrize("content", ["[]", "7", '{"stages": []}', '{"stages": "x"}'])
def test_a_journal_of_another_make_is_refused_by_name(tmp_path: Path, content: str) -> None:
    batch = batch_in(tmp_path, "first")
    batch.folder.mkdir(parents=True)
    (batch.folder / "journal.json").write_text(content)
    with pytest.raises(DataError, match=r"journal\.json: cannot be read \(it is no journal\)"):
        batch.journal()


def test_names_of_files_and_markets_are_text_in_the_figures(tmp_path: Path) -> None:
    def work(batch: Batch) -> Mapping[str, Any]:
        return {
            "market <script>alert(1)</script>": {"[here](http://elsewhere)": 1},
            "file": "a|b\n# `c`.csv",
            "warning": "![x](http://elsewhere/x.png) of http://ana:s3cret@db/x",
        }

    batch = run_batch(batch_in(tmp_path, "first"), (BatchStage(name="take *in*", work=work),))
    page = as_markdown(batch)
    assert "<script>" not in page
    assert "[here](" not in page
    assert "![x](" not in page
    assert "s3cret" not in page
    tables = [line for line in page.splitlines() if line.startswith("| take")]
    assert len(tables) == 3
    assert all(len(re.split(r"(?<!\\)\|", line)) == 5 for line in tables)
