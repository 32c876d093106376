"""The backfill of past days as a flow. Import it only after ``prepare_prefect``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from prefect import State, flow
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency

from pipelines.batch.backfill import BACKFILL
from pipelines.batch.backfill_days import days_between
from pipelines.flows.batch_flow import batch_of, context_at, run_as_flow
from pipelines.flows.outcome import day_of, ended_in_words
from pipelines.flows.run_names import name_of_backfill
from pipelines.run_context import RunContext

__all__ = ["BACKFILL_LIMIT", "backfill", "ensure_limit"]

BACKFILL_LIMIT = "stayrank-backfill"


def ensure_limit() -> None:
    """Make the concurrency limit; Prefect silently skips one that does not exist."""
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(BACKFILL_LIMIT, 1)


# day_of looks at the days: what Prefect says of a wrong one is for programmers
@flow(name="backfill", flow_run_name=name_of_backfill, validate_parameters=False)
def backfill(
    first: date, last: date, home: Path | None = None, settings_file: Path | None = None
) -> list[str] | State[list[str]]:
    """Make the recommendations of past days again, oldest first; nothing is published.

    Args:
        first: First day to recommend for.
        last: Last day, included; at most a year after the first.
        home: Folder that holds everything; default data/home, or STAYRANK_HOME.
        settings_file: TOML file with settings; default stayrank.toml, if there.
    """

    def work() -> list[str]:
        days = days_between(day_of(first, "first"), day_of(last, "last"))
        return _made_again(context_at(home, settings_file), days)

    return ended_in_words(work)


def _made_again(context: RunContext, days: Sequence[date]) -> list[str]:
    done = []
    ensure_limit()
    for day in days:
        # One day at a time over all backfills, so that the daily gets its turn between.
        with concurrency(BACKFILL_LIMIT, occupy=1, strict=True):
            batch = run_as_flow(batch_of(context, "backfill", day), BACKFILL, again=True)
        done.append(str(batch.folder))
    return done
