"""What of the features table has to be built, found from what the impressions are made of.

The record of the last build holds a hash of the files of every market-day and of the
feature code. A market-day whose files differ has changed, and with it every later day of
every market may have: guests search in both markets, and listings are compared with what
guests of both clicked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import narwhals as nw

import features as feature_code
from data.lake.store import Partition
from data.schema.feature_set import FeatureSet
from data.schema.tables import FEATURES, IMPRESSIONS
from data.schema.time import date_of, day_number
from features.build import available_features
from features.build_in_blocks import affected_days
from pipelines.run_context import RunContext

__all__ = ["RebuildPlan", "rebuild_plan"]


@dataclass(frozen=True, kw_only=True)
class RebuildPlan:
    """What has to be built, and from what.

    Attributes:
        features: the features that the log supports.
        log: all days of the impressions, counted from 1970.
        changed: the days whose impressions changed since the last build.
        days: the days to build.
        is_whole: the table is made anew; otherwise the rows of other days stay as they are.
        partitions: what the days to build occupy, rows that are gone included.
        made_from: what the table will have been made from, for the record.
    """

    features: FeatureSet
    log: tuple[int, ...]
    changed: tuple[int, ...]
    days: tuple[int, ...]
    is_whole: bool
    partitions: tuple[Partition, ...]
    made_from: dict[str, object]

    @property
    def is_needed(self) -> bool:
        return self.is_whole or bool(self.partitions)

    def describe(self) -> str:
        """One line: which days are built, and why."""
        if self.is_whole:
            return f"features: building every day, {_span(self.log)}"
        return (
            f"features: the impressions of {_listed(self.changed)} changed; building "
            f"{_span(self.days)} ({len(self.days)} of {len(self.log)} days), since no earlier day "
            "can know of them"
        )


def rebuild_plan(context: RunContext) -> RebuildPlan:
    """What a build would do now; reads no row."""
    lake = context.lake
    # With the types: they tell a numeric extra column from a category.
    features = available_features(
        dict(nw.from_native(lake.scan(IMPRESSIONS.name)).collect_schema())
    )
    found = lake.fingerprints(IMPRESSIONS.name)
    marks = {"/".join(map(str, partition)): mark for partition, mark in found.items()}
    code = f"{_code_fingerprint()}-{features.fingerprint}"
    before = _record(context)
    is_whole = before.get("code") != code or not lake.exists(FEATURES.name)
    known = {} if is_whole else dict(before["partitions"])
    log = tuple(sorted({_day(partition[-1]) for partition in found}))
    changed = sorted({_day_of(n) for n in {*known, *marks} if known.get(n) != marks.get(n)})
    held = sorted({*found, *lake.partitions(FEATURES.name)}, key=str)
    return RebuildPlan(
        features=features,
        log=log,
        changed=tuple(changed),
        days=log if is_whole else affected_days(changed, log),
        is_whole=is_whole,
        partitions=tuple(p for p in held if changed and _day(p[-1]) >= changed[0]),
        made_from={"code": code, "partitions": marks},
    )


def _record(context: RunContext) -> dict[str, Any]:
    try:
        return dict(json.loads(context.home.features_record.read_text()))
    except (OSError, ValueError):
        return {}


def _code_fingerprint() -> str:
    """A hash of the feature code: features built by other code are stale."""
    folder = Path(feature_code.__file__).parent
    digest = hashlib.sha256()
    # Sub-folders too, and the names: a file that moves may change what is imported.
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _day_of(name: str) -> int:
    return _day(name.rsplit("/", 1)[-1])


def _day(value: str | date) -> int:
    found = value if isinstance(value, date) else date.fromisoformat(value)
    return day_number(found)


def _listed(days: Collection[int]) -> str:
    return ", ".join(str(date_of(day)) for day in days)


def _span(days: Collection[int]) -> str:
    if not days:
        return "no day"
    first, last = (date_of(day) for day in (min(days), max(days)))
    return str(first) if first == last else f"{first} to {last}"
