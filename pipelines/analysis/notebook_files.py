"""The notebooks as files: cells in a script, and beside it the same cells with their outputs.

``NN_name.py`` is what people edit; ``stayrank notebooks --save`` makes ``NN_name.ipynb`` of it. The
outputs in it are read on a repository's page, so they have to be small, and of the code that stands
above them. What they were made of is in the notebook's metadata::

    "stayrank": {"code": "<digest>", "run": "20260125T…", "simulated": true, "seed": 0}
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.errors import DataError

__all__ = [
    "MOST_BYTES",
    "NOTEBOOKS",
    "code_digest",
    "notebook_of_script",
    "notebooks_here",
    "problems_of",
    "scripts_here",
    "with_small_outputs",
]

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
MOST_BYTES = 1_000_000
# What calculates and draws for the notebooks: where it changes, outputs are made again.
CALCULATIONS = ("pipelines.analysis", "pipelines.reporting.charts", "pipelines.look_up")
COLOURS_IN_PICTURE = 128
# A path of the machine that an output was made on.
MACHINE_PATH = re.compile(r"(?<![\w.<])/(?:home|root|tmp|Users|work|var|private)/\w")
TITLE = re.compile(r"title='([^']*)'")


def notebooks_here(folder: Path = NOTEBOOKS) -> list[Path]:
    """The notebooks in order; raises ``DataError`` where they are not beside the code."""
    notebooks = sorted(folder.glob("[0-9]*.ipynb"))
    if not notebooks:
        raise DataError(f"{folder} holds no notebooks; they come with a checkout of stayrank")
    return notebooks


def scripts_here(folder: Path = NOTEBOOKS) -> list[Path]:
    """The notebooks' scripts in order; raises ``DataError`` where there are none."""
    scripts = sorted(folder.glob("[0-9]*.py"))
    if not scripts:
        raise DataError(f"{folder} holds no notebooks; they come with a checkout of stayrank")
    return scripts


def notebook_of_script(script: Path) -> Any:
    """The script's cells as a notebook without outputs; equal scripts give equal notebooks."""
    import jupytext

    notebook = jupytext.read(script)
    for number, cell in enumerate(notebook.cells, start=1):
        cell["id"] = f"cell-{number:02}"
    return notebook


def code_digest(notebook: Any) -> str:
    """Sixteen hex digits of the code that outputs come from.

    They change with the code cells and with the modules that these import of
    :data:`CALCULATIONS`; not with comments, docstrings, blank lines or the text between cells.
    """
    sources = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    files = sorted({path for source in sources for path in _imported(source)})
    texts = [*sources, *(path.read_text(encoding="utf-8") for path in files)]
    digest = hashlib.sha256("\0".join(_as_it_runs(text) for text in texts).encode())
    return digest.hexdigest()[:16]


def problems_of(notebook: Any, size: int) -> list[str]:
    """What is wrong with a notebook as it is committed, a sentence each; empty where nothing is."""
    made_of = notebook["metadata"].get("stayrank", {})
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in code for output in cell["outputs"]]
    found = []
    if made_of.get("code") != code_digest(notebook):
        found.append("its outputs are of other code than stands there")
    if [cell["execution_count"] for cell in code] != list(range(1, len(code) + 1)):
        found.append("its cells were not run once each, top to bottom")
    if any(output["output_type"] == "error" for output in outputs):
        found.append("a cell stopped with an error")
    if MACHINE_PATH.search("".join(_texts_of(outputs))):
        found.append("an output shows a path of the machine that it was made on")
    if size > MOST_BYTES:
        found.append(f"it has {size:,} bytes, of at most {MOST_BYTES:,}")
    return found


def with_small_outputs(notebook: Any) -> Any:
    """The executed notebook with what a page shows of it, and nothing that changes by itself.

    Pictures have fewer colours and their title as text. Warnings are left out: they name paths of
    the machine, and the run that made the outputs has shown them.
    """
    for cell in notebook.cells:
        cell["metadata"] = {}
        if cell["cell_type"] != "code":
            continue
        cell["outputs"] = [o for o in cell["outputs"] if o.get("name") != "stderr"]
        for output in cell["outputs"]:
            if "data" in output:
                output["metadata"] = {}
                output["data"] = _smaller(output["data"])
    return notebook


def _smaller(data: dict[str, Any]) -> dict[str, Any]:
    picture = data.get("image/png")
    if picture is None:
        return data
    title = TITLE.search(data.get("text/plain", ""))
    return {
        "image/png": _with_fewer_colours(picture),
        "text/plain": title[1] if title else "a drawing",
    }


def _with_fewer_colours(picture: str) -> str:
    """A PNG (base64) on white, its colours numbered."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(picture))) as opened:
        drawn = opened.convert("RGBA")
    flat = Image.new("RGBA", drawn.size, "white")
    flat.alpha_composite(drawn)
    buffer = io.BytesIO()
    numbered = flat.convert("RGB").quantize(COLOURS_IN_PICTURE, dither=Image.Dither.NONE)
    numbered.save(buffer, "png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def _texts_of(outputs: list[Any]) -> Iterator[str]:
    for output in outputs:
        shown = output.get("text") or [
            text for kind, text in output.get("data", {}).items() if kind.startswith("text/")
        ]
        yield from [shown] if isinstance(shown, str) else map("".join, shown)


def _imported(source: str) -> Iterator[Path]:
    """The files of the calculations that a cell imports from."""
    root = NOTEBOOKS.parent
    for node in ast.walk(ast.parse(source)):
        module = node.module if isinstance(node, ast.ImportFrom) and node.module else ""
        if module.startswith(CALCULATIONS):
            path = root.joinpath(*module.split("."))
            yield path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _as_it_runs(source: str) -> str:
    """The lines that do something: no comments, no docstrings, no blank lines."""
    lines = dict(enumerate(source.splitlines(), start=1))
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        if first is not None and is_text and isinstance(node, _WITH_DOCSTRINGS):
            for line in range(first.lineno, (first.end_lineno or first.lineno) + 1):
                lines.pop(line, None)
    kept = (line.rstrip() for line in lines.values())
    return "\n".join(line for line in kept if line and not line.lstrip().startswith("#"))


_WITH_DOCSTRINGS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
