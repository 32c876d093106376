"""Names from logs and files in pages: as text, whatever they are made of."""

from __future__ import annotations

import re

__all__ = ["as_markdown_text"]

# What begins emphasis, code, a link, a picture, a cell, a heading, a list or HTML.
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&]|:(?=//))")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
# Not every reader of Markdown knows these escaped by a backslash.
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", ":": "&#58;"}


def as_markdown_text(text: str) -> str:
    r"""``text`` on one line, with nothing left in it that Markdown or HTML would act on.

    MLflow's notes and Prefect's artifacts show Markdown, HTML inside it, and make links of
    addresses that stand alone.

    >>> as_markdown_text("Rio <img src=x onerror=alert(1)>")
    'Rio &lt;img src=x onerror=alert(1)&gt;'
    >>> as_markdown_text("a|b\n# c")
    'a\\|b \\# c'
    >>> as_markdown_text("[here](http://elsewhere)")
    '\\[here\\](http&#58;//elsewhere)'
    """
    return _SPECIAL.sub(
        lambda found: _ENTITIES.get(found[1], f"\\{found[1]}"), _BREAKS.sub(" ", text)
    )
