"""The batches' clock."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from pipelines.config.settings import Settings

__all__ = ["today"]


def today(settings: Settings) -> date:
    """The day on the clock of the settings' time zone."""
    return datetime.now(ZoneInfo(settings.batch.time_zone)).date()
