"""The notebooks: paired, fresh, without functions, and running top to bottom."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest

from pipelines.analysis.execute_notebooks import execute_notebooks, save_notebooks
from pipelines.analysis.notebook_files import (
    NOTEBOOKS,
    code_digest,
    notebook_of_script,
    notebooks_here,
    problems_of,
)
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record
from tests.operations.servers import free_port

NAMES = tuple(path.stem for path in sorted(NOTEBOOKS.glob("[0-9]*.py")))
# Whose sections end in a computed sentence; the others are for looking things up.
TELLING = (
    "01_search_log",
    "02_features",
    "03_ranker",
    "04_two_tower",
    "05_new_listings",
    "06_marketplace",
)
AGAIN = "run `make run` (or name a home) and then: stayrank notebooks --save"
PACKAGES = {"data", "features", "models", "pipelines"}
LIBRARIES = {"polars", "pandas", "numpy"}


def cells_of(path: Path) -> list[tuple[str, str]]:
    return [(c["cell_type"], c["source"].strip()) for c in jupytext.read(path).cells]


def test_every_script_has_its_notebook() -> None:
    assert [path.stem for path in notebooks_here()] == list(NAMES)
    assert set(TELLING) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_notebook_has_the_cells_of_its_script(name: str) -> None:
    assert cells_of(NOTEBOOKS / f"{name}.ipynb") == cells_of(NOTEBOOKS / f"{name}.py")


@pytest.mark.parametrize("name", NAMES)
def test_notebook_is_kept_with_small_outputs_of_the_code_that_stands_there(name: str) -> None:
    path = NOTEBOOKS / f"{name}.ipynb"
    assert problems_of(nbformat.read(path, as_version=4), path.stat().st_size) == [], AGAIN


def test_notebooks_are_kept_with_the_outputs_of_one_simulated_home() -> None:
    made_of = [json.loads(path.read_text())["metadata"]["stayrank"] for path in notebooks_here()]
    homes = {(made["run"], made["seed"], made["simulated"]) for made in made_of}
    assert len(homes) == 1, AGAIN
    assert made_of[0]["simulated"] is True


@pytest.mark.parametrize("name", TELLING)
def test_each_section_ends_in_a_sentence_that_was_computed(name: str) -> None:
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]
    starts = [n for n, c in enumerate(cells) if c["cell_type"] == "markdown"]
    last = [cells[end - 1] for end in (*starts[1:], len(cells))]
    assert len(last) > 2
    for cell in last:
        source, outputs = "".join(cell["source"]), cell["outputs"]
        assert re.search(r"^(about_\w+|home\.introduction)\(", source, re.MULTILINE), source
        sentence = "".join(outputs[-1]["data"]["text/markdown"])
        assert re.fullmatch(r"\*\*.{20,}\.\*\*", sentence), sentence


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
def test_saved_notebook_is_fit_to_be_committed_and_the_same_again(
    finished: tuple[RunContext, str], tmp_path: Path
) -> None:
    name = "05_new_listings"
    for ending in ("py", "ipynb"):
        shutil.copy(NOTEBOOKS / f"{name}.{ending}", tmp_path)
    (saved,) = save_notebooks(finished[0], tmp_path)
    first = saved.read_text()
    notebook = nbformat.reads(first, as_version=4)
    assert problems_of(notebook, len(first)) == []
    assert notebook["metadata"]["stayrank"]["run"] == finished[1]
    save_notebooks(finished[0], tmp_path)
    assert saved.read_text() == first


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


SCRIPT = """# %% [markdown]
# # A page

# %%
from pipelines.analysis.figures import figures

1 + 1  # a comment
"""


def written(folder: Path, text: str = SCRIPT) -> Any:
    path = folder / "01_page.py"
    path.write_text(text)
    return notebook_of_script(path)


def test_digest_changes_with_what_runs_and_with_nothing_else(tmp_path: Path) -> None:
    digest = code_digest(written(tmp_path))
    assert code_digest(written(tmp_path, SCRIPT.replace("A page", "A title"))) == digest
    assert code_digest(written(tmp_path, SCRIPT.replace("1 +", "# why\n\n1 +"))) == digest
    assert code_digest(written(tmp_path, SCRIPT.replace("1 + 1", "1 + 2"))) != digest
    assert code_digest(written(tmp_path, SCRIPT.replace("figures", "new_listings"))) != digest


def test_what_is_wrong_with_a_notebook_is_told(tmp_path: Path) -> None:
    notebook = written(tmp_path)
    cell = notebook.cells[1]
    cell["execution_count"] = 1
    notebook.metadata["stayrank"] = {"code": code_digest(notebook)}
    assert problems_of(notebook, 1_000) == []
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "see /tmp/x/y\n"}]
    cell["source"] += "\n2"
    cell["execution_count"] = 3
    assert problems_of(notebook, 2_000_000) == [
        "its outputs are of other code than stands there",
        "its cells were not run once each, top to bottom",
        "an output shows a path of the machine that it was made on",
        "it has 2,000,000 bytes, of at most 1,000,000",
    ]


def answer_of(link: str, server: subprocess.Popen[bytes]) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(link, timeout=5) as answer:  # noqa: S310  # loopback
                return dict(json.load(answer))
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"JupyterLab did not answer; it ended with {server.poll()}")
