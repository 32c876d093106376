"""Who recommends: which version of the ranker, whether it is the champion, and who is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from data.errors import DataError
from data.schema.tables import RECOMMENDATIONS
from pipelines.config.home import Home
from pipelines.promotion.decision import GateDecision
from pipelines.promotion.promote import read_decision
from pipelines.promotion.select_serving_run import champions_of
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import CHAMPION, RANKER_MODEL, RUN_TAG
from pipelines.training.run_record import RunRecord, read_record
from pipelines.verdict.sentence import in_plain_words

__all__ = ["WhoRecommends", "say_who", "version_of", "who_recommends", "who_would"]


@dataclass(frozen=True, kw_only=True)
class WhoRecommends:
    """Whose recommendations the table holds for its newest day.

    Attributes:
        run: the training run of the ranker; ``None`` where nothing is recommended yet.
        name: ``version 3``, or the run where it has no version.
        is_champion: the registry's champion made them.
        is_refused: the gate refused this ranker, and it recommends all the same.
        text: one sentence; it begins with ``recommended by`` or ``nothing is recommended``.
    """

    run: str | None
    name: str
    is_champion: bool
    is_refused: bool
    text: str


def who_recommends(context: RunContext, day: date | None = None) -> WhoRecommends:
    """Who made a day of the table ``recommendations``, and which newer run did not.

    ``day``: default the newest in the table.
    """
    made_by = _ranker_of(context, day)
    if made_by is None:
        text = "nothing is recommended yet"
        return WhoRecommends(
            run=None, name="nobody", is_champion=False, is_refused=False, text=text
        )
    return who_would(context, _run_of(context, made_by))


def who_would(context: RunContext, run: str) -> WhoRecommends:
    """The same of a run that recommends, or is about to.

    ``recommended by version 3, the champion; version 4 was refused: …``.
    """
    home = context.home
    name = version_of(context, run)
    champion = _champion_run(context)
    is_champion = run == champion
    decision = read_decision(home, run)
    is_refused = not is_champion and decision is not None and _is_refused(decision)
    parts = [f"recommended by {name}, {_standing(context, run, champion, decision)}"]
    newest = _newest_with_ranker(home)
    if newest is not None and newest.name > run:
        parts.append(_passed_over(context, newest))
    return WhoRecommends(
        run=run,
        name=name,
        is_champion=is_champion,
        is_refused=is_refused,
        text="; ".join(part for part in parts if part),
    )


def say_who(context: RunContext, run: str, warnings: Sequence[str] = ()) -> WhoRecommends:
    """Print what keeps a better one from recommending, then who does, before it does."""
    for warning in warnings:
        context.console.say(f"warning: {warning}")
    who = who_would(context, run)
    context.console.say(f"warning: {who.text}" if who.is_refused else who.text)
    return who


def version_of(context: RunContext, run: str) -> str:
    """``version 3`` of a run's ranker; ``the ranker of run …`` where it has no version."""
    try:
        child = read_record(context.home, run).children.get("ranker")
    except DataError:
        child = None
    version = None if child is None else context.tracking.versions.of_run(RANKER_MODEL, child)
    return f"version {version}" if version else f"the ranker of run {run}"


def _standing(
    context: RunContext, run: str, champion: str | None, decision: GateDecision | None
) -> str:
    if run == champion:
        return "the champion"
    others = (
        f"{version_of(context, champion)} is the champion" if champion else "there is no champion"
    )
    if decision is None:
        return f"on which the gate has not decided; {others}"
    if decision.is_promoted:
        return f"which was the champion; now {others}" if champion else "which the gate promoted"
    if not decision.has_evidence:
        return f"on which the gate had too little to decide: {_why(decision)}; {others}"
    return f"which the gate refused: {_why(decision)}; {others}"


def _passed_over(context: RunContext, record: RunRecord) -> str:
    """What became of a newer run that does not recommend."""
    name = version_of(context, record.name)
    decision = read_decision(context.home, record.name)
    if decision is None:
        return f"{name} is newer, and the gate has not decided on it: stayrank evaluate"
    if decision.is_promoted:
        return f"{name} is newer and was promoted, but does not recommend yet"
    if not decision.has_evidence:
        return f"{name} was not promoted, with too little to decide by: {_why(decision)}"
    return f"{name} was refused: {_why(decision)}"


def _is_refused(decision: GateDecision) -> bool:
    return decision.has_evidence and not decision.is_promoted


def _why(decision: GateDecision) -> str:
    """What spoke against a ranker, without codes."""
    failed = [check for check in decision.guardrails if check.is_passed is False]
    if decision.primary.is_passed and failed:
        found = "; ".join(f"{check.name}: {check.finding}" for check in failed)
    else:
        found = decision.primary.finding
    return in_plain_words(found)


def _ranker_of(context: RunContext, day: date | None) -> str | None:
    """``ranker_version`` of the day, by default the newest; ``None`` without a row."""
    days = {each for _, each in context.lake.market_days(RECOMMENDATIONS.name)}
    wanted = max(days, default=None) if day is None else day
    if wanted not in days:
        return None
    rows = context.lake.scan(RECOMMENDATIONS.name).filter(pl.col("ds") == wanted)
    return str(rows.select("ranker_version").head(1).collect().item())


def _run_of(context: RunContext, ranker_version: str) -> str:
    """The run of a ``ranker_version``, which is a run's name where MLflow was away."""
    if not ranker_version.isdigit():
        return ranker_version
    return context.tracking.versions.tags(RANKER_MODEL, ranker_version).get(RUN_TAG) or next(
        (
            path.parent.name
            for path in sorted(context.home.runs.glob("*/run.json"), reverse=True)
            if version_of(context, path.parent.name) == f"version {ranker_version}"
        ),
        ranker_version,
    )


def _champion_run(context: RunContext) -> str | None:
    version = context.tracking.versions.at(RANKER_MODEL, CHAMPION)
    tags = {} if version is None else context.tracking.versions.tags(RANKER_MODEL, version)
    # MLflow may be away: what it said last is kept
    return tags.get(RUN_TAG) or next(iter(champions_of(context.home)), None)


def _newest_with_ranker(home: Home) -> RunRecord | None:
    for path in sorted(home.runs.glob("*/run.json"), reverse=True):
        try:
            record = read_record(home, path.parent.name)
        except DataError:
            continue
        if "ranker" in record.models:
            return record
    return None
