"""Fill the report's template: everything inline, nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, select_autoescape

__all__ = ["render_report"]


def render_report(content: Mapping[str, Any]) -> str:
    """The page as HTML. Raises when the content lacks something that the page shows."""
    environment = Environment(
        autoescape=select_autoescape(default=True), undefined=StrictUndefined, trim_blocks=True
    )
    folder = files(__package__)
    style, script = (folder.joinpath(name).read_text() for name in ("page.css", "page.js"))
    template = environment.from_string(folder.joinpath("page.html").read_text())
    return template.render(**content, style=style, script=script)
