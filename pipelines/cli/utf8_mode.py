"""Paths in UTF-8 whatever the locale says."""

from __future__ import annotations

import codecs
import locale
import os
import sys

__all__ = ["use_utf8"]


def use_utf8() -> None:
    """Begin again in Python's UTF-8 mode where the locale's encoding is another one.

    Libraries that are not Python take paths and files as UTF-8 anyway; in a Latin-1 locale the
    home ``São Paulo`` would be two folders.
    """
    is_utf8 = codecs.lookup(locale.getencoding()).name == "utf-8"
    if not is_utf8 and os.environ.get("PYTHONUTF8") != "1":
        environment = {**os.environ, "PYTHONUTF8": "1"}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606
