"""The past at the end of the last days, kept beside the lake: the next day begins from it.

    past/17567/made_from.json        the code, the log's files, and the hash of each table
    past/17567/0-0.parquet …         closing totals (features/history/closing_totals.py)

They are never trusted when stale: what was made by other code, or from other files than the log
has up to that day, is not read, and neither is a file that is not the one that was written. The
day is then built from the events of all days before it, as if nothing had been kept: the same
bits, later. Guests are named in these files: erasing a guest removes them all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from data.lake.checksums import sha256_of
from features.build_in_blocks import Closing
from pipelines.config.home import write_json

__all__ = ["KEPT_DAYS", "KeptTotals", "remove_kept_totals"]

KEPT_DAYS = 2
"""The last day, and the one before: a late file of the last day builds that day again."""

_RECORD = "made_from.json"


@dataclass(frozen=True)
class KeptTotals:
    """The closing totals in a home.

    Attributes:
        folder: one folder per day, since 1970.
        code: of features; other code makes other totals.
        partitions: hashes of the log's files by ``MARKET/DAY``, and the day of each.
    """

    folder: Path
    code: str
    partitions: Mapping[str, tuple[str, int]]

    def before(self, day: int) -> Closing | None:
        """The totals of all days before this one; ``None`` where none are to be trusted."""
        known = [d for _, d in self.partitions.values() if d < day]
        if not known:
            return None
        folder = self.folder / str(max(known))
        try:
            record = json.loads((folder / _RECORD).read_text())
            if record["made_from"] != self._made_from(max(known)):
                return None
            tables = {name: folder / f"{name}.parquet" for name in record["tables"]}
            if any(sha256_of(tables[name]) != record["tables"][name] for name in tables):
                return None
            return {name: pl.read_parquet(path, glob=False) for name, path in tables.items()}
        except (OSError, ValueError, KeyError, pl.exceptions.PolarsError):
            return None

    def keep(self, day: int, closing: Closing) -> None:
        """Write the totals at the end of this day, and drop those of all but the last days."""
        draft = self.folder / f".{day}.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        sums = {}
        for name, table in closing.items():
            path = draft / f"{name}.parquet"
            table.write_parquet(path)
            sums[name] = sha256_of(path)
        write_json(draft / _RECORD, {"made_from": self._made_from(day), "tables": sums})
        # The record is in a folder that has its name at once or not at all.
        shutil.rmtree(self.folder / str(day), ignore_errors=True)
        draft.rename(self.folder / str(day))
        kept = sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdigit())
        for old in kept[:-KEPT_DAYS]:
            shutil.rmtree(self.folder / str(old), ignore_errors=True)

    def _made_from(self, day: int) -> dict[str, object]:
        files = {name: digest for name, (digest, of) in self.partitions.items() if of <= day}
        return {"code": self.code, "partitions": files}


def remove_kept_totals(folder: Path) -> None:
    """Remove all of them: they name guests, and are made again from the log."""
    shutil.rmtree(folder, ignore_errors=True)
