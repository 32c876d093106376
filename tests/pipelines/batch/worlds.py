"""A home with an inbox, and small logs of one day to deliver into it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import SecretStr

from data.lake.store import Lake
from pipelines.batch.inbox import collect_arrivals
from pipelines.batch.journal import Batch
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.run_context import RunContext

DAY = date(2018, 2, 6)
LOG_DAY = "2018-02-05"
HEADER = "id_search,label,id_user,id_listing,ts_search,query_market"


def log_of(searches: Sequence[str], *, day: str = LOG_DAY, label: str = "impressed") -> str:
    """A CSV of one row per search."""
    rows = [f"{s},{label},U{s},L{s},{day} 10:30,Rio de Janeiro" for s in searches]
    return "\n".join([HEADER, *rows]) + "\n"


class InboxWorld:
    """One home. Nothing has to settle, and a day without rows warns instead of holding."""

    def __init__(self, folder: Path, *, key: str = "", **batch: Any) -> None:
        quiet = dict.fromkeys(("when_missing", "when_empty", "when_rejected"), "warn")
        settings = load_settings(batch={"settle_s": 0, **quiet, **batch})
        settings = settings.model_copy(update={"pseudonym_key": SecretStr(key)})
        home = Home(folder / "home")
        self.context = RunContext(home=home, settings=settings, console=Console())
        self.inbox = home.root / "inbox"
        self.inbox.mkdir(parents=True)
        self.lake = Lake(home.root)

    def deliver(self, name: str, content: str | bytes) -> Path:
        """One rename into the inbox, as a sender should."""
        path = self.inbox / f"{name}.part"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path.rename(self.inbox / name)

    def collect(self, day: date = DAY, start: str = "start") -> dict[str, Any]:
        """What a daily batch of the day finds in the inbox."""
        batch = Batch(context=self.context, kind="daily", day=day, id=start)
        return dict(collect_arrivals(batch))

    def searches(self, table: str = "impressions") -> set[str]:
        """The searches that a table holds."""
        if not self.lake.exists(table):
            return set()
        rows = self.lake.scan(table)
        named = (
            pl.col("id_search")
            if table == "impressions"
            else pl.col("row").str.json_path_match("$.id_search")
        )
        return set(rows.select(named.alias("id")).collect()["id"].to_list())

    def in_inbox(self, folder: str = "") -> list[str]:
        """Names of the files in the inbox, or in one of its folders."""
        place = self.inbox / folder
        return sorted(p.name for p in place.iterdir() if not p.is_dir()) if place.is_dir() else []
