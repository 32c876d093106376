"""What is known at the first second of a day, and what that day adds to it.

A build that goes from day to day opens its books on the first day, answers every ledger
from them, and carries the closing balances over as the next day's opening ones. So a day
costs what its own rows cost, however long the log before it. The balances are the sums
that a build of everything at once would have formed: the same integers, the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import narwhals as nw

from features.events import (
    AT,
    Frame,
    as_events,
    clamped,
    ended,
    events_of,
    first_met,
    has_each_impression,
    repeated,
    summed,
    zeros_of,
)
from features.funnel import DAY_S
from features.ledger import Ledger, Tally
from features.native import settled
from features.sessions import open_sessions, sessions

__all__ = ["Balances", "Books"]

# A search has one time, so none was met on an earlier day and none need be remembered.
_MET_ONCE = frozenset({"id_search"})

Window = Callable[[Frame, Ledger], Frame]


@dataclass(frozen=True, kw_only=True)
class Balances:
    """What is carried from one day to the next.

    Attributes:
        sums: per ledger, one row per key with its sums at the start of the day, and one
            for each later time at which something becomes known (a booking of tomorrow).
        met: per ledger and distinct tally, the keys and values that were met already.
        sessions: the latest rows of sessions that may go on; ``None`` where none is known.
    """

    sums: dict[Ledger, Frame] = field(default_factory=dict)
    met: dict[tuple[Ledger, str], Frame] = field(default_factory=dict)
    sessions: Frame | None = None


class Books:
    """The books of one day, or of a few small ones; :meth:`closed` gives those that follow."""

    def __init__(self, days: Sequence[int], opening: Balances | None = None) -> None:
        """``days`` count from 1970. Without ``opening`` it is drawn from the days before."""
        self.days = tuple(sorted(days))
        self._start_s = self.days[0] * DAY_S
        self._opening = opening or Balances()
        self._per_time: dict[Ledger, Frame] = {}
        self._known: dict[Ledger, Frame] = {}
        self._met: dict[tuple[Ledger, str], Frame] = {}
        self._sessions: Frame | None = None
        self._gap_s = 0
        self._made: dict[str, tuple[Frame, ...]] = {}

    def once(self, name: str, make: Callable[[], tuple[Frame, ...]]) -> tuple[Frame, ...]:
        """What ``make`` gives, computed at the first call of this name."""
        if name not in self._made:
            self._made[name] = tuple(settled(frame) for frame in make())
        return self._made[name]

    def known(self, ledger: Ledger, of_day: Frame, earlier: Frame, before: Window) -> Frame:
        """The ledger's sums at every time of the day, each without that time's own events.

        ``of_day`` and ``earlier`` are the impressions of the day and of those before it;
        ``before`` turns sums per time into sums strictly before each time.
        """
        if ledger not in self._known:
            per_time = settled(summed(self._frames(ledger, of_day, earlier), ledger))
            self._per_time[ledger] = per_time
            if ledger.within_s is not None:
                per_time = summed([per_time, ended(per_time, ledger)], ledger)
            if ledger.is_sparse:
                per_time = repeated(per_time, ledger)
            of_these = nw.col(AT) >= self._start_s // ledger.every_s
            self._known[ledger] = settled(before(per_time, ledger).filter(of_these))
        return self._known[ledger]

    def sessions(self, of_day: Frame, earlier: Frame, gap_s: int) -> Frame:
        """As :func:`features.sessions.sessions`, over the day and what goes on into it."""
        if self._sessions is None:
            going_on = self._opening.sessions
            if going_on is None:
                going_on = open_sessions(sessions(earlier, gap_s), self._start_s, gap_s)
            self._sessions, self._gap_s = settled(sessions(of_day, gap_s, going_on)), gap_s
        return self._sessions

    def closed(self, days: Sequence[int]) -> Books:
        """The books of the later ``days``, before which nothing more was searched."""
        until_s = min(days) * DAY_S
        kept = {ledger: f for ledger, f in self._per_time.items() if not ledger.is_sparse}
        sums = {
            ledger: settled(summed([clamped(frame, ledger, until_s)], ledger))
            for ledger, frame in kept.items()
        }
        going_on = None
        if self._sessions is not None:
            going_on = settled(open_sessions(self._sessions, until_s, self._gap_s))
        met = {key: settled(frame) for key, frame in self._met.items()}
        return Books(days, Balances(sums=sums, met=met, sessions=going_on))

    def _frames(self, ledger: Ledger, of_day: Frame, earlier: Frame) -> list[Frame]:
        frames = [self._balance(ledger, of_day, earlier), *events_of(of_day, ledger)]
        for tally in ledger.tallies:
            if tally.distinct is not None:
                first = self._first_met(ledger, tally, of_day, earlier)
                frames.append(as_events(first, ledger, tally))
        if not has_each_impression(ledger):
            frames.append(zeros_of(of_day, ledger))
        return frames

    def _balance(self, ledger: Ledger, of_day: Frame, earlier: Frame) -> Frame:
        """The opening balance: carried over, or drawn from the days before."""
        if ledger in self._opening.sums:
            return self._opening.sums[ledger]
        past = earlier
        if ledger.is_sparse:
            keys = of_day.select(*ledger.key).unique()
            past = earlier.join(keys, on=list(ledger.key), how="semi")
        events = list(events_of(past, ledger))
        events += [
            as_events(first_met(past, ledger, tally), ledger, tally)
            for tally in ledger.tallies
            if tally.distinct is not None
        ]
        return summed([clamped(f, ledger, self._start_s) for f in events], ledger)

    def _first_met(self, ledger: Ledger, tally: Tally, of_day: Frame, earlier: Frame) -> Frame:
        """Values that a distinct count meets on this day for the first time."""
        first = first_met(of_day, ledger, tally)
        if tally.distinct in _MET_ONCE:
            return first
        key = [*ledger.key, "_whom"]
        before = self._opening.met.get((ledger, tally.name))
        if before is None:
            before = settled(first_met(earlier, ledger, tally).select(*key))
        first = settled(first.join(before, on=key, how="anti"))
        self._met[ledger, tally.name] = nw.concat([before, first.select(*key)], how="vertical")
        return first
