"""What a person gets wrong is refused before Prefect, MLflow or a model is imported."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from data.errors import DataError
from data.ingest import ingest
from data.ingest.check_inputs import check_inputs
from pipelines.cli.early_checks import MLFLOW_VARIABLES, ignored_by_mlflow
from pipelines.config.settings import Settings, SettingsError
from pipelines.flows.prefect_environment import clear_prefect_error, refuse_silent_server
from tests.data.conftest import as_csv, sound_row
from tests.operations.servers import free_port

DRIVER = Path(__file__).with_name("refusal_driver.py")
Case = tuple[list[str], dict[str, str]]


def outcomes(cases: list[Case], folder: Path) -> list[tuple[int, str, list[str]]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.pipelines.cli.refusal_driver"],
        input=json.dumps([[words, variables] for words, variables in cases]),
        capture_output=True,
        text=True,
        check=True,
        cwd=DRIVER.parents[3],
    )
    assert folder.is_dir()
    return [(code, complaint, heavy) for code, complaint, heavy in json.loads(done.stdout)]


def test_refusals_come_first(tmp_path: Path) -> None:
    log, other, new = tmp_path / "log.csv", tmp_path / "other.csv", str(tmp_path / "new")
    log.write_text(as_csv([sound_row()]))
    other.write_text("a,b\n1,2\n")
    (tmp_path / "mine.toml").write_text("this is no mapping")
    (tmp_path / "empty.csv").touch()
    airbnb = tmp_path / "airbnb"
    ingest([log], home=airbnb)
    expedia = {"STAYRANK_BATCH__SOURCE": "expedia"}
    dead = {"PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api"}
    no_model = {"STAYRANK_MODELS": '["random", "rnker"]'}
    cases: list[tuple[list[str], dict[str, str], int, str]] = [
        (["run", "nosuch.csv", "--home", new], {}, 1, "nosuch.csv"),
        (["run", str(tmp_path / "empty.csv"), "--home", new], {}, 1, "empty"),
        (["run", str(other), "--home", new], {}, 1, "other.csv"),
        (["run", str(log), "--source", "nowhere", "--home", new], {}, 1, "expedia_2013"),
        (["run", str(log), "--source", str(tmp_path / "mine.toml"), "--home", new], {}, 1, "mine"),
        (["run", str(log), "--encoding", "klingon", "--home", new], {}, 2, "klingon"),
        (["run", str(log), "--encoding", "base64", "--home", new], {}, 2, "base64"),
        (["run", str(log), "--home", str(log)], {}, 1, "is a file"),
        (["run", str(log), "--home", str(log / "below")], {}, 1, "is a file"),
        (["run", str(log), "--home", str(tmp_path / "[new]")], {}, 1, "'['"),
        (["run", str(log), "--home", new], no_model, 2, "rnker"),
        (["run", str(log), "--home", new], {"STAYRANK_MODELS": '["random"]'}, 2, "recommending"),
        (["run", str(log), "--home", new], dead, 1, "PREFECT_API_URL"),
        (["run", "--home", str(airbnb)], {}, 1, "holds airbnb rows"),
        (["run", "--home", new], {"STAYRANK_SIMULATION__SCENARIO": "mars"}, 2, "mars"),
        (["run", "--home", new], {"STAYRANK_WEBHOOK": "nobody"}, 2, "webhook"),
        (["ingest", "nosuch.csv", "--home", new], {}, 1, "nosuch.csv"),
        (["ingest", str(log), "--encoding", "klingon", "--home", new], {}, 2, "klingon"),
        (["daily", "--home", new], expedia, 1, "expedia"),
        (["daily", "--home", new, "--day", "today"], {}, 2, "today"),
        (["daily", "--home", str(log)], {}, 1, "is a file"),
        (["daily", "--home", new], {"STAYRANK_BATCH__INBOX": "../x"}, 1, "leads out"),
        (["daily", "--home", new], dead, 1, "PREFECT_API_URL"),
        (["weekly", "--home", new], no_model, 2, "rnker"),
        (["weekly", "--home", new], dead, 1, "PREFECT_API_URL"),
        (["weekly", "--home", new], {"PREFECT_API_URL": "localhost:4200"}, 2, "PREFECT_API_URL"),
        (["backfill", "--from", "2026-01-09", "--to", "2026-01-08"], {}, 2, "later one"),
        (["backfill", "--from", "2024-01-09", "--to", "2026-01-08"], {}, 2, "366"),
        (["backfill", "--from", "x", "--to", "2026-01-08"], {}, 2, "'x'"),
        (["schedule", "--home", new], expedia, 1, "expedia"),
        (["train", "rnker", "--home", new], {}, 2, "rnker"),
        (["train", "--home", new], {}, 1, "stayrank features"),
        (["tune", "--budget", "soon"], {}, 2, "soon"),
        (["tune", "--home", new], {}, 1, "stayrank features"),
        (["evaluate", "--home", new], {}, 1, "stayrank train"),
        (["recommend", "--home", new], {}, 1, "stayrank train"),
        (["recommend", "--date", "soon"], {}, 2, "soon"),
        (["report", "--home", new], {}, 1, "stayrank train"),
        (["notebooks", "--home", new], {}, 1, "stayrank train"),
        (["notebooks", "--execute", "--home", new], {}, 1, "stayrank train"),
        (["promote", "--home", new], {}, 1, "stayrank train"),
        (["dashboards", "--home", new], {}, 1, "stayrank run"),
        (["forget-user", "U1", "--home", new], {}, 1, "holds no lake"),
    ]
    ends = outcomes([(words, variables) for words, variables, _, _ in cases], tmp_path)
    for (words, _, code, named), (ended, complaint, heavy) in zip(cases, ends, strict=True):
        assert (ended, heavy) == (code, []), (words, complaint)
        assert named in " ".join(complaint.split()), words
        assert "Traceback" not in complaint


def test_a_message_quotes_the_home_for_the_shell(tmp_path: Path) -> None:
    home = tmp_path / "it's mine"
    ((_, complaint, _),) = outcomes([(["report", "--home", str(home)], {})], tmp_path)
    assert f"--home '{tmp_path}/it'\"'\"'s mine'" in complaint


@pytest.mark.parametrize("held", [False, True])
def test_a_log_that_can_be_ingested_passes(tmp_path: Path, *, held: bool) -> None:
    log, home = tmp_path / "log.csv", tmp_path / "home"
    log.write_text(as_csv([sound_row()]))
    if held:
        ingest([log], home=home)
    check_inputs([log], home=home)
    assert home.exists() == held


@contextmanager
def server(code: int, kind: str) -> Iterator[str]:
    """A server that answers everything so; yields its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(b"true")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}/api"
        finally:
            listening.shutdown()
            thread.join()


