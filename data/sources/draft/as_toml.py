"""A draft: lines with their evidence, written as TOML with comments."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from textwrap import wrap

__all__ = ["Draft", "Line", "quoted"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """``key = value`` as TOML, and what a reader should know of the guess.

    Attributes:
        key: of the mapping; for a column, the contract's name.
        value: as TOML text.
        unsure: why it may be wrong and by what it was guessed; empty where it is plain.
    """

    key: str
    value: str
    unsure: str = ""


@dataclass(kw_only=True)
class Draft:
    """A mapping as guessed.

    Attributes:
        name: of the source.
        log: name of the file.
        settings, explode, columns, labels: the lines of each section.
        missing: required columns for which the log shows nothing, with a sentence each. A draft
            with any is no mapping yet.
        not_taken: columns of the log that no line reads, with what they look like.
    """

    name: str
    log: str
    settings: list[Line] = field(default_factory=list)
    explode: list[Line] = field(default_factory=list)
    columns: list[Line] = field(default_factory=list)
    labels: list[Line] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    not_taken: dict[str, str] = field(default_factory=dict)

    def as_toml(self, tried: str = "") -> str:
        """The mapping's text; ``tried`` is a sentence about a trial on the log's own rows."""
        head = f"Drafted from {self.log} by its header and a sample of its rows. {tried}".strip()
        lines = [*_comment(head)]
        if self._doubts:
            lines += _comment("Lines below UNSURE are guesses: read the evidence, and mend them.")
        lines += [f"name = {quoted(self.name)}", *_lines(self.settings)]
        if self.explode:
            lines += ["", *_comment("a row is a search; each listing of its lists becomes a row")]
            lines += ["[explode]", *_lines(self.explode)]
        lines += ["", *_comment("contract column = column of the log, or a rule"), "[columns]"]
        for key, sentence in self.missing.items():
            lines += [*_comment(f"MISSING: {sentence}"), f'# {key} = "…"']
        lines += _lines(self.columns)
        if self.labels:
            lines += ["", "[labels]", *_lines(self.labels)]
        if self.not_taken:
            more = (
                "Not taken. One that describes the listing or the query may become a feature under "
                "[extra], never one that tells what came after the search:"
            )
            lines += ["", *_comment(more)]
            lines += [
                line
                for name, what in self.not_taken.items()
                for line in _comment(f"  {name!r}: {what}")
            ]
        return "\n".join(lines) + "\n"

    @property
    def _doubts(self) -> bool:
        sections = (self.settings, self.explode, self.columns, self.labels)
        return any(line.unsure for section in sections for line in section)


def quoted(text: str) -> str:
    """The text as a basic string of TOML.

    >>> print(quoted('a "b"'), quoted("é|"))
    "a \\"b\\"" "é|"
    """
    # JSON escapes what TOML does, but for the delete character
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _lines(lines: list[Line]) -> list[str]:
    text = []
    for line in lines:
        if line.unsure:
            text += _comment(f"UNSURE: {line.unsure}")
        text.append(f"{line.key} = {line.value}")
    return text


def _comment(text: str) -> list[str]:
    # a column's name may hold a line end, and a comment must not
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split(" "))
    return [f"# {line}" for line in wrap(plain, 96, break_on_hyphens=False)]
