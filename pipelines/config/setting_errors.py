"""What is wrong with settings, in sentences: where they were written, and what they may be.

stayrank.toml, line 4: setting batch.wehn_small is not known (did you mean 'when_small'?)
STAYRANK_RECOMMENDATION__TOP in the environment: setting recommendation.top = '0': must be
from 1 to 1,000
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from data.close_names import did_you_mean
from data.ranges import OutOfRangeError
from data.toml_keys import key_lines, known_keys, line_of, must_be
from pipelines.config.redaction import redact

__all__ = [
    "HOW_TO_ENCODE",
    "MOVED",
    "NOWHERE",
    "PREFIX",
    "UNTOLD",
    "SettingsError",
    "Written",
    "in_words",
    "unknown_setting",
]

PREFIX = "STAYRANK_"
HOW_TO_ENCODE = (
    "characters / ? # @ of a password must be written %2F %3F %23 %40, "
    "and an @ behind the host %40 too"
)
# Settings whose value no message repeats.
UNTOLD = ("pseudonym_key", "webhook")
# Sections that earlier versions had, and where their settings are now.
MOVED = {"funnel": "the funnel is the ranker now: write its settings as [ranker]"}


class SettingsError(ValueError):
    """A setting is unknown or out of its range; the message names it (exit code 2)."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """Where the settings of a program were written.

    Attributes:
        file: the TOML file; ``None`` without one.
        lines: its keys, each with the line on which it stands.
    """

    file: Path | None = None
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)

    @classmethod
    def in_file(cls, file: Path) -> Written:
        """The keys of a file; of one that is not there, or cannot be read, none."""
        try:
            return cls(file=file, lines=key_lines(file.read_text(encoding="utf-8-sig")))
        except (OSError, ValueError):
            return cls()

    def where(self, place: Sequence[str | int]) -> str:
        """``stayrank.toml, line 4: `` for the beginning of a message; empty where unknown.

        A variable goes first, as it does when settings are read.
        """
        variable = f"{PREFIX}{'__'.join(map(str, place))}".upper()
        # The value of a whole section may be one variable, as JSON.
        for name in os.environ:
            if name.upper() == variable or (len(place) > 1 and self._is_section(name, place)):
                return f"{name} in the environment: "
        line = line_of(self.lines, place)
        return f"{self.file}, line {line}: " if line is not None else ""

    @staticmethod
    def _is_section(name: str, place: Sequence[str | int]) -> bool:
        return name.upper() == f"{PREFIX}{place[0]}".upper()


NOWHERE = Written()


def in_words(
    error: ValidationError,
    owner: type[BaseModel] | None = None,
    section: str = "",
    written: Written = NOWHERE,
) -> str:
    """Each problem in a line: where it stands, the setting's whole name, what was given.

    Args:
        error: what pydantic found.
        owner: the settings' own class, whose ranges and names are told; without one none are.
        section: put before the names.
        written: where the settings were written.
    """
    lines = []
    for problem in error.errors():
        place = (*section.split(), *problem["loc"])
        broken = problem.get("ctx", {}).get("error")
        if isinstance(broken, OutOfRangeError):
            for name, value, must in broken.problems:
                own = (*place, name)
                lines.append(f"{written.where(own)}setting {_dotted(own)} = {value!r}: {must}")
        elif problem["type"] == "extra_forbidden":
            lines.append(_unknown(place, owner, written))
        else:
            lines.append(f"{written.where(place)}{_told(problem, place, owner)}")
    return "\n".join(redact(line) for line in lines)


def unknown_setting(
    place: Sequence[str | int], known: Collection[str], written: Written = NOWHERE
) -> str:
    """The message on a setting that there is not, with the one that was probably meant."""
    meant = did_you_mean(str(place[-1]), known)
    return f"{written.where(place)}setting {_dotted(place)} is not known{meant}"


def _unknown(place: Sequence[str | int], owner: type[BaseModel] | None, written: Written) -> str:
    if moved := MOVED.get(_dotted(place)):
        return f"{written.where(place)}setting {_dotted(place)}: {moved}"
    known = known_keys(owner, place) if owner is not None else []
    told = unknown_setting(place, known, written)
    elsewhere = [] if owner is None or "did you mean" in told else _sections_of(owner, place)
    return f"{told}; write it under [{elsewhere[0]}]" if elsewhere else told


def _sections_of(owner: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """Sections that have a setting of this name, which stands where it does not belong."""
    return [
        name
        for name in owner.model_fields
        if name != place[0]
        and place[-1] in known_keys(owner, (name, ""))
        # of the top itself: these are keys beside the sections
        and place[-1] not in owner.model_fields
    ]


def _told(problem: Any, place: Sequence[str | int], owner: type[BaseModel] | None) -> str:
    name, message = _dotted(place), str(problem["msg"]).removeprefix("Value error, ")
    if name in UNTOLD or message == HOW_TO_ENCODE:
        return f"setting {name}: {message}"
    if not problem["loc"]:  # of several settings together
        return f"settings of {name}: {message}"
    must = must_be(problem, owner or BaseModel, place)
    return f"setting {name} = {problem['input']!r}: {must or message}"


def _dotted(place: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in place)
