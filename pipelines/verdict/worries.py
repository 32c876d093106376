"""What to worry about, the gravest first; what is well is no worry and stands elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from data.counted import counted
from data.lake.store import Lake
from data.schema.tables import IMPRESSIONS, QUALITY, QUARANTINE
from data.schema.time import date_of
from models.evaluation.label_maturity import DayMaturity
from models.evaluation.scorecard import Scorecard
from pipelines.evaluation.log_maturity import maturity_of_log
from pipelines.monitoring.config import monitoring_config
from pipelines.monitoring.monitor import flagged_lines
from pipelines.promotion.decision import GateDecision
from pipelines.run_context import RunContext
from pipelines.verdict.how_good import market_gains
from pipelines.verdict.sentence import (
    MARKET,
    Sentence,
    gain_in_words,
    in_plain_words,
    listed,
    market_of,
)
from pipelines.verdict.who_recommends import WhoRecommends

__all__ = ["DRIFT", "IMMATURE", "OUTCOMES", "Worry", "biggest_worry", "worries_of"]

# A day of the log, or the test window, with less of its final outcomes than this is looked at.
IMMATURE = 0.95
FLAGS_SHOWN = 15
DRIFT, OUTCOMES = "Drift and data quality", "Outcomes still to come"
# The interval of a figure of fewer bookings is so wide that most gains are lost in it.
FEW_BOOKINGS = 100


@dataclass(frozen=True, kw_only=True)
class Worry:
    """One thing to worry about.

    Attributes:
        heading: what it is about, such as ``Quarantine``.
        text: one sentence.
        weight: the greater, the graver; only the order matters.
    """

    heading: str
    text: str
    weight: int


def biggest_worry(worries: tuple[Worry, ...]) -> Sentence:
    """The gravest worry, and how many more there are; or that none was found, and where."""
    topic = "The biggest worry"
    if not worries:
        looked_at = (
            "none was found in the comparison with popularity, the markets, who recommends, "
            "outcomes still to come, drift, quarantine, new listings and prices"
        )
        return Sentence(topic=topic, text=looked_at, mood="good")
    more = len(worries) - 1
    rest = f" ({more:,} more in the report)" if more else ""
    return Sentence(topic=topic, text=f"{worries[0].text}{rest}", mood="bad")


def worries_of(
    context: RunContext,
    scorecard: Scorecard,
    who: WhoRecommends,
    decision: GateDecision | None,
    told: tuple[Sentence, ...],
) -> tuple[Worry, ...]:
    """Every worry about the home, the gravest first.

    ``decision``: on the run that the scorecard is of. ``told``: the verdict's other sentences,
    whose bad news are worries too: how much better, and what it costs.
    """
    better, cost = told
    found = [
        *_about_recommender(who, decision),
        *_about_gain(scorecard, better),
        *_about_outcomes(context, scorecard),
        *_about_data(context),
        *(
            Worry(heading="Warnings of the evaluation", text=warning, weight=55)
            for warning in scorecard.honesty.warnings
        ),
    ]
    if cost.mood == "bad":
        found.append(Worry(heading="Prices and new listings", text=cost.text, weight=40))
    return tuple(sorted(found, key=lambda worry: -worry.weight))


def _about_recommender(who: WhoRecommends, decision: GateDecision | None) -> Iterator[Worry]:
    heading = "Who recommends"
    if who.is_refused:
        yield Worry(heading=heading, text=f"a refused ranker recommends: {who.text}", weight=90)
    elif who.run is not None and not who.is_champion:
        yield Worry(heading=heading, text=f"no champion recommends: {who.text}", weight=65)
    if decision is None:
        return
    for note in decision.notes:
        yield Worry(heading="The gate", text=in_plain_words(note), weight=75)
    for check in decision.guardrails:
        # others, such as latency against popularity, have nothing to be compared with
        if check.is_passed is None and check.name.startswith(("listing=", MARKET)):
            text = f"harm to {in_plain_words(check.name)} could not be measured: "
            yield Worry(heading="The gate", text=f"{text}{check.finding}", weight=25)


def _about_gain(scorecard: Scorecard, better: Sentence) -> Iterator[Worry]:
    heading = "Popularity and the markets"
    if better.mood == "bad":
        yield Worry(heading=heading, text=better.text, weight=100)
    elif not better.mood and not scorecard.honesty.nothing_ranked:
        text = f"it is not shown to be better than popularity: {better.text}"
        yield Worry(heading=heading, text=text, weight=80)
    gains = market_gains(scorecard)
    for score, ends in gains.worse:
        text = f"worse than popularity in {market_of(score.segment)}: "
        text += gain_in_words(score, ends, gains.error)
        yield Worry(heading=heading, text=text, weight=85)
    if gains.unclear and gains.better:
        names = [market_of(score.segment) for score, _ in gains.unclear]
        shown = [market_of(score.segment) for score, _ in gains.better]
        text = (
            f"the gain is shown in {listed(shown)} alone; in {listed(names)} it may be none"
            if len(shown) == 1
            else f"in {_short(names)} no gain is shown"
        )
        yield Worry(heading=heading, text=text, weight=70)
    if gains.too_few and gains.markets > 1:
        names = [market_of(score.segment) for score in gains.too_few]
        text = f"too few searches to say anything about {_short(names)}"
        yield Worry(heading=heading, text=text, weight=30)


def _about_outcomes(context: RunContext, scorecard: Scorecard) -> Iterator[Worry]:
    share = scorecard.honesty.provenance.label_maturity
    if share is not None and share < IMMATURE:
        text = f"the log holds about {share:.0%} of the bookings that the test window will have"
        yield Worry(heading=OUTCOMES, text=text, weight=60)
    version = context.lake.version(IMPRESSIONS.name)
    for day in () if version is None else _maturity(context.lake.home, version):
        if day.completeness < IMMATURE:
            outcomes = "bookings" if day.outcome == "book" else "contacts"
            text = (
                f"searches of {date_of(day.search_day)}: the log holds about "
                f"{day.completeness:.0%} ({day.low:.0%} to {day.high:.0%}) of the {outcomes} "
                "that will come"
            )
            yield Worry(heading=OUTCOMES, text=text, weight=20)
    booked = scorecard.honesty.booked
    if booked < FEW_BOOKINGS and not scorecard.honesty.nothing_ranked:
        text = f"the test window has {counted(booked, 'booking')}: what is said of them is unsure"
        yield Worry(heading="Small numbers", text=text, weight=35)


@lru_cache(maxsize=2)
def _maturity(home: Path, version: int) -> tuple[DayMaturity, ...]:
    """Each day's maturity as of a version of the log: the verdict is asked for several times."""
    del version
    return tuple(maturity_of_log(Lake(home)))


