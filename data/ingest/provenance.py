"""Whether a log is simulated: told by a mark in its rows, not guessed from its ids.

A log with the column ``is_simulated`` is simulated where it is true in every row, and real where
it is true in none; with both kinds of rows it is refused. A log without that column is real, also
where an id begins with ``sim``. One exception: logs that the simulator wrote before it marked its
rows. There every search *and* every listing has an id of the simulator's own form, ``simS00000012``
and ``simL00000003``.
"""

from __future__ import annotations

import polars as pl

from data.errors import LogError
from data.readers.values import read_booleans
from data.schema.tables import SIMULATED_MARK

__all__ = ["ProvenanceCount"]

_OLD_IDS = {"id_search": r"^simS\d{8,18}$", "id_listing": r"^simL\d{8,18}$"}


class ProvenanceCount:
    """Marked and unmarked rows of one file, counted chunk by chunk."""

    def __init__(self) -> None:
        self._marked = self._unmarked = 0
        self._has_mark = False
        # the first row that decides: a log cannot be an old simulated one any more
        self._has_old_ids = True
        self._accepted = 0

    def add(self, rows: pl.DataFrame, accepted: pl.DataFrame) -> None:
        """Count the rows of a chunk as they stand in the file, and those that were accepted."""
        if SIMULATED_MARK in rows.columns:
            self._has_mark = True
            marked = int(read_booleans(rows[SIMULATED_MARK]).values.fill_null(value=False).sum())
            self._marked += marked
            self._unmarked += rows.height - marked
        self._accepted += accepted.height
        if self._has_old_ids and not self._has_mark:
            self._has_old_ids = all(
                accepted[name].str.contains(form).all() for name, form in _OLD_IDS.items()
            )

    def is_simulated(self, file: str) -> bool:
        """What the whole file is. Raises :class:`LogError` when it holds both kinds of rows."""
        if self._marked and self._unmarked:
            raise LogError(
                file,
                f"{self._marked:,} of its {self._marked + self._unmarked:,} rows are marked as "
                f"simulated (column {SIMULATED_MARK}); simulated and real rows are never mixed. "
                "Split the file",
            )
        if self._has_mark:
            return self._marked > 0
        return self._accepted > 0 and self._has_old_ids
