"""Keys of TOML files in messages: where they stand, which there could be, what they must be.

``tomllib`` does not say on which line a key stood. So the lines are read once more, which finds
the keys as people write them: below a heading, dotted, or inside braces on one line.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from data.ranges import Range, interval_of

__all__ = ["key_lines", "known_keys", "line_of", "must_be", "must_be_within"]

Place = tuple[str, ...]

_KEY = r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'"""
_DOTTED = rf"(?:{_KEY})(?:\s*\.\s*(?:{_KEY}))*"
_HEADING = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]")
_ENTRY = re.compile(rf"\s*({_DOTTED})\s*=")
_IN_BRACES = re.compile(rf"[{{,]\s*({_DOTTED})\s*=")
_PART = re.compile(_KEY)
_OUTSIDE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")
_KINDS = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "a number"),
    "finite_number": "a finite number",
    **dict.fromkeys(("bool_parsing", "bool_type"), "true or false"),
}
_LONG_TEXTS = ('"""', "'''")


def key_lines(text: str) -> dict[Place, int]:
    r"""Key → the first line on which it stands, counted from 1.

    >>> key_lines("seed = 1\n[batch]\nwait_s = 5\nx = { y = 2 }")
    {('seed',): 1, ('batch',): 2, ('batch', 'wait_s'): 3, ('batch', 'x'): 4, ('batch', 'x', 'y'): 4}
    """
    lines: dict[Place, int] = {}
    section: Place = ()
    inside = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if inside:
            inside = "" if inside in line else inside
            continue
        if heading := _HEADING.match(line):
            section = _parts(heading[1])
            _note(lines, section, number)
        elif entry := _ENTRY.match(line):
            place = (*section, *_parts(entry[1]))
            _note(lines, place, number)
            for found in _IN_BRACES.finditer(line, entry.end()):
                _note(lines, (*place, *_parts(found[1])), number)
        inside = next((mark for mark in _LONG_TEXTS if line.count(mark) % 2), "")
    return lines


def line_of(lines: Mapping[Place, int], place: Sequence[str | int]) -> int | None:
    """The line of a key, or of the nearest thing around it; ``None`` where none is known."""
    names = tuple(str(part) for part in place)
    for length in range(len(names), 0, -1):
        if names[:length] in lines:
            return lines[names[:length]]
    return None


def known_keys(owner: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The keys that could stand where the unknown key ``place`` does; empty if any could.

    ``place`` is as pydantic tells it: ``("columns", "label", "colum")``.
    """
    return list(dict.fromkeys(key for model in _around(owner, place) for key in model.model_fields))


def must_be(problem: Any, owner: type[BaseModel], place: Sequence[str | int]) -> str:
    """What a key must be, its whole range; empty where pydantic's own words say it.

    ``problem`` is one of pydantic's errors: its words name the end of a range that was passed,
    and not the other one.
    """
    # No place: what is wrong is how keys stand together, of the whole file.
    keys = [str(key) for key in place[-1:]]
    found = (model.model_fields.get(key) for model in _around(owner, place) for key in keys)
    field = next((field for field in found if field is not None), None)
    return must_be_within(problem, interval_of(field.metadata) if field is not None else None)


def must_be_within(problem: Any, interval: Range | None) -> str:
    """The same of a value that has this range, or none."""
    if problem["type"] in _OUTSIDE and interval is not None:
        return f"must be {interval}"
    if kind := _KINDS.get(problem["type"]):
        return f"must be {kind}" + (f", {interval}" if interval is not None else "")
    if problem["type"] in ("literal_error", "enum"):
        return f"must be {problem['ctx']['expected']}"
    return ""


def _around(owner: type[BaseModel], place: Sequence[str | int]) -> list[type[BaseModel]]:
    """The models that may hold the last key of ``place``."""
    models = [owner]
    # Between two keys may stand those of a dict, places in a list, or pydantic's names of the
    # members of a union: they lead to no field, and the models stay.
    for part in place[:-1]:
        fields = [
            model.model_fields[str(part)] for model in models if str(part) in model.model_fields
        ]
        if fields:
            models = [found for field in fields for found in _models_in(field.annotation)]
    return models


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    if get_origin(annotation) in (Annotated, Union, types.UnionType, dict, list, tuple):
        for argument in get_args(annotation):
            yield from _models_in(argument)


def _parts(dotted: str) -> Place:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _note(lines: dict[Place, int], place: Place, number: int) -> None:
    for length in range(1, len(place) + 1):
        lines.setdefault(place[:length], number)
