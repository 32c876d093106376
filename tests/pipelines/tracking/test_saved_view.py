"""A saved table of runs as MLflow's page reads it; the page itself: the browser tests."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipelines.config.home import Home
from pipelines.tracking.saved_view import Column, SavedView, mlflow_name
from pipelines.tracking.tracking import Tracking

VIEW = SavedView(
    key="models",
    name="Models",
    columns=(
        Column(kind="tags", name="standing", width=120),
        Column(kind="metrics", name="bookings per 1000 searches", width=200),
    ),
    sorted_by="metrics.`bookings per 1000 searches`",
    where="tags.mlflow.parentRunId = 'abc'",
)


def test_view_is_an_envelope_whose_state_is_json_text() -> None:
    key, value = VIEW.tag()
    assert key == "mlflow.sharedViewState.models"
    envelope = json.loads(value)
    assert {name: type(content) for name, content in envelope.items()} == {
        "name": str,
        "createdAt": int,
        "state": str,
    }
    state = json.loads(envelope["state"])
    columns = ["tags.`standing`", "metrics.`bookings per 1000 searches`"]
    assert state["selectedColumns"] == columns
    assert state["columnOrder"][-2:] == columns
    assert state["columnWidths"]["tags.`standing`"] == 120
    assert (state["orderByKey"], state["orderByAsc"]) == (columns[1], False)
    assert state["searchFilter"] == VIEW.where


def test_view_that_is_too_long_for_a_tag_is_refused() -> None:
    many = tuple(Column(kind="tags", name=f"tag {n}" * 10, width=1) for n in range(50))
    with pytest.raises(ValueError, match=r"view models: .* at most 5,000"):
        replace(VIEW, columns=many).tag()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("NDCG@10", "NDCG at 10"),
        ("bookings per 1,000 searches", "bookings per 1000 searches"),
        ("over são_paulo (new)", "over são_paulo  new"),
    ],
)
def test_words_become_a_name_that_mlflow_takes(words: str, name: str) -> None:
    assert mlflow_name(words) == name


def test_link_names_a_view_only_where_it_is_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    tracking = Tracking.open(Home(tmp_path_factory.mktemp("views")).prepare())
    runs = f"/#/experiments/{tracking.experiment_id}/runs?workflowType=machine_learning"
    assert tracking.runs_page() == runs
    tracking.save_view(VIEW)
    assert tracking.runs_page() == f"{runs}&viewStateShareKey=models"
    assert tracking.runs_page("rankers") == runs
