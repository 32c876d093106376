r"""Whether a text names a guest: a line of a log, a sentence of a report, a note.

A text has no columns, so an id in it may be anything: ``381`` is a number of rows, ``maria``
a word. What counts as naming the guest:

- an id that is no mere number and no mere word, such as ``U1234567`` or a UUID, where it
  stands alone (``U12`` is not named by ``U123`` or ``U12-b``);
- any other id (digits alone, letters alone, very short) only where a word for a guest stands
  directly before it, ``guest 381``, ``id_user=381``, or where a guest's column is spoken of and
  the id stands in quotes: ``nulled 1 in id_user: too long, first in line 7 ('381')``.

>>> names = NamedInText(Guest(ids=frozenset({"381"})))
>>> [names(text) for text in ("guest 381 asked", "381 rows", "0.381", "listing 381", "guest 3815")]
[True, False, False, False, False]
>>> [names(text) for text in ('{"id_user": 381}', "3 searches per guest: 381", "381 guests")]
[True, False, False]
>>> names = NamedInText(Guest(ids=frozenset({"U12"})))
>>> [names(text) for text in ("asked by U12.", "U123 asked", "guest-U12")]
[True, False, False]
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from data.erasure.guest import CONTRACT_COLUMN, Guest

__all__ = ["NamedInText", "is_distinctive"]

# What stands before an id that could be anything, so that it is a guest's.
_WORDS = ("guest", "user", "visitor", "customer", "hóspede", "hospede", "usuário", "usuario")
_SPEAKING = re.compile(rf"(?i:{'|'.join(_WORDS)})[\W_]*\d")
# ``rows per guest: 3`` and ``searches of a guest: 3`` count, and name nobody.
_NOT_AFTER = "(?<!per )(?<!each )(?<!every )(?<!one )(?<!a )(?<!by )"
_SHORTEST = 3


class NamedInText:
    """Says of a text whether it names the guest; see the rules at the top of this file."""

    def __init__(self, guest: Guest) -> None:
        self.spellings = tuple(sorted(set(_spellings(guest.ids)), key=len, reverse=True))
        distinctive = [name for name in guest.ids | guest.searches if is_distinctive(name)]
        self._alone = _standing_alone(_spellings(distinctive))
        self._introduced = _introduced(_spellings(guest.ids), guest.columns)
        # such as ``guest-1``, which says itself what it is
        self._speaking = _standing_alone(_spellings(filter(_SPEAKING.match, guest.ids)))
        self._words = tuple(dict.fromkeys([*self.spellings, *_spellings(distinctive)]))

    def __call__(self, text: str) -> bool:
        """Whether the text names the guest."""
        # the cheap question first: most texts hold none of the ids anywhere
        if not self.may_name(text):
            return False
        patterns = (self._alone, self._speaking, *self._introduced)
        return any(p.search(text) for p in patterns if p is not None)

    def introduces(self, text: str) -> bool:
        """Whether the text says that there is a guest of this id, not only the id.

        >>> names = NamedInText(Guest(ids=frozenset({"L7"})))
        >>> [names.introduces(text) for text in ("guest L7 asked", "L7 was booked")]
        [True, False]
        """
        if not self.may_name(text):
            return False
        return any(p.search(text) for p in (self._speaking, *self._introduced) if p is not None)

    def may_name(self, text: str) -> bool:
        """Whether an id stands anywhere in the text, as part of a longer word too."""
        return any(word in text for word in self._words)

    def places(self, text: str) -> list[int]:
        """Offsets at which the text names the guest, each once, ascending."""
        if not self.may_name(text):
            return []
        patterns = [p for p in (self._alone, self._speaking, *self._introduced) if p is not None]
        return sorted({match.start("id") for p in patterns for match in p.finditer(text)})


def is_distinctive(name: str) -> bool:
    """Whether an id is neither a number nor a word, so that it can stand for nothing else.

    >>> [is_distinctive(name) for name in ("U12", "381", "maria", "U1", "2026-01-12", "é1-x")]
    [True, False, False, False, False, True]
    """
    has_letter = any(character.isalpha() for character in name)
    return len(name) >= _SHORTEST and has_letter and not name.isalpha()


def _spellings(names: Iterable[str]) -> Iterator[str]:
    """Each name as it may be written in text: plain, in JSON, HTML, CSV, Python, an address."""
    for name in names:
        yield name
        yield json.dumps(name)[1:-1]
        yield json.dumps(name, ensure_ascii=False)[1:-1]
        yield html.escape(name)
        yield name.replace('"', '""')
        yield repr(name)[1:-1]
        yield quote(name, safe="")


def _standing_alone(spellings: Iterable[str]) -> re.Pattern[str] | None:
    words = _either(spellings)
    return re.compile(rf"(?<![\w-])(?P<id>{words})(?![\w-])") if words else None


def _introduced(
    spellings: Iterable[str], columns: Iterable[str]
) -> tuple[re.Pattern[str] | None, ...]:
    words = _either(spellings)
    if not words:
        return ()
    # a column called ``id`` would make the guest's of every number that is one
    columns = [name for name in columns if len(name) > _SHORTEST]
    names = "|".join(re.escape(name) for name in {*columns, *_WORDS})
    before = rf"{_NOT_AFTER}(?<![^\W_])(?i:{names})(?i:[ _-]?id)?"
    # {"id_user": "381"}, id_user=381, guest '381', guest (381); escaped quotes inside JSON too
    between = r"""["'\\]{0,4}\s*[:=(]?\s*["'\\\[(]{0,4}"""
    column = "|".join(map(re.escape, columns)) or CONTRACT_COLUMN
    return (
        re.compile(rf"{before}{between}(?P<id>(?<![\w.-]){words})(?![\w-]|\.\d|,\d)"),
        re.compile(rf"(?<![^\W_])(?:{column})\b.*['\"](?P<id>{words})['\"]"),
    )


def _either(spellings: Iterable[str]) -> str:
    # longest first: of two alternatives a regular expression takes the first that fits
    distinct = sorted({word for word in spellings if word}, key=len, reverse=True)
    return f"(?:{'|'.join(re.escape(word) for word in distinct)})" if distinct else ""
