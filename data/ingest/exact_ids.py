"""Refuse a file whose ids went through a type that cannot hold them."""

from __future__ import annotations

import polars as pl

from data.errors import LogError
from data.readers.chunk import Chunk
from data.readers.ids import inexact_floats
from data.readers.values import null_spelled
from data.sources.column_rules import Rule

__all__ = ["refuse_inexact_ids"]

_IDS = ("id_search", "id_listing", "id_user", "query_market")


def refuse_inexact_ids(chunk: Chunk, rules: dict[str, Rule], file: str) -> None:
    """Raise :class:`LogError` where an id is a float beyond its exact numbers, or a boolean.

    The whole file, not the row: the column's type is at fault. Rows whose ids are small enough
    would be a biased part of the log, and the others could never be found by their ids.
    """
    for target in _IDS:
        rule = rules.get(target)
        if rule is None or rule.column is None:
            continue
        raw = null_spelled(chunk.rows[rule.column], rule.null_if)
        what = f"column {rule.column}, read as {target}, is of type {raw.dtype}"
        if raw.dtype == pl.Boolean and target != "query_market" and raw.is_not_null().any():
            raise LogError(file, f"{what}; an id is text or a whole number")
        is_inexact = inexact_floats(raw)
        if is_inexact.any():
            row = int(is_inexact.arg_true()[0])
            raise LogError(
                file,
                f"{what} and holds {raw[row]}, more digits than that type keeps, so that "
                "different ids become one. Write the ids as text or as whole numbers",
                line=int(chunk.lines[row]),
            )