@pytest.mark.parametrize(("code", "kind"), [(200, "application/json"), (401, "text/plain")])
def test_a_prefect_server_that_answers_is_used(
    monkeypatch: pytest.MonkeyPatch, code: int, kind: str
) -> None:
    with server(code, kind) as address:
        monkeypatch.setenv("PREFECT_API_URL", address)
        refuse_silent_server()


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [(200, "text/html", "ends in /api"), (404, "text/html", "404"), (503, "text/html", "503")],
)
def test_what_is_no_prefect_server_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, code: int, kind: str, reason: str
) -> None:
    with server(code, kind) as address:
        monkeypatch.setenv("PREFECT_API_URL", address)
        with pytest.raises(DataError, match=reason) as refused:
            refuse_silent_server()
    assert "\n" not in str(refused.value)


def test_server_lost_on_the_way_is_named_and_other_errors_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ZeroDivisionError), clear_prefect_error():
        raise ZeroDivisionError
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    with pytest.raises(DataError, match="no Prefect server answers"), clear_prefect_error():
        raise ZeroDivisionError
    with pytest.raises(SettingsError, match="own"), clear_prefect_error():
        raise SettingsError("own")


def test_mlflow_variables_are_said_to_be_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MLFLOW_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert ignored_by_mlflow(Settings()) == ""
    # MLflow sets it for programs that this one starts
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////home/mlflow.db")
    assert ignored_by_mlflow(Settings(), own="sqlite:////home/mlflow.db") == ""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    assert "MLFLOW_TRACKING_URI is ignored" in ignored_by_mlflow(Settings())
    assert ignored_by_mlflow(Settings(tracking_uri="http://elsewhere")) == ""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "theirs")
    said = ignored_by_mlflow(Settings())
    assert "MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME are ignored" in said
    assert "\n" not in said
