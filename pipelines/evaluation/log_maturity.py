"""How complete the outcomes of each day of the log are."""

from __future__ import annotations

from data.lake.store import Lake
from data.schema.tables import IMPRESSIONS
from models.evaluation.label_maturity import DayMaturity, label_maturity
from pipelines.feature_table.arrow_conversion import arrow

__all__ = ["maturity_of_log"]


def maturity_of_log(lake: Lake) -> list[DayMaturity]:
    """Each day's maturity, estimated from the delays between search and outcome in the log.

    A log without ``contact_day`` or ``book_day`` gives no entry for that outcome.
    """
    impressions = lake.scan(IMPRESSIONS.name)
    present = impressions.collect_schema().names()
    days = [name for name in ("search_day", "contact_day", "book_day") if name in present]
    return label_maturity(arrow(impressions.select(days).collect(engine="streaming")))
