"""A training that is killed while its record is written ends as one finished run, not as two."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.batch import weekly as weekly_batch
from pipelines.batch.journal import Batch
from pipelines.batch.weekly import train_week
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record
from tests.operations.worlds import FIRST_BATCH, SMALL, context_in

pytestmark = pytest.mark.operations

MODELS = ("popularity",)


def weekly(home: Path) -> Batch:
    context = context_in(home, load_settings(**(SMALL | {"models": MODELS})))
    return Batch(context=context, kind="weekly", day=FIRST_BATCH, id="cut-off")


def train_until_killed(home: Path, moment: str) -> None:
    """Kill this process before the record, the pointer to the run, or the end in MLflow."""
    import os

    from mlflow import MlflowClient

    from pipelines.training import train as training

    def kill(*args: object, **kwargs: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    batch = weekly(home)
    if moment == "record":
        training.write_json = kill
    elif moment == "pointer":
        Home.set_latest_run = kill  # type: ignore[method-assign]
    else:
        set_terminated = MlflowClient.set_terminated

        def kill_after_the_children(
            self: MlflowClient, run_id: str, status: str | None = None
        ) -> None:
            is_child = "mlflow.parentRunId" in self.get_run(run_id).data.tags
            set_terminated(self, run_id, status) if is_child else kill()

        MlflowClient.set_terminated = kill_after_the_children
    train_week(batch)


@pytest.mark.parametrize("moment", ["record", "pointer", "mlflow"])
def test_a_training_killed_while_its_record_is_written_finishes_once(
    after_first_day: Callable[..., RunContext], moment: str
) -> None:
    home = after_first_day().home
    before = home.newest_run()
    code = (
        "import sys; from pathlib import Path; "
        "from tests.operations.test_training_cut_off import train_until_killed; "
        "train_until_killed(Path(sys.argv[1]), sys.argv[2])"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, str(home.root), moment],
        check=False,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]

    batch = weekly(home.root)
    run = train_week(batch)["run"]

    assert run == home.newest_run() == home.latest_run().name != before
    client, experiment = batch.context.tracking.client, batch.context.tracking.experiment_id
    later = [
        logged
        for logged in client.search_runs([experiment])
        if logged.data.tags.get("stayrank.run", "") > before
        and "mlflow.parentRunId" not in logged.data.tags
    ]
    finished = [logged.info.run_id for logged in later if logged.info.status == "FINISHED"]
    assert finished == [read_record(home, run).parent]
    assert all(logged.info.status in ("FINISHED", "KILLED") for logged in later)


def test_a_week_made_again_is_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = weekly(tmp_path)

    def trained(name: str) -> Callable[[RunContext], str]:
        def train(context: RunContext) -> str:
            record = context.home.record_of(name)
            record.parent.mkdir(parents=True)
            record.write_text("{}")
            return name

        return train

    monkeypatch.setattr(weekly_batch, "train", trained("2026-01-20"))
    assert train_week(batch) == {"run": "2026-01-20"}
    batch.forget_stages()
    monkeypatch.setattr(weekly_batch, "train", trained("2026-01-21"))
    assert train_week(batch) == {"run": "2026-01-21"}
