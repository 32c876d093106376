"""Results wait on disk while MLflow is away, and are logged once when it is back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from pipelines.config.home import Home
from pipelines.tracking.mlflow_client import SpoolingClient
from pipelines.tracking.model_registry import Registration
from pipelines.tracking.outbox import PENDING, Outbox
from pipelines.tracking.saved_view import SavedView
from pipelines.tracking.tracking import InputTable, Tracking


class UnsteadyClient:
    """A real client that cannot be reached while ``calls_left`` is used up."""

    def __init__(self, client: Any) -> None:
        self.client, self.calls_left = client, 10_000

    def __getattr__(self, name: str) -> Any:
        if self.calls_left <= 0:
            raise ConnectionError("the server is away")
        self.calls_left -= 1
        return getattr(self.client, name)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    return Tracking.open(Home(tmp_path_factory.mktemp("mlflow") / "home").prepare())


@pytest.fixture
def away(store: Tracking, tmp_path: Path) -> tuple[Tracking, UnsteadyClient]:
    """Tracking whose server is away, beside the switch that brings it back."""
    unsteady = UnsteadyClient(store.client)
    unsteady.calls_left = 0
    client = SpoolingClient(unsteady, Outbox(tmp_path / "outbox"))
    return Tracking(Home(tmp_path), client, store.experiment_id), unsteady


def _log_everything(tracking: Tracking, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "page.html").write_text("<p>whole</p>")
    run_id = tracking.start_run("daily", tags={"kind": "daily"})
    with tracking.closing(run_id):
        child = tracking.start_run("child", parent=run_id, tags={})
        tracking.log_params(run_id, {"ranker": {"rounds": 10}})
        tracking.log_metrics(run_id, [("rows", 7.0, 0), ("rows", 8.0, 1)])
        tracking.log_artifacts(run_id, folder / "page.html")
        tracking.log_artifacts(run_id, folder, "files")
        tracking.log_table(run_id, pd.DataFrame({"name": ["a"], "gain": [1.5]}), "table.json")
        tracking.log_inputs(run_id, [InputTable(name="t", path=folder, version=3, rows=5)])
        tracking.set_tags(run_id, {"day": "2026-01-20"})
        tracking.client.set_terminated(child, status="FINISHED")
    return run_id


def _logged(store: Tracking) -> list[Any]:
    return list(store.client.search_runs([store.experiment_id], "tags.kind = 'daily'"))


def test_what_could_not_be_logged_is_logged_once_when_the_server_is_back(
    away: tuple[Tracking, UnsteadyClient], store: Tracking, tmp_path: Path
) -> None:
    tracking, server = away
    before = len(_logged(store))
    run_id = _log_everything(tracking, tmp_path / "files")
    assert run_id.startswith(PENDING)
    # One call each: two runs, parameters, metrics, file, folder, table, input, tag, two ends.
    assert tracking.deliver() == 11
    assert len(_logged(store)) == before
    # The server comes and goes: every delivery makes a few calls, and is cut off in one.
    for calls in (1, 2, 3, 2, 4, 1, 3, 100):
        server.calls_left = calls
        left = tracking.deliver()
    server.calls_left = 1_000
    assert left == 0 == tracking.deliver()
    (run,) = _logged(store)[: len(_logged(store)) - before]
    assert run.info.status == "FINISHED"
    assert run.data.params == {"ranker.rounds": "10"}
    assert run.data.tags["day"] == "2026-01-20"
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("t", "v3")
    history = store.client.get_metric_history(run.info.run_id, "rows")
    assert [(m.value, m.step) for m in history] == [(7.0, 0), (8.0, 1)]
    logged = {f.path for f in store.client.list_artifacts(run.info.run_id)}
    assert logged == {"page.html", "files", "table.json"}
    table = store.client.load_table(store.experiment_id, "table.json", [run.info.run_id])
    assert table.to_dict(orient="list") == {"name": ["a"], "gain": [1.5]}
    (child,) = store.client.search_runs(
        [store.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    )
    assert child.info.run_name == "child"
    assert not (tmp_path / "outbox" / "files").exists()


def test_a_table_of_a_run_that_waits_is_kept_by_the_runs_real_id(
    away: tuple[Tracking, UnsteadyClient], store: Tracking
) -> None:
    tracking, server = away
    parent = tracking.start_run("parent", tags={"kind": "of a table"})
    where = f"tags.mlflow.parentRunId = '{parent}'"
    tracking.save_view(
        SavedView(key="late", name="Late", columns=(), sorted_by="metrics.`value`", where=where)
    )
    tracking.describe_experiment("a headline")
    # The server was away already when the experiment was looked up.
    Tracking(tracking.home, tracking.client, "").describe_experiment("the last headline")
    assert "mlflow.note.content" not in store.client.get_experiment(store.experiment_id).tags
    server.calls_left = 1_000
    assert tracking.deliver() == 0
    tags = store.client.get_experiment(store.experiment_id).tags
    (run,) = store.client.search_runs([store.experiment_id], "tags.kind = 'of a table'")
    assert f"parentRunId = '{run.info.run_id}'" in tags["mlflow.sharedViewState.late"]
    assert tags["mlflow.note.content"] == "the last headline"


def test_a_call_after_a_waiting_one_waits_too(
    away: tuple[Tracking, UnsteadyClient], store: Tracking
) -> None:
    tracking, server = away
    run_id = tracking.start_run("late", tags={})
    server.calls_left = 1_000
    tracking.set_tags(run_id, {"order": "kept"})
    assert len(tracking.client.outbox.waiting()) == 2
    assert tracking.deliver() == 0
    found = store.client.search_runs([store.experiment_id], "tags.order = 'kept'")
    assert len(found) == 1


def test_a_model_that_could_not_be_registered_is_registered_once(
    away: tuple[Tracking, UnsteadyClient], store: Tracking, tmp_path: Path
) -> None:
    from mlflow.models import infer_signature

    tracking, server = away
    files = tmp_path / "model"
    files.mkdir()
    (files / "weights.txt").write_text("1")
    rows = pd.DataFrame({"id_listing": ["a"], "price": [1.0]})
    code = tmp_path / "served.py"
    code.write_text(SERVED)
    run_id = tracking.start_run("ranker", tags={"stayrank.run": "r1"})
    tracking.versions.register(
        run_id,
        Registration(
            name="late-model",
            code=code,
            artifacts={"ranker": files},
            signature=infer_signature(rows, rows),
            input_example=rows,
            requirements=["pandas"],
            tags={"sha256.weights.txt": "x"},
        ),
    )
    assert not store.client.search_model_versions("name = 'late-model'")
    server.calls_left = 1_000
    assert tracking.deliver() == 0
    (version,) = store.client.search_model_versions("name = 'late-model'")
    assert version.tags["sha256.weights.txt"] == "x"
    assert version.description.endswith("Trained in run r1.")
    assert store.client.get_registered_model("late-model").description
    logged = store.client.get_logged_model(version.source.removeprefix("models:/"))
    assert logged.name == "ranker"


SERVED = """
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class Same(PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input


set_model(Same())
"""


def test_an_error_that_is_not_the_servers_is_raised_and_never_waits(tmp_path: Path) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ValueError("no such tag")

    client = SpoolingClient(SimpleNamespace(set_tag=broken), Outbox(tmp_path))
    with pytest.raises(ValueError, match="no such tag"):
        client.set_tag("run", "key", "value")
    assert client.outbox.waiting() == []
