"""A day's recommendations in memory, with what they were made from."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from models.arrow_columns import Codes, Numbers
from pipelines.candidates.candidate_rows import CandidateSource
from pipelines.recommendation.day_availability import DayAvailability
from pipelines.recommendation.lists import MadeLists
from pipelines.recommendation.scores import ScoredCandidates
from pipelines.recommendation.serving_models import ServingModels

__all__ = ["Recommended"]


@dataclass(frozen=True, kw_only=True)
class Recommended:
    """A day's recommendations, and what they were made from.

    Attributes:
        day: days since 1970.
        before: the log until the morning.
        source: queries, catalogue and prices.
        serving: the models.
        value_L: log value of each listing of the catalogue for any guest.
        availability: of the day.
        seen: of each query the listings that its guest was shown before.
        scored: candidates and contenders.
        lists: the lists.
    """

    day: int
    before: pl.LazyFrame
    source: CandidateSource
    serving: ServingModels
    value_L: Numbers
    availability: DayAvailability
    seen: list[Codes]
    scored: ScoredCandidates
    lists: MadeLists
