"""Take the records that name a guest out of a text: lines, entries of JSON, blocks of a page.

A record goes whole or stays whole: an id is never replaced inside one, since the digits of an
id are also the digits of a price. What a record is depends on the text::

    a log, Markdown, a table of text     the line
    JSON                                 the entry of a list that names the guest (by a key
                                         ``id_user``, or in a sentence); a row of a table
                                         kept as columns and data; any other sentence is
                                         replaced by :data:`REMOVED`, whole
    a page                               the row of a table, the item, the paragraph; where
                                         a heading names the guest, all up to the next heading

Whether a sentence names the guest: :mod:`data.erasure.named_in_text`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from data.erasure.guest import CONTRACT_COLUMN, Guest
from data.erasure.named_in_text import NamedInText

__all__ = ["REMOVED", "without_entries", "without_html", "without_json", "without_lines"]

REMOVED = "(removed: it named a guest who was forgotten)"
# In place of an entry that goes.
_GONE = object()
_HEADING = re.compile(r"<h([1-6])\b[^>]*>.*?</h\1\s*>", re.IGNORECASE | re.DOTALL)
_NEXT = re.compile(r"<h[1-6]\b|</(?:section|main|article|body)\s*>", re.IGNORECASE)
_BLOCKS = ("tr", "li", "p", "pre", "dd")


def without_lines(text: str, names: NamedInText) -> tuple[str, int]:
    """The text without the lines that name the guest, and how many those were."""
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if not names(line)]
    return "".join(kept), len(lines) - len(kept)


def without_json(text: str, guest: Guest, names: NamedInText) -> tuple[str, int]:
    """JSON without the entries that name the guest, written as it was, and how many those were.

    Raises ``ValueError`` for what is no JSON.
    """
    if not names.may_name(text):
        return text, 0
    content = json.loads(text)
    changed, count = without_entries(content, guest, names)
    if not count:
        return text, 0
    return _spelled_like(text, content, changed), count


def without_entries(content: Any, guest: Guest, names: NamedInText) -> tuple[Any, int]:
    """The same for JSON that was read: dictionaries, lists and texts."""
    cleaner = _Entries(guest, names)
    changed = cleaner.cleaned(content)
    return (type(content)() if changed is _GONE else changed), cleaner.count


class _Entries:
    """Walks through JSON and counts what goes."""

    def __init__(self, guest: Guest, names: NamedInText) -> None:
        self._guest, self._names, self.count = guest, names, 0

    def cleaned(self, content: Any, *, in_list: bool = True) -> Any:
        """The content without what names the guest; ``_GONE`` where it goes whole."""
        if isinstance(content, dict):
            return self._cleaned_mapping(content)
        if isinstance(content, list):
            kept = [self.cleaned(entry) for entry in content]
            return [entry for entry in kept if entry is not _GONE]
        if isinstance(content, str) and self._names(content):
            self.count += 1
            return _GONE if in_list else REMOVED
        return content

    def _cleaned_mapping(self, content: dict[str, Any]) -> Any:
        if self._is_of_guest(content):
            self.count += 1
            return _GONE
        content = self._without_rows(content)
        cleaned = {}
        for key, value in content.items():
            if self._names(key):
                self.count += 1
                continue
            kept = self.cleaned(value, in_list=False)
            if kept is not _GONE:
                cleaned[key] = kept
        return cleaned

    def _is_of_guest(self, content: dict[str, Any]) -> bool:
        search = content.get("id_search")
        return self._guest.is_id(content.get(CONTRACT_COLUMN)) or (
            isinstance(search, str) and search in self._guest.searches
        )

    def _without_rows(self, content: dict[str, Any]) -> dict[str, Any]:
        """A table kept as ``columns`` and ``data``, without the guest's rows."""
        columns, data = content.get("columns"), content.get("data")
        if not isinstance(columns, list) or not isinstance(data, list):
            return content
        kept = [
            row
            for row in data
            if not (
                isinstance(row, list)
                and len(row) == len(columns)
                and self._is_of_guest(dict(zip(map(str, columns), row, strict=True)))
            )
        ]
        self.count += len(data) - len(kept)
        places = range(len(kept))
        index = {"index": list(places)} if "index" in content and len(kept) < len(data) else {}
        return {**content, **index, "data": kept}


def _spelled_like(text: str, content: Any, changed: Any) -> str:
    """The changed content in the spelling in which ``text`` is ``content``."""
    end = "\n" if text.endswith("\n") else ""
    styles: list[dict[str, Any]] = [
        {"indent": indent, "ensure_ascii": is_ascii, "sort_keys": is_sorted}
        for indent in (2, 1, None, 4)
        for is_ascii in (False, True)
        for is_sorted in (False, True)
    ]
    for style in styles:
        if json.dumps(content, **style) + end == text:
            return json.dumps(changed, **style) + end
    return json.dumps(changed, indent=2, ensure_ascii=False) + end


def without_html(text: str, names: NamedInText) -> tuple[str, int]:
    """A page without the blocks that name the guest, and how many those were."""
    count = 0
    while places := names.places(text):
        start, end = _block_around(text, places[0])
        text = text[:start] + text[end:]
        count += 1
    return text, count


def _block_around(text: str, place: int) -> tuple[int, int]:
    """The smallest block that is a record and holds this place; else its line."""
    for heading in _HEADING.finditer(text):
        if heading.start() <= place < heading.end():
            following = _NEXT.search(text, heading.end())
            return heading.start(), following.start() if following else len(text)
    best: tuple[int, int] | None = None
    for tag in _BLOCKS:
        start = max((m.start() for m in re.finditer(rf"<{tag}\b", text[:place])), default=-1)
        closing = re.compile(rf"</{tag}\s*>", re.IGNORECASE).search(text, max(start, 0))
        is_around = start >= 0 and closing is not None and closing.start() >= place
        if is_around and closing is not None and (best is None or start > best[0]):
            best = (start, closing.end())
    if best is not None:
        return best
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    return start, len(text) if end < 0 else end + 1
