"""The languages in which guests and hosts are told something."""

from __future__ import annotations

from typing import Literal

__all__ = ["Language"]

Language = Literal["en", "pt"]
"""English, or Portuguese as written in Brazil."""
