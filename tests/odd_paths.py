"""Folders whose names programs trip over, for tests that everything works in them."""

from __future__ import annotations

__all__ = ["LIMITS", "ODD_NAMES"]

ODD_NAMES = (
    "My Projects",
    "Área de Trabalho",
    "e\u0301 東京",  # a letter with a combining accent
    "odd dir é#%?&'",
    "100% mine",
    "x y?z",
    "st*r {a,b}",
    'quo"te',
    "a+b;c:d,e@f!g~$HOME`",
    "market=zz",  # as a partition's folder
    "ds_search=2020-01-01",
    "a=b?c=d",
    "file:",
    " edges ",
)

# Name → what of it delta-rs has no way to write under.
LIMITS = {
    "a%20b": "%20",
    "[new]": "[",
    "new]": "]",
    "a^b": "^",
    "a|b": "|",
    "back\\slash": "\\",
    "two\nlines": "\n",
    "tab\tbed": "\t",
}
