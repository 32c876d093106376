"""Execute the notebooks on a home, and write each as an HTML page."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import DataError
from pipelines.config.home import write_atomically
from pipelines.config.home_use import uses_home
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record

__all__ = ["NOTEBOOKS", "execute_notebooks", "notebooks_here"]

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SECONDS_PER_CELL = 600
FETCHED_SCRIPT = re.compile(r'<script[^>]*\ssrc="https?://[^"]*"[^>]*>\s*</script>')


def notebooks_here() -> list[Path]:
    """The notebooks in order; raises ``DataError`` where they are not beside the code."""
    notebooks = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    if not notebooks:
        raise DataError(f"{NOTEBOOKS} holds no notebooks; they come with a checkout of stayrank")
    return notebooks


@uses_home
def execute_notebooks(context: RunContext, run: str) -> list[Path]:
    """Run each notebook top to bottom on the home, in a kernel of its own.

    Writes ``reports/latest/notebooks/*.html``, logs them to the run, returns their paths.
    The notebooks themselves stay without outputs. Raises ``DataError`` naming the notebook
    and the error of the first cell that fails.
    """
    notebooks, folder = notebooks_here(), context.home.report / "notebooks"
    pages = []
    with (
        context.console.step("running the notebooks") as report_progress,
        _kernel_environment(context),
    ):
        for done, notebook in enumerate(notebooks, start=1):
            page = folder / f"{notebook.stem}.html"
            write_atomically(page, _page_of(notebook))
            pages.append(page)
            report_progress(done, len(notebooks))
    context.tracking.log_artifacts(read_record(context.home, run).parent, folder, "notebooks")
    return pages


def _page_of(path: Path) -> str:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from nbconvert import HTMLExporter

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOKS.parent)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise DataError(f"notebook {path.name} stopped: {error.ename}: {error.evalue}") from error
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
