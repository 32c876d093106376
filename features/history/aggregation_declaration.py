"""What a feature may know of earlier events: declarations, checked when they are written.

An aggregation names keys, stages and integer columns, never a frame and never an outcome, so a
feature that looks into the future cannot even be declared.
:class:`features.history.running_past.RunningPast` computes what is declared here.

Example: per listing its clicks so far, those of the last hour, and when it was last booked.

>>> from data.schema.tables import BOOKED, CLICKED
>>> listing = HistoryAggregation(
...     key=("id_listing",),
...     aggregates=(
...         Aggregate(name="clicks", stage=CLICKED),
...         Aggregate(name="clicks_1h", stage=CLICKED, window_s=3_600),
...     ),
...     latest=(LastEventTime(name="booked_s", stage=BOOKED),),
... )
>>> listing.names
('clicks', 'clicks_1h', 'booked_s')
>>> listing.only({"clicks"}).names  # where nobody asks for the others
('clicks',)
>>> listing.read_for("booked_s")  # columns of the log
('id_listing', 'stage', 'book_day')

``refresh_s`` trades freshness for speed. A click at second 10, known to searches from then on:

=========  =================================
refresh_s  first search that counts it
=========  =================================
1          second 11
60         second 60
86,400     second 86,400: the next day
=========  =================================
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from data.schema.event_visibility import OUTCOME_DAY, OUTCOME_KNOWN
from data.schema.tables import IMPRESSED, Stage

__all__ = ["Aggregate", "HistoryAggregation", "LastEventTime"]

_OUTCOMES = frozenset(
    {"stage", *OUTCOME_DAY.values(), *OUTCOME_KNOWN.values(), "ds_contact", "ds_book"}
)


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """One sum over past events.

    Attributes:
        name: column that the rows get.
        stage: which events: impressions, clicks, contacts or bookings.
        of: integer column of the impression that is summed; ``None`` counts events.
        distinct: count different values of this column instead of events: impressions or clicks.
        window_s: only events known at most this many seconds ago; ``None`` is all.
    """

    name: str
    stage: Stage = IMPRESSED
    of: str | None = None
    distinct: str | None = None
    window_s: int | None = None

    def __post_init__(self) -> None:
        _refuse_outcomes(self.name, (self.of, self.distinct))
        if self.distinct is not None and (self.of is not None or self.window_s is not None):
            raise ValueError(f"aggregate {self.name}: distinct counts neither sum nor expire")
        if self.distinct is not None and self.stage in OUTCOME_DAY:
            # An earlier search may be booked later, so the first of a value is not known in time.
            raise ValueError(f"aggregate {self.name}: distinct counts impressions or clicks")
        if self.window_s is not None and self.window_s < 1:
            raise ValueError(
                f"aggregate {self.name}: window_s is {self.window_s}, must be positive"
            )


@dataclass(frozen=True, kw_only=True)
class LastEventTime:
    """The second at which the latest event of a stage became known; null without one."""

    name: str
    stage: Stage = IMPRESSED


@dataclass(frozen=True, kw_only=True)
class HistoryAggregation:
    """Sums over the earlier events with the same key, and latest times of such events.

    Attributes:
        key: columns that rows and events share, such as ``("id_listing",)``. A row whose
            key holds a null knows no events: its sums are null. A row whose key has no event
            yet has sums of zero.
        aggregates: the sums.
        latest: the latest times.
        refresh_s: sums are refreshed each so many seconds; an event counts for the rows of
            later such periods only. 1 is the exact second; 86,400 counts up to yesterday.
        is_sparse: most keys have events at one time only (a guest and a listing), so that
            the running sums are worth computing for the others alone. Same results.
        counts_searches: an event is a whole search instead of one of its impressions. Only
            impressions can be counted then: outcomes belong to listings.
    """

    key: tuple[str, ...]
    aggregates: tuple[Aggregate, ...] = ()
    latest: tuple[LastEventTime, ...] = ()
    refresh_s: int = 1
    is_sparse: bool = False
    counts_searches: bool = False

    def __post_init__(self) -> None:
        if not self.key or not (self.aggregates or self.latest):
            raise ValueError("an aggregation needs a key and an aggregate or a latest time")
        _refuse_outcomes("aggregation", self.key)
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"aggregation on {self.key}: a name twice in {self.names}")
        if self.refresh_s < 1:
            raise ValueError(
                f"aggregation on {self.key}: refresh_s is {self.refresh_s}, must be positive"
            )
        windows = {aggregate.window_s for aggregate in self.aggregates} - {None}
        if len(windows) > 1 or any(window % self.refresh_s for window in windows if window):
            raise ValueError(
                f"aggregation on {self.key}: one window_s, a multiple of refresh_s, not {windows}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it adds, in their order."""
        return (
            *(aggregate.name for aggregate in self.aggregates),
            *(entry.name for entry in self.latest),
        )

    @property
    def window_s(self) -> int | None:
        """Length of the window of those aggregates that have one."""
        return next(
            (aggregate.window_s for aggregate in self.aggregates if aggregate.window_s is not None),
            None,
        )

    def only(self, names: Collection[str]) -> HistoryAggregation | None:
        """The part that gives columns of these names; ``None`` when nothing is left."""
        aggregates = tuple(aggregate for aggregate in self.aggregates if aggregate.name in names)
        latest = tuple(entry for entry in self.latest if entry.name in names)
        return replace(self, aggregates=aggregates, latest=latest) if aggregates or latest else None

    def read_for(self, name: str) -> tuple[str, ...]:
        """The columns of rows and events that the column of this name is made from."""
        part = self.only({name})
        if part is None:
            raise KeyError(name)
        stages = {a.stage for a in part.aggregates} | {entry.stage for entry in part.latest}
        dated = (OUTCOME_DAY[stage] for stage in sorted(stages) if stage in OUTCOME_DAY)
        summed = (name for a in part.aggregates for name in (a.of, a.distinct) if name)
        return tuple(dict.fromkeys((*self.key, "stage", *dated, *summed)))


def _refuse_outcomes(name: str, columns: Collection[str | None]) -> None:
    outcomes = sorted(_OUTCOMES & set(columns))
    if outcomes:
        raise ValueError(
            f"{name} reads {', '.join(outcomes)}: outcomes are counted by stage, never read"
        )
