"""Which days of the features table have to be built again.

The record of the last build (``features.json``) holds a hash of the feature code, and of the
files of every market-day of the impressions. With days 18 to 20 built, and a file of the 19th
that came late for Rio::

    market-day   rio 18   rio 19   rio 20   paris 18   paris 19   paris 20
    hash         same     differs  same     same       same       same
    built again           x        x                   x          x

The 19th is built again in every market, and with it every later day: guests search in several
markets, and listings are compared with what guests of all of them clicked. Other feature code
builds every day again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import features as feature_code
from data.counted import counted
from data.lake.store import Lake, Partition
from data.schema.feature_set import FeatureSet
from data.schema.tables import FEATURES, IMPRESSIONS
from data.schema.time import date_of, day_number
from features.all_features import available_features
from features.market_days import affected_days, tells_instants
from pipelines.feature_table.kept_totals import KeptTotals
from pipelines.run_context import RunContext

__all__ = ["RebuildPlan", "rebuild_plan"]


@dataclass(frozen=True, kw_only=True)
class RebuildPlan:
    """The days to build, and what they are built from. Days are counted from 1970.

    Attributes:
        features: the features that the log supports.
        log: all days of the impressions.
        changed: the days whose impressions changed since the last build.
        days: the days to build.
        is_whole: the whole table is replaced; otherwise the rows of other days stay.
        partitions: the partitions to replace, those that have no rows any more included.
        made_from: the hashes for the record, once the table is built.
        kept: the past at the end of the last days, as far as it may be trusted.
    """

    features: FeatureSet
    log: tuple[int, ...]
    changed: tuple[int, ...]
    days: tuple[int, ...]
    is_whole: bool
    partitions: tuple[Partition, ...]
    made_from: dict[str, object]
    kept: KeptTotals

    @property
    def is_needed(self) -> bool:
        return self.is_whole or bool(self.partitions)

    def describe(self) -> str:
        """One line: which days are built, and why."""
        if self.is_whole:
            return f"features: building every day, {_first_to_last(self.log)}"
        span = f"{_first_to_last(self.days)} ({len(self.days)} of {counted(len(self.log), 'day')})"
        return (
            f"features: the impressions of {_dates(self.changed)} changed; building {span}, "
            "since no earlier day can know of them"
        )


def rebuild_plan(context: RunContext) -> RebuildPlan:
    """What a build would do now; reads no row."""
    lake = context.lake
    # With the types: they tell a numeric extra column from a category.
    features = available_features(lake.scan(IMPRESSIONS.name).collect_schema())
    hash_of = lake.fingerprints(IMPRESSIONS.name)
    hashes = {"/".join(map(str, partition)): digest for partition, digest in hash_of.items()}
    code = f"{_code_fingerprint()}-{features.fingerprint}"
    before = _record(context)
    is_whole = before.get("code") != code or not lake.exists(FEATURES.name)
    built = {} if is_whole else dict(before["partitions"])
    log = tuple(sorted({_day(partition[-1]) for partition in hash_of}))
    # Both ways: a market-day that is gone from the impressions has changed too.
    changed = sorted({_day_of(n) for n in {*built, *hashes} if built.get(n) != hashes.get(n)})
    days = log if is_whole else affected_days(changed, log, _seconds(lake))
    first = min([*changed[:1], *days], default=0)
    partitions = sorted({*hash_of, *lake.partitions(FEATURES.name)}, key=str)
    return RebuildPlan(
        features=features,
        log=log,
        changed=tuple(changed),
        days=days,
        is_whole=is_whole,
        partitions=tuple(p for p in partitions if changed and _day(p[-1]) >= first),
        made_from={"code": code, "partitions": hashes},
        kept=KeptTotals(
            folder=context.home.past,
            code=code,
            partitions={name: (digest, _day_of(name)) for name, digest in hashes.items()},
        ),
    )


def _seconds(lake: Lake) -> dict[int, tuple[int, int]] | None:
    """First and last second of each day, from what the table notes of its files.

    ``None`` in a log of local times, whose days follow one another.
    """
    if not tells_instants(lake.columns(IMPRESSIONS.name)):
        return None
    found: dict[int, tuple[int, int]] = {}
    for partition, (first, last) in lake.bounds(IMPRESSIONS.name, "search_s"):
        before = found.get(day := _day(partition[-1]), (first, last))
        found[day] = (min(first, before[0]), max(last, before[1]))
    return found


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
    return day_number(value if isinstance(value, date) else date.fromisoformat(value))


def _dates(days: Collection[int]) -> str:
    return ", ".join(str(date_of(day)) for day in days)


def _first_to_last(days: Collection[int]) -> str:
    if not days:
        return "no day"
    first, last = (date_of(day) for day in (min(days), max(days)))
    return str(first) if first == last else f"{first} to {last}"
