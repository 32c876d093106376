"""When a stay is long: from how many nights on a host's weekly or monthly price factor counts."""

from __future__ import annotations

__all__ = ["MONTH_NIGHTS", "WEEK_NIGHTS"]

WEEK_NIGHTS = 7
"""From here on ``listing_weekly_price_factor`` multiplies the nightly price."""

MONTH_NIGHTS = 28
"""From here on ``listing_monthly_price_factor`` does, or the weekly one where it is not stated."""
