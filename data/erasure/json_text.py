"""The entries of a guest in JSON that is no log of lines: an array, objects over several lines.

Such a file is refused by ingest, and stays in the inbox with the reason. An entry is the
smallest element of a list (or of a file of several objects) that names the guest: by a column of
guests, in itself or in an object inside it, or in a sentence. It is cut out of the text, so that
every other character stays::

    [{"id_user": 730, "n": 1}, {"id_user": 9}]     →     [{"id_user": 9}]
"""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # as the decoder itself does

from data.erasure.guest import Guest
from data.erasure.named_in_text import NamedInText

__all__ = ["guest_spans", "without_spans"]

Span = tuple[int, int]

_BLANK = re.compile(r"\s*")
_SCALAR = re.compile(r"-?(?:\d[\d.eE+-]*|Infinity)|true|false|null|NaN")


def guest_spans(text: str, guest: Guest) -> list[Span]:
    """Offsets of what is to be cut, ascending, apart from each other.

    Raises ``ValueError`` for what is no JSON.

    >>> guest = Guest(ids=frozenset({"730"}))
    >>> text = '[{"id_user": 730, "n": 1}, {"id_user": 9, "price": 730}]'
    >>> without_spans(text, guest_spans(text, guest))
    '[{"id_user": 9, "price": 730}]'
    """
    if text.lstrip()[:1] not in ("[", "{"):
        raise ValueError("it is no JSON")
    if not NamedInText(guest).may_name(text) and "\\u" not in text:
        json.loads(text)
        return []
    scan = _Scan(text, guest)
    try:
        scan.whole()
    except (IndexError, RecursionError) as error:
        raise ValueError("it is no JSON") from error
    return _merged(scan.cuts)


def without_spans(text: str, spans: list[Span]) -> str:
    """The text without these parts."""
    kept, at = [], 0
    for start, end in spans:
        kept.append(text[at:start])
        at = end
    return "".join([*kept, text[at:]])


class _Scan:
    """Walks through the text once and gathers what is to be cut."""

    def __init__(self, text: str, guest: Guest) -> None:
        self._text, self._guest, self._names = text, guest, NamedInText(guest)
        self._columns = {name.casefold() for name in guest.columns}
        self.cuts: list[Span] = []

    def whole(self) -> None:
        """One value after the other, to the end of the text."""
        spans, own, at = [], [], self._blank(0)
        while at < len(self._text):
            end, is_own = self._value(at, is_guests=False)
            spans.append((at, end))
            own.append(is_own)
            at = self._blank(end)
        self._cut(spans, own)

    def _value(self, at: int, *, is_guests: bool) -> tuple[int, bool]:
        """Where the value ends, and whether it names the guest; ``is_guests``: by its key."""
        sign = self._text[at]
        if sign == "{":
            return self._object(at)
        if sign == "[":
            return self._list(at, is_guests=is_guests), False
        if sign == '"':
            content, end = scanstring(self._text, at + 1, False)
            is_own = is_guests and self._guest.is_id(content)
            return end, is_own or self._names(content)
        found = _SCALAR.match(self._text, at)
        if found is None:
            raise ValueError("it is no JSON")
        return found.end(), is_guests and self._guest.is_id(found[0])

    def _object(self, at: int) -> tuple[int, bool]:
        is_own, at = False, self._blank(at + 1)
        while self._text[at] != "}":
            if self._text[at] != '"':
                raise ValueError("it is no JSON")
            key, at = scanstring(self._text, at + 1, False)
            at = self._expect(":", at)
            at, names = self._value(at, is_guests=key.casefold() in self._columns)
            is_own = is_own or names or self._names(key)
            at = self._next(at, "}")
        return at + 1, is_own

    def _list(self, at: int, *, is_guests: bool) -> int:
        spans, own, at = [], [], self._blank(at + 1)
        while self._text[at] != "]":
            end, is_own = self._value(at, is_guests=is_guests)
            spans.append((at, end))
            own.append(is_own)
            at = self._next(end, "]")
        self._cut(spans, own)
        return at + 1

    def _cut(self, spans: list[Span], own: list[bool]) -> None:
        """Each with the comma behind it; at the end of a list with the one before it."""
        for place, (start, end) in enumerate(spans):
            if not own[place]:
                continue
            if place + 1 < len(spans):
                self.cuts.append((start, spans[place + 1][0]))
            else:
                kept = [spans[n][1] for n in range(place) if not own[n]]
                self.cuts.append((kept[-1] if kept else start, end))

    def _next(self, at: int, closing: str) -> int:
        at = self._blank(at)
        if self._text[at] == closing:
            return at
        return self._expect(",", at)

    def _expect(self, sign: str, at: int) -> int:
        at = self._blank(at)
        if self._text[at] != sign:
            raise ValueError("it is no JSON")
        return self._blank(at + 1)

    def _blank(self, at: int) -> int:
        found = _BLANK.match(self._text, at)
        return found.end() if found is not None else at


def _merged(cuts: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(cuts):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
