"""A name that is not known, and the known ones that it was probably meant to be.

For every message about a misspelt name: columns of logs, keys of TOML files, settings, markets.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

__all__ = ["close_names", "did_you_mean"]


def close_names(name: str, names: Collection[str], *, cutoff: float = 0.6) -> list[str]:
    """Those of ``names`` that differ in case alone, else the most alike; empty without any.

    ``cutoff``: how alike it must be, 1 for equal.

    >>> close_names("query_radios", ["query_radius", "query_market"])
    ['query_radius']
    """
    # in another case first: to difflib no letter of ID_SEARCH is in id_search
    alike = [other for other in names if other.casefold() == name.casefold()]
    return alike or difflib.get_close_matches(name, list(names), n=1, cutoff=cutoff)


def did_you_mean(name: str, names: Collection[str]) -> str:
    """The end of a message about ``name``, with the names that are close; empty without any.

    >>> did_you_mean("ID_SEARCH", ["id_search"])
    " (did you mean 'id_search'?)"
    >>> did_you_mean("colour", ["id_search"])
    ''
    """
    close = close_names(name, names)
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
