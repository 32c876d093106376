"""The page that MLflow serves, with the script in front; how it looks: the browser tests."""

from __future__ import annotations

import pytest

from pipelines.flows.mlflow_pages import main, with_first_visit


def test_script_comes_before_all_others_and_keeps_what_was_chosen() -> None:
    page = '<html><head><meta charset="utf-8"/><script src="main.js"></script></head></html>'
    served = with_first_visit(page)
    assert served.index("localStorage.getItem(key) === null") < served.index("main.js")
    assert '"mlflow.workflowType_v1": "\\"machine_learning\\""' in served
    assert served.replace(served[12 : served.index("<meta")], "") == page


def test_page_without_a_head_is_left_as_it_is() -> None:
    assert with_first_visit("Unable to display") == "Unable to display"


def test_only_mlflows_own_application_gets_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that asks for passwords has to stay what it is."""
    from mlflow import cli as commands
    from mlflow import server

    said: list[list[str]] = []
    monkeypatch.setattr(server, "_build_uvicorn_command", lambda name: ["uvicorn", name])
    monkeypatch.setattr(commands, "cli", said.append)
    main(["--port", "5055"])
    assert said == [["server", "--port", "5055"]]
    ours = ["uvicorn", "--factory", "pipelines.flows.mlflow_pages:application"]
    assert server._build_uvicorn_command("mlflow.server.fastapi_app:app") == ours
    auth = "mlflow.server.auth:create_app"
    assert server._build_uvicorn_command(auth) == ["uvicorn", auth]
