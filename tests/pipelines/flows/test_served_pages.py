"""Where the links on Prefect's pages lead: to MLflow's real port."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from data.lake.lock import file_lock
from pipelines.config.child_servers import free_port
from pipelines.config.home import Home
from pipelines.flows.served_pages import (
    PORT_VARIABLE,
    mlflow_address,
    note_port,
    point_links_at,
    port_of_schedule,
)

LINK = "[MLflow](http://127.0.0.1:5000/#/experiments/1/runs/f00)"


@contextmanager
def server_with(artifacts: dict[str, str]) -> Iterator[int]:
    """A server with Prefect's two questions on artifacts, and one for its health; its port."""

    class Answers(BaseHTTPRequestHandler):
        def _answer(self, content: Any) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def _asked(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

        def do_GET(self) -> None:  # the library's name
            self._answer(self.path.endswith("/health"))

        def do_POST(self) -> None:
            asked = self._asked()
            assert asked["artifacts"]["key"]["like_"] == "-mlflow"
            found = [{"id": name, "data": data} for name, data in artifacts.items()]
            self._answer(found[asked["offset"] : asked["offset"] + asked["limit"]])

        def do_PATCH(self) -> None:
            artifacts[self.path.rpartition("/")[2]] = self._asked()["data"]
            self._answer(None)

        def log_message(self, *_: Any) -> None:
            """Nothing: the tests' output is not the server's log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_of_the_settings_has_its_own_address_without_its_password(tmp_path: Path) -> None:
    store = "https://ana:s3cret@mlflow.example:8443/base/"
    assert mlflow_address(Home(tmp_path), store) == "https://mlflow.example:8443/base"


def test_the_homes_own_mlflow_is_where_it_is_served_now_then_where_it_will_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    assert mlflow_address(home, "") == "http://127.0.0.1:5000"
    silent = free_port()
    note_port(home, "MLflow", silent)
    assert mlflow_address(home, "sqlite:///x.db") == f"http://127.0.0.1:{silent}"
    monkeypatch.setenv(PORT_VARIABLE, "5361")
    assert mlflow_address(home, "") == "http://127.0.0.1:5361"
    with server_with({}) as port:
        note_port(home, "MLflow", port)
        assert mlflow_address(home, "") == f"http://127.0.0.1:{port}"


def test_a_damaged_note_is_no_port(tmp_path: Path) -> None:
    home = Home(tmp_path)
    note_port(home, "MLflow", 1)
    next(home.prefect.glob("port_of_mlflow*")).write_text("{")
    assert mlflow_address(home, "") == "http://127.0.0.1:5000"


def test_links_of_earlier_runs_are_pointed_at_the_port_and_nothing_else_is_changed() -> None:
    elsewhere = "[MLflow](https://mlflow.example/#/experiments/1)"
    artifacts = {str(number): LINK for number in range(205)} | {"other": elsewhere}
    with server_with(artifacts) as port:
        assert point_links_at(f"http://127.0.0.1:{port}/api", 5055) == 205
        assert point_links_at(f"http://127.0.0.1:{port}/api", 5055) == 0
    assert artifacts.pop("other") == elsewhere
    assert set(artifacts.values()) == {LINK.replace(":5000", ":5055")}


def test_a_schedule_that_serves_the_home_is_found_only_while_it_runs(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with server_with({}) as port:
        note_port(home, "Prefect", port)
        assert port_of_schedule(home) is None
        with file_lock(home.prefect / "schedule.lock", "busy", wait_s=0.0):
            assert port_of_schedule(home) == port
    with file_lock(home.prefect / "schedule.lock", "busy", wait_s=0.0):
        assert port_of_schedule(home) is None
