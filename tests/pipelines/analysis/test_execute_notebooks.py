"""The notebooks: paired, without outputs and functions, and running top to bottom."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import jupytext
import pytest

from pipelines.analysis.execute_notebooks import NOTEBOOKS, execute_notebooks, notebooks_here
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record
from tests.operations.servers import free_port

NAMES = (
    "01_search_log",
    "02_features",
    "03_ranker",
    "04_two_tower",
    "05_new_listings",
    "06_marketplace",
    "07_look_up",
)
PACKAGES = {"data", "features", "models", "pipelines"}
LIBRARIES = {"polars", "pandas", "numpy"}


def cells_of(path: Path) -> list[tuple[str, str]]:
    return [(c["cell_type"], c["source"].strip()) for c in jupytext.read(path).cells]


def test_every_notebook_is_there() -> None:
    assert [path.stem for path in notebooks_here()] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_notebook_has_the_cells_of_its_script(name: str) -> None:
    assert cells_of(NOTEBOOKS / f"{name}.ipynb") == cells_of(NOTEBOOKS / f"{name}.py")


@pytest.mark.parametrize("name", NAMES)
def test_notebook_is_kept_without_outputs(name: str) -> None:
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.parametrize("name", NAMES)
def test_notebook_defines_nothing_and_imports_from_the_packages(name: str) -> None:
    tree = ast.parse((NOTEBOOKS / f"{name}.py").read_text())
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    assert not [node for node in ast.walk(tree) if isinstance(node, defined)]
    imported = {
        n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module
    }
    imported |= {
        a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names
    }
    assert "pipelines" in imported
    assert imported <= PACKAGES | LIBRARIES | {"__future__"}


@pytest.mark.slow
def test_notebooks_run_top_to_bottom_on_a_small_home(finished: tuple[RunContext, str]) -> None:
    words = [sys.executable, "-m", "pytest", "--nbmake", "--nbmake-timeout=300", "-q"]
    words += [
        "-p",
        "no:cacheprovider",
        "--override-ini=addopts=",
        "--rootdir",
        str(NOTEBOOKS.parent),
    ]
    environment = {
        **os.environ,
        "STAYRANK_HOME": str(finished[0].home.root),
        "PYTHONPATH": os.pathsep.join([str(NOTEBOOKS.parent), os.environ.get("PYTHONPATH", "")]),
    }
    before = {path: path.read_bytes() for path in notebooks_here()}
    done = subprocess.run(
        [*words, *map(str, before)],
        env=environment,
        cwd=NOTEBOOKS.parent,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    assert re.search(rf"{len(NAMES)} passed", done.stdout)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.slow
def test_executed_notebook_becomes_a_page_of_the_run_that_fetches_nothing(
    finished: tuple[RunContext, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, run = finished
    chosen = [path for path in notebooks_here() if path.stem == "06_marketplace"]
    monkeypatch.setattr("pipelines.analysis.execute_notebooks.notebooks_here", lambda: chosen)
    (page,) = execute_notebooks(context, run)
    html = page.read_text()
    assert "Unmet demand" in html
    assert "image/png" in html or "data:image" in html
    assert not re.search(r'(src|href)="https?://', html.split("<body", 1)[1])
    parent = read_record(context.home, run).parent
    logged = context.tracking.client.list_artifacts(parent, "notebooks")
    assert [file.path for file in logged] == [f"notebooks/{page.name}"]


@pytest.mark.slow
def test_notebooks_command_opens_jupyterlab_and_stops_cleanly(
    finished: tuple[RunContext, str], tmp_path: Path
) -> None:
    port = free_port()
    words = ["notebooks", "--no-browser", "--port", str(port)]
    words += ["--home", str(finished[0].home.root)]
    environment = {**os.environ, "JUPYTER_TOKEN": "known", "HOME": str(tmp_path)}
    with (tmp_path / "output").open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", *words],
            stdout=output,
            stderr=output,
            env=environment,
        )
    try:
        link = f"http://127.0.0.1:{port}/api/contents?token=known"
        listed = answer_of(link, server)
        assert {f"{name}.ipynb" for name in NAMES} <= {file["name"] for file in listed["content"]}
    finally:
        server.terminate()
        server.wait(60)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def answer_of(link: str, server: subprocess.Popen[bytes]) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(link, timeout=5) as answer:  # noqa: S310  # loopback
                return dict(json.load(answer))
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"JupyterLab did not answer; it ended with {server.poll()}")
