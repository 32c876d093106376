"""Execute the notebooks on a home: as pages of its report, or saved with their outputs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data.errors import DataError
from pipelines.analysis.notebook_files import (
    NOTEBOOKS,
    code_digest,
    notebook_of_script,
    notebooks_here,
    problems_of,
    scripts_here,
    with_small_outputs,
)
from pipelines.config.home import write_atomically
from pipelines.config.home_use import uses_home
from pipelines.evaluation.scorecard_view import read_scorecard
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record

__all__ = ["NOTEBOOKS", "execute_notebooks", "notebooks_here", "save_notebooks"]

SECONDS_PER_CELL = 600
FETCHED_SCRIPT = re.compile(r'<script[^>]*\ssrc="https?://[^"]*"[^>]*>\s*</script>')


@uses_home
def execute_notebooks(context: RunContext, run: str) -> list[Path]:
    """Run each notebook top to bottom on the home, in a kernel of its own.

    Writes ``reports/latest/notebooks/*.html``, logs them to the run, returns their paths.
    The notebooks themselves stay as they are. Raises ``DataError`` naming the notebook and the
    error of the first cell that fails.
    """
    notebooks, folder = notebooks_here(), context.home.report / "notebooks"
    pages = []
    with (
        context.console.step("running the notebooks") as report_progress,
        _kernel_environment(context),
    ):
        for done, notebook in enumerate(notebooks, start=1):
            page = folder / f"{notebook.stem}.html"
            write_atomically(page, _page_of(_executed(notebook, _read(notebook))))
            pages.append(page)
            report_progress(done, len(notebooks))
    context.tracking.log_artifacts(read_record(context.home, run).parent, folder, "notebooks")
    return pages


@uses_home
def save_notebooks(context: RunContext, folder: Path = NOTEBOOKS) -> list[Path]:
    """Run each notebook's script on the home, and write the notebook beside it with its outputs.

    Each is written once it is whole; the home's tables and runs stay as they are. Returns the
    paths. Raises ``DataError`` naming the notebook: for a cell that fails, and for outputs that
    are not fit to be committed, such as too large ones.
    """
    import nbformat

    scripts, made_of = scripts_here(folder), _made_of(context)
    saved = []
    with (
        context.console.step("running the notebooks") as report_progress,
        _kernel_environment(context),
    ):
        for done, script in enumerate(scripts, start=1):
            notebook = with_small_outputs(_executed(script, notebook_of_script(script)))
            notebook.metadata["stayrank"] = {"code": code_digest(notebook), **made_of}
            notebook.metadata.pop("language_info", None)
            text = nbformat.writes(notebook, version=4) + "\n"
            problems = problems_of(notebook, len(text.encode()))
            if problems:
                raise DataError(f"notebook {script.stem} is not saved: {'; '.join(problems)}")
            write_atomically(script.with_suffix(".ipynb"), text)
            saved.append(script.with_suffix(".ipynb"))
            report_progress(done, len(scripts))
    return saved


def _made_of(context: RunContext) -> dict[str, Any]:
    """The home that outputs come from, in the notebook's metadata."""
    record = read_record(context.home, context.home.latest_run().name)
    is_simulated = read_scorecard(context.home).honesty.provenance.is_simulated
    return {"run": record.name, "simulated": is_simulated, "seed": record.seed}


def _read(path: Path) -> Any:
    import nbformat

    return nbformat.read(path, as_version=4)


def _executed(path: Path, notebook: Any) -> Any:
    """The notebook run top to bottom in a kernel of its own."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        # Kernels warn that they talk without encryption: on this machine's own loopback.
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources={"metadata": {"path": str(NOTEBOOKS.parent)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise DataError(f"notebook {path.stem} stopped: {error.ename}: {error.evalue}") from error
    return notebook


def _page_of(notebook: Any) -> str:
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter().from_notebook_node(notebook)
    # The exporter's page fetches scripts for formulas and widgets; there are none here.
    return FETCHED_SCRIPT.sub("", str(page))


@contextmanager
def _kernel_environment(context: RunContext) -> Iterator[None]:
    """Set what the kernels inherit: this home, and this checkout to import from."""
    variables = {
        "STAYRANK_HOME": str(context.home.root.resolve()),
        "PYTHONPATH": os.pathsep.join(
            [str(NOTEBOOKS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
        # The kernel's own files stay out of the person's home folder.
        "IPYTHONDIR": str((context.home.root / "ipython").resolve()),
    }
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