def _about_data(context: RunContext) -> Iterator[Worry]:
    limit = monitoring_config(context.settings).quarantine_share
    rows = context.lake.rows(QUARANTINE.name)
    share = rows / max(1, rows + context.lake.rows(IMPRESSIONS.name))
    if share > limit:
        text = (
            f"{counted(rows, 'row')} ({share:.1%}) of the log are in quarantine, limit {limit:.0%}"
        )
        yield Worry(heading="Quarantine", text=text, weight=50)
    if not context.lake.exists(QUALITY.name):
        return
    flagged = context.lake.scan(QUALITY.name).filter("is_flagged").collect()
    lines = flagged_lines(flagged)
    for line in lines[:FLAGS_SHOWN]:
        yield Worry(heading=DRIFT, text=line, weight=_weight_of_flags(flagged))
    if len(lines) > FLAGS_SHOWN:
        text = f"and {len(lines) - FLAGS_SHOWN:,} more, in the table quality"
        yield Worry(heading=DRIFT, text=text, weight=10)


def _weight_of_flags(flagged: pl.DataFrame) -> int:
    """Days with next to no rows, or rates that left their limits, weigh more than a shift."""
    return 58 if flagged["kind"].is_in(["rows", "rate", "quarantine"]).any() else 45


def _short(names: list[str], most: int = 4) -> str:
    more = len(names) - most
    return listed([*names[:most], f"{more} more markets"] if more > 0 else names)
