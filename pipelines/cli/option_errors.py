"""Usage errors of options in the words of settings: the whole range, and what was typed.

Typer tells the end of a range that was passed, and neither the other one nor the value.
"""

from __future__ import annotations

import typer
from pydantic import ValidationError

from data.ranges import Range
from data.toml_keys import must_be_within

__all__ = ["tell_range"]


def tell_range(error: typer.BadParameter) -> None:
    """Let the error say what the option must be and what was found, where its type refused it."""
    if not isinstance(error.__cause__, ValidationError):
        return
    problem = error.__cause__.errors()[0]
    info = getattr(getattr(error.param, "type_descriptor", None), "parameter_info", None)
    least, most = getattr(info, "min", None), getattr(info, "max", None)
    has_range = least is not None or most is not None
    must = must_be_within(problem, Range(at_least=least, at_most=most) if has_range else None)
    words = f"{str(problem['input'])!r} {must}" if must else error.message
    error.message = words.removeprefix("Value error, ")
