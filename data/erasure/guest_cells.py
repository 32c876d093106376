"""Which rows of a raw log are a guest's, by the cells that its mapping reads as ``id_user``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from data.erasure.guest import Guest
from data.erasure.log_readings import OpenedLog
from data.sources.apply_mapping import apply_rule
from data.sources.cell_lists import read_lists

__all__ = ["GuestCells", "guest_cells"]

_SEVERAL = (
    "holds several guests in one cell, this one among them, who cannot be taken out of it; take "
    "the id out of the line by hand"
)
_LOST_DIGITS = "holds an id that lost its digits, and may be the guest's"


@dataclass(frozen=True, kw_only=True)
class GuestCells:
    """Rows of a chunk.

    Attributes:
        is_guests: which are the guest's; shape ``(rows,)``, never null.
        doubt: a row of which that cannot be said, by its place, and why.
    """

    is_guests: pl.Series
    doubt: tuple[int, str] | None = None


def guest_cells(rows: pl.DataFrame, opened: OpenedLog, guest: Guest) -> GuestCells:
    """The rows whose guest, as ``opened.rule`` reads it, is this one.

    A row that lists guests (an exploded column, an array) is the guest's where it lists nobody
    else. Raises ``ValueError`` where there is no rule.
    """
    rule, reading = opened.rule, opened.reading
    if rule is None or reading is None:
        raise ValueError("without a rule no cell is a guest's")
    if opened.exploded is not None:
        source = rows[opened.exploded.column]
        try:
            lists = read_lists(source, opened.exploded).lists
        except ValueError:
            lists = source
        return _of_lists(lists, guest)
    values = apply_rule(rule, rows, reading.mapping.time_format).values
    if values.dtype.is_nested():
        return _of_lists(values, guest)
    may_be = guest.may_be(values)
    doubt = (int(may_be.arg_true()[0]), _LOST_DIGITS) if may_be.any() else None
    return GuestCells(is_guests=guest.is_in(values), doubt=doubt)


def _of_lists(lists: pl.Series, guest: Guest) -> GuestCells:
    own, doubt = [], None
    for place, cell in enumerate(lists.to_list()):
        values = list(_scalars(cell))
        names = [guest.is_id(value) for value in values]
        own.append(bool(names) and all(names))
        if any(names) and not all(names) and doubt is None:
            doubt = (place, _SEVERAL)
    return GuestCells(is_guests=pl.Series(own, dtype=pl.Boolean), doubt=doubt)


def _scalars(cell: object) -> Iterator[object]:
    """The values inside a cell that are not null."""
    if isinstance(cell, dict):
        cell = list(cell.values())
    if isinstance(cell, list):
        for value in cell:
            yield from _scalars(value)
    elif cell is not None:
        yield cell
