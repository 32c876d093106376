"""The champion in MLflow's registry: which version, whether its files are whole, how it changes.

Every change is made while :func:`promotion_lock` is held, so that two promotions at once
leave one champion. Which champion a version replaced stands in its tags; following them
backwards is what a rollback does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from data.errors import DataError
from data.lake.lock import lake_lock
from pipelines.config.home import Home
from pipelines.promotion.decision import Check, GateDecision
from pipelines.promotion.standings import mark_standings
from pipelines.tracking.model_checksums import damage_of
from pipelines.tracking.model_registry import CHAMPION, RANKER_MODEL, RUN_TAG, TOWER_MODEL
from pipelines.tracking.tracking import Tracking

__all__ = [
    "CHALLENGER",
    "Champion",
    "ChampionSearch",
    "checked_champion",
    "find_champion",
    "promotion_lock",
    "record_decision",
    "roll_back",
]

CHALLENGER = "challenger"
REPLACED = "promotion.replaced"
SHA256 = "sha256."
TAG_CHARACTERS = 4_000


@dataclass(frozen=True, kw_only=True)
class Champion:
    """A registered ranker whose files are whole.

    Attributes:
        version: in the registry.
        run: name of the training run, also that of its folder under the home's runs.
        folder: the ranker's registered files.
    """

    version: str
    run: str
    folder: Path


@dataclass(frozen=True, kw_only=True)
class ChampionSearch:
    """The champion that can be used, and what was found wrong on the way to it."""

    champion: Champion | None
    notes: tuple[str, ...] = ()


@contextmanager
def promotion_lock(home: Home) -> Iterator[None]:
    """Hold the registry; freed when this process ends, however it ends."""
    with lake_lock(home.root / "registry"):
        yield


def find_champion(tracking: Tracking) -> ChampionSearch:
    """The champion, or the latest one before it whose files are still those registered."""
    version = tracking.versions.at(RANKER_MODEL, CHAMPION)
    notes: list[str] = []
    seen: set[str] = set()
    while version is not None and version not in seen:
        seen.add(version)
        champion, damage = checked_champion(tracking, version)
        if champion is not None:
            return ChampionSearch(champion=champion, notes=tuple(notes))
        notes.append(f"champion version {version} cannot be used: {damage}")
        version = tracking.versions.tags(RANKER_MODEL, version).get(REPLACED) or None
    return ChampionSearch(champion=None, notes=tuple(notes))


def checked_champion(tracking: Tracking, version: str) -> tuple[Champion | None, str]:
    """One version with its files checked, or ``None`` and what is wrong with it."""
    tags = tracking.versions.tags(RANKER_MODEL, version)
    sums = {k.removeprefix(SHA256): v for k, v in tags.items() if k.startswith(SHA256)}
    try:
        folder = tracking.versions.files(RANKER_MODEL, version) / "artifacts" / "ranker"
    except OSError as error:
        return None, f"its files cannot be fetched ({error})"
    damage = damage_of(folder, sums)
    if damage is not None:
        return None, damage
    return Champion(version=version, run=tags.get(RUN_TAG, ""), folder=folder), ""


def record_decision(tracking: Tracking, run_id: str, decision: GateDecision) -> str | None:
    """Set the alias that a decision leads to, and write the decision beside it.

    ``run_id`` is the MLflow run that registered the ranker. Returns the alias, ``None``
    when the run registered no version. Call it while holding :func:`promotion_lock`.
    """
    version = tracking.versions.of_run(RANKER_MODEL, run_id)
    if version is None:
        return None
    alias = CHAMPION if decision.is_promoted else CHALLENGER
    tags = _tags_of(decision, alias)
    before = tracking.versions.at(RANKER_MODEL, CHAMPION)
    if decision.is_promoted and before not in (None, version):
        tags[REPLACED] = str(before)
    # The tags first: an alias without its reason would be worse than a reason too early.
    tracking.set_tags(run_id, tags)
    tracking.versions.set_tags(RANKER_MODEL, version, tags)
    _point(tracking, alias, version)
    if decision.is_promoted and tracking.versions.at(RANKER_MODEL, CHALLENGER) == version:
        tracking.versions.delete_alias(RANKER_MODEL, CHALLENGER)
    mark_standings(tracking)
    return alias


def roll_back(tracking: Tracking, home: Home) -> tuple[str, str]:
    """Make the champion's predecessor champion again; returns the old and the new version.

    Raises ``DataError`` when there is no champion, no predecessor, or the predecessor's
    files are damaged.
    """
    with promotion_lock(home):
        now = tracking.versions.at(RANKER_MODEL, CHAMPION)
        if now is None:
            raise DataError(f"{home.root} has no champion to roll back from")
        before = tracking.versions.tags(RANKER_MODEL, now).get(REPLACED)
        if not before:
            raise DataError(f"champion version {now} replaced no other: nothing to roll back to")
        champion, damage = checked_champion(tracking, before)
        if champion is None:
            raise DataError(f"version {before} cannot be champion again: {damage}")
        since = datetime.now(UTC).isoformat(timespec="seconds")
        tracking.versions.set_tags(
            RANKER_MODEL, now, {"promotion.rolled_back": f"to version {before} at {since}"}
        )
        _point(tracking, CHAMPION, before)
        mark_standings(tracking)
    return now, before


def _point(tracking: Tracking, alias: str, version: str) -> None:
    """The ranker, and the tower of the same run with it: they were trained together."""
    tracking.versions.set_alias(RANKER_MODEL, alias, version)
    run = tracking.versions.tags(RANKER_MODEL, version).get(RUN_TAG)
    tower = tracking.versions.of_pipeline_run(TOWER_MODEL, run) if run else None
    if tower is not None:
        tracking.versions.set_alias(TOWER_MODEL, alias, tower)


def _tags_of(decision: GateDecision, alias: str) -> dict[str, str]:
    tags = {
        "promotion.alias": alias,
        "promotion.reason": decision.reason,
        "promotion.against": decision.against,
        "promotion.decided_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    for check in (decision.primary, *decision.guardrails):
        tags[f"promotion.check.{check.name.replace('=', '.')}"] = _verdict(check)
    if decision.notes:
        tags["promotion.notes"] = "; ".join(decision.notes)
    return {name: value[:TAG_CHARACTERS] for name, value in tags.items()}


def _verdict(check: Check) -> str:
    words = {True: "holds", False: "fails", None: "not measured"}
    return f"{words[check.is_passed]}: {check.finding}"
