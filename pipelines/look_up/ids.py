"""Ids as people give them: found in the log, or one sentence with the nearest that it has."""

from __future__ import annotations

import difflib
from itertools import takewhile

import polars as pl

from data.erasure.guest import as_read
from data.errors import DataError
from data.ingest.pseudonyms import pseudonym
from data.schema.tables import IMPRESSIONS
from pipelines.run_context import RunContext

__all__ = ["known_guest", "known_listing", "known_search"]

_NEAREST, _LOOKED_AT = 3, 300
# To compare with each of a million ids would take a minute.
_COMPARED = 20_000
_KINDS = {"id_user": "guest", "id_listing": "listing", "id_search": "search"}


def known_guest(context: RunContext, given: str) -> str:
    """The guest's id as the tables have it; its pseudonym, where ids are replaced by one.

    Raises ``DataError`` where the log has no such guest, or no guests' ids at all.
    """
    key = context.settings.pseudonym_key.get_secret_value()
    replaced = [pseudonym(key, as_read(given))] if key and as_read(given) else []
    return _known(context, "id_user", given, replaced)


def known_listing(context: RunContext, given: str) -> str:
    """The listing's id; raises ``DataError`` where the log never showed such a listing."""
    return _known(context, "id_listing", given)


def known_search(context: RunContext, given: str) -> str:
    """The search's id; raises ``DataError`` where the log has no such search."""
    return _known(context, "id_search", given)


def _known(context: RunContext, column: str, given: str, others: list[str] | None = None) -> str:
    context.refuse_without(IMPRESSIONS.name, "ingest")
    log = context.lake.scan(IMPRESSIONS.name)
    if column not in log.collect_schema().names():
        raise DataError(
            f"the log of {context.home.root} has no ids of guests, so that no guest can be looked "
            "up; a search can: stayrank show search ID"
        )
    wanted = list(dict.fromkeys([given.strip(), as_read(given), *(others or [])]))
    found = log.filter(pl.col(column).is_in(wanted)).select(pl.col(column).unique()).collect()
    if found.height:
        return str(found[column].sort()[0])
    raise DataError(_unknown(log, column, given.strip()))


def _unknown(log: pl.LazyFrame, column: str, given: str) -> str:
    kind = _KINDS[column]
    names = log.collect_schema().names()
    for other, word in _KINDS.items():
        if other != column and other in names and _holds(log, other, given):
            return f"{given} is a {word}, no {kind}. Look it up so: stayrank show {word} {given}"
    ids = log.select(pl.col(column).drop_nulls().unique().sort()).collect()[column]
    near = _nearest(_around(ids, given), given)
    hint = f"nearest are {', '.join(near)}" if near else f"ids look like {ids[0]}"
    return f"the log has no {kind} {given!r}; {hint if len(ids) else 'it is empty'}"


def _nearest(ids: list[str], given: str) -> list[str]:
    """Of those that are equally near the ones that begin alike: a digit is lost at the end."""
    near = difflib.get_close_matches(given, ids, n=_LOOKED_AT, cutoff=0.5)

    def distance(known: str) -> tuple[float, int, str]:
        alike = difflib.SequenceMatcher(None, known, given).ratio()
        return -alike, -sum(1 for _ in takewhile(_is_same, zip(known, given, strict=False))), known

    return sorted(near, key=distance)[:_NEAREST]


def _is_same(letters: tuple[str, str]) -> bool:
    return letters[0] == letters[1]


def _around(ids: pl.Series, given: str) -> list[str]:
    """All ids; of very many those that stand nearest in the alphabet."""
    if len(ids) <= _COMPARED:
        return list(ids.to_list())
    place = int(ids.search_sorted(given))
    start = min(max(0, place - _COMPARED // 2), len(ids) - _COMPARED)
    return list(ids[start : start + _COMPARED].to_list())


def _holds(log: pl.LazyFrame, column: str, given: str) -> bool:
    return bool(log.filter(pl.col(column) == given).select(pl.len()).collect().item())
