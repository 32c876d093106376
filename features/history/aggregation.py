"""What may be asked of the past: declarations, checked when they are written.

A ledger names keys, stages and integer columns, never a frame and never an outcome, so a
feature that peeks cannot even be declared. :mod:`features.history.point_in_time` answers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from data.schema.tables import BOOKED, CONTACTED, IMPRESSED, Stage

__all__ = ["Latest", "Ledger", "Tally"]

_OUTCOMES = frozenset({"stage", "contact_day", "book_day", "ds_contact", "ds_book"})


@dataclass(frozen=True, kw_only=True)
class Tally:
    """One sum over past events.

    Attributes:
        name: column that :meth:`Past.join` adds.
        stage: which events: impressions, clicks, contacts or bookings.
        of: integer column of the impression that is summed; ``None`` counts events.
        distinct: count different values of this column instead of events.
        within_s: only events known less than this many seconds ago; ``None`` is all.
    """

    name: str
    stage: Stage = IMPRESSED
    of: str | None = None
    distinct: str | None = None
    within_s: int | None = None

    def __post_init__(self) -> None:
        _refuse_outcomes(self.name, (self.of, self.distinct))
        if self.distinct is not None and (self.of is not None or self.within_s is not None):
            raise ValueError(f"tally {self.name}: distinct counts neither sum nor expire")
        if self.within_s is not None and self.within_s < 1:
            raise ValueError(f"tally {self.name}: within_s is {self.within_s}, must be positive")


@dataclass(frozen=True, kw_only=True)
class Latest:
    """The second at which the latest event of a stage became known; null without one."""

    name: str
    stage: Stage = IMPRESSED


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What is summed over whose past.

    Attributes:
        key: columns that rows and events share, such as ``("id_listing",)``. A row whose
            key holds a null has no past: its sums are null. A row whose key has no event
            yet has sums of zero.
        tallies: the sums.
        latest: the latest times.
        every_s: sums are refreshed each so many seconds; an event counts for the rows of
            later such periods only. 1 is the exact second; 86,400 counts up to yesterday.
        is_sparse: most keys have events at one time only (a guest and a listing), so that
            the running sums are worth computing for the others alone. Same results.
    """

    key: tuple[str, ...]
    tallies: tuple[Tally, ...] = ()
    latest: tuple[Latest, ...] = ()
    every_s: int = 1
    is_sparse: bool = False

    def __post_init__(self) -> None:
        if not self.key or not (self.tallies or self.latest):
            raise ValueError("a ledger needs a key and something to keep")
        _refuse_outcomes("ledger", self.key)
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"ledger on {self.key}: a name twice in {self.names}")
        if self.every_s < 1:
            raise ValueError(f"ledger on {self.key}: every_s is {self.every_s}, must be positive")
        windows = {t.within_s for t in self.tallies} - {None}
        if len(windows) > 1 or any(window % self.every_s for window in windows if window):
            raise ValueError(
                f"ledger on {self.key}: one within_s, a multiple of every_s, not {windows}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        return (*(t.name for t in self.tallies), *(entry.name for entry in self.latest))

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the impressions that keys and tallies are made of."""
        of_tallies = {name for t in self.tallies for name in (t.of, t.distinct) if name}
        return frozenset(self.key) | of_tallies

    @property
    def within_s(self) -> int | None:
        """Length of the window of those tallies that have one."""
        return next((t.within_s for t in self.tallies if t.within_s is not None), None)

    def keeping(self, names: Collection[str]) -> Ledger | None:
        """The part that gives columns of these names; ``None`` when nothing is left."""
        tallies = tuple(t for t in self.tallies if t.name in names)
        latest = tuple(entry for entry in self.latest if entry.name in names)
        return replace(self, tallies=tallies, latest=latest) if tallies or latest else None

    def only(self, columns: Collection[str]) -> Ledger | None:
        """The part that a log with these columns supports; ``None`` when nothing is left."""
        if not set(self.key) <= set(columns):
            return None
        tallies = tuple(
            t
            for t in self.tallies
            if _stage_is_known(t.stage, columns) and {t.of, t.distinct} - {None} <= set(columns)
        )
        latest = tuple(entry for entry in self.latest if _stage_is_known(entry.stage, columns))
        if not (tallies or latest):
            return None
        return replace(self, tallies=tallies, latest=latest)


def _stage_is_known(stage: Stage, columns: Collection[str]) -> bool:
    needed = {CONTACTED: "contact_day", BOOKED: "book_day"}.get(stage, "stage")
    return needed in columns and "stage" in columns


def _refuse_outcomes(name: str, columns: Collection[str | None]) -> None:
    outcomes = sorted(_OUTCOMES & set(columns))
    if outcomes:
        raise ValueError(
            f"{name} reads {', '.join(outcomes)}: outcomes are counted by stage, never read"
        )
