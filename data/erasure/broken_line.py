"""Whether a line that could not be divided into columns names a guest."""

from __future__ import annotations

import csv
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace

from data.erasure.guest import Guest
from data.erasure.named_in_text import NamedInText
from data.readers.csv_header import SEPARATORS

__all__ = ["is_in_broken", "with_escapes"]

# In which a text may have been that is not UTF-8 and was taken for it.
_ENCODINGS = ("cp1252", "cp1250", "cp1251", "shift_jis", "gb18030", "big5", "euc_kr")


def is_in_broken(
    text: str, guest: Guest, *, columns: Collection[str] = (), column: str | None = None
) -> bool:
    """Whether a line that is no row names the guest.

    A line with one field more than the header has the guest's cell where it should be or one
    place later; a line that lacks two has it there or up to two places earlier. Elsewhere the
    same digits are a price or a listing, of somebody else's row.

    >>> guest, columns = Guest(ids=frozenset({"730"})), ("id_search", "id_user", "price")
    >>> lines = ("S1,730,12,odd", "S1,odd,730,12", "S1,55,730", "S1,55,odd,730")
    >>> [is_in_broken(line, guest, columns=columns, column="id_user") for line in lines]
    [True, True, False, False]
    """
    if NamedInText(guest)(text):
        return True
    names = list(columns)
    for separator in SEPARATORS:
        cells = _cells(text, separator)
        if len(cells) < 2:
            continue
        if column not in names:
            if any(guest.is_id(cell) for cell in cells):
                return True
            continue
        place, more = names.index(column), len(cells) - len(names)
        first, last = place + min(more, 0), place + max(more, 0)
        if any(guest.is_id(cell) for cell in cells[max(first, 0) : last + 1]):
            return True
    return False


def with_escapes(guest: Guest) -> Guest:
    r"""The guest, also as the ids stand in a line that was taken for UTF-8 and is not.

    >>> "jos\\xe9" in with_escapes(Guest(ids=frozenset({"josé"}))).ids
    True
    """
    ids = set(guest.ids)
    for name in guest.ids:
        for encoding in _ENCODINGS:
            with suppress(UnicodeEncodeError):
                ids.add(name.encode(encoding).decode("utf-8", errors="backslashreplace"))
    return replace(guest, ids=frozenset(ids))


def _cells(text: str, separator: str) -> list[str]:
    try:
        parsed = next(csv.reader([text], delimiter=separator), [])
    except csv.Error:
        parsed = []
    # the stray quote of a broken line may have swallowed the fields after it
    plain = [cell.strip().strip('"') for cell in text.split(separator)]
    return parsed if len(parsed) >= len(plain) else plain
