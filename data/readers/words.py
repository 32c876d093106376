"""Words of a log compared as words: what counts as the same label, market or room type.

Two words are the same when their keys are (:func:`word_key`): NFKC and casefold, which is how
Unicode compares words of any script, without marks that cannot be seen, and with one sign for
the joins of a compound. Nothing else is dropped: ``-1`` is not ``1``, ``København`` is not
``K-benhavn``.

A word that a mapping lists is found more freely (:class:`KnownWords`): also without accents and
with other joins, where only one listed meaning is spelled so. A market that no mapping lists is
named after its word (:func:`market_slug`).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["LONGEST_SLUG", "SLUG", "KnownWords", "market_slug", "suggested_slug", "word_key"]

# A slug that is the word's own key: nothing was lost, so no other word has it.
SLUG = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
LONGEST_SLUG = 64
_LONGEST_STEM = 48
_DIGEST_BYTES = 5
_JOINS = " _-\u2010"
_WHOLE_AS_FLOAT = re.compile(r"(-?\d+)\.0+")
# Letters that Unicode does not take apart into a plain letter and a mark.
_PLAIN_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
_BETWEEN = re.compile(r"(?<=[^\W_])[ _\-\u2010/.,]+(?=[^\W_])")

Meaning = TypeVar("Meaning")


def word_key(word: str) -> str:
    """What is compared of a word: two cells with one key hold one word.

    A single blank, ``_`` or hyphen inside a word is one join, ``_``. At an end, beside another
    sign or between two digits it may mean more than that (a minus, a range) and stays.

    >>> word_key(" Contact-Host "), word_key("contact_host")
    ('contact_host', 'contact_host')
    >>> word_key("-1"), word_key("1"), word_key("1.0"), word_key("10-20")
    ('-1', '1', '1', '10-20')
    >>> word_key("ΣΑΝΤΟΡΊΝΗΣ") == word_key("Σαντορίνης"), word_key("ＴＯＫＹＯ")
    (True, 'tokyo')
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())
    # marks of writing direction, soft hyphens, zero-width joins: exports scatter them
    seen = "".join(sign for sign in folded if unicodedata.category(sign) != "Cf")
    text = " ".join(seen.split())
    if number := _WHOLE_AS_FLOAT.fullmatch(text):
        text = number[1]
    if text == "-0":
        return "0"
    return "".join(_joined(text, at) for at in range(len(text)))


def _joined(text: str, at: int) -> str:
    """The sign at this place, ``_`` where it is a join inside a word."""
    if text[at] not in _JOINS or not 0 < at < len(text) - 1:
        return text[at]
    before, after = (unicodedata.category(text[i])[0] for i in (at - 1, at + 1))
    is_inside = before in "LMN" and after in "LMN" and not (before == after == "N")
    return "_" if is_inside else text[at]


def _plain(key: str) -> str:
    """The key without accents of Latin and Greek letters, all joins inside it as ``_``.

    >>> _plain(word_key("São-Paulo")), _plain(word_key("Entire home / apt"))
    ('sao_paulo', 'entire_home_apt')
    >>> _plain(word_key("København")), _plain(word_key("-1")), _plain(word_key("zone -1"))
    ('kobenhavn', '-1', 'zone -1')
    """
    letters: list[str] = []
    takes_accents = False
    for sign in unicodedata.normalize("NFD", key):
        if unicodedata.combining(sign):
            # elsewhere a mark makes another letter: й is not и, が is not か
            if not takes_accents:
                letters.append(sign)
            continue
        takes_accents = unicodedata.name(sign, "").startswith(("LATIN", "GREEK"))
        letters.append(sign)
    text = unicodedata.normalize("NFC", "".join(letters)).translate(_PLAIN_LETTERS)
    return _BETWEEN.sub(_join_of, text)


def _join_of(run: re.Match[str]) -> str:
    text, before, after = run[0], run.string[run.start() - 1], run.string[run.end()]
    is_sign = len(text) > 1 and text[-1] == "-" and after.isnumeric()
    is_number = before.isnumeric() and after.isnumeric() and text not in (" ", "_", "-")
    return text if is_sign or is_number else "_"


class KnownWords(Generic[Meaning]):
    """Listed spellings and their meanings.

    Raises ``ValueError``, naming both, when two spellings of different meanings are one word.
    """

    def __init__(self, spellings: Iterable[tuple[str, Meaning]]) -> None:
        self._exact: dict[str, Meaning] = {}
        first: dict[str, str] = {}
        plain: dict[str, set[Meaning]] = {}
        for spelling, meaning in spellings:
            key = word_key(spelling)
            if self._exact.setdefault(key, meaning) != meaning:
                raise ValueError(
                    f"{first[key]!r} ({self._exact[key]}) and {spelling!r} ({meaning}) are one "
                    "word: case, width and joins do not count. Keep one of them"
                )
            first.setdefault(key, spelling)
            plain.setdefault(_plain(key), set()).add(meaning)
        self._plain = {word: next(iter(all_)) for word, all_ in plain.items() if len(all_) == 1}

    def meaning(self, word: str) -> Meaning | None:
        """The meaning of a word; ``None`` for a word that is not listed.

        >>> markets = KnownWords([("munster", "N"), ("Münster", "W"), ("São Paulo", "S")])
        >>> markets.meaning("MÜNSTER"), markets.meaning("Munster"), markets.meaning("sao-paulo")
        ('W', 'N', 'S')
        >>> markets.meaning("Munstér")  # N or W: not guessed
        """
        key = word_key(word)
        found = self._exact.get(key)
        return found if found is not None else self._plain.get(_plain(key))


def market_slug(word: str) -> str | None:
    """The name of a market that no mapping lists: a folder name that no other word has.

    A word of plain letters and digits is its own slug. From any other something is lost, so
    its slug ends with ``__`` and a digest of the word's key, the same in every file and home:
    ``São Paulo`` and ``Sao Paulo`` may be two markets, and only a mapping can say that they are
    one. ``None`` for a word without a letter or digit.

    >>> market_slug("Rio de Janeiro"), market_slug("1"), market_slug("???")
    ('rio_de_janeiro', '1', None)
    >>> [market_slug(word) for word in ("São Paulo", "-1", "東京")]
    ['sao_paulo__4304ef3141', '1__81bc949adb', 'market__f2c021b2a4']
    """
    key = word_key(word)
    if not any(unicodedata.category(sign)[0] in "LN" for sign in key):
        return None
    if SLUG.fullmatch(key) and len(key) <= LONGEST_SLUG:
        return key
    digest = hashlib.blake2b(key.encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{suggested_slug(word) or 'market'}__{digest}"


def suggested_slug(word: str) -> str:
    """Plain letters and digits of a word, joined by ``_``; empty where it has none.

    Other words may give the same: for people and as the beginning of a slug, never as a key.
    """
    stem = re.sub(r"[^a-z0-9]+", "_", _plain(word_key(word)))
    return stem.strip("_")[:_LONGEST_STEM].strip("_")
