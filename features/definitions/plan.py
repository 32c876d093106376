"""What has to be computed for some features of a log, and where: per row, or once per search.

Worked out from what the definitions read. Example, ``guest_price_to_clicked`` alone:

=================  ===========================================================================
part of the plan   for that feature
=================  ===========================================================================
``read``           the log's ``listing_total_price``, its parts, ids, times
``inputs``         ``listing_nightly_price``, ``_price``, ``_has_price``: what the past sums,
                   computed for rows and for events alike
``sources``        the sums ``_clicked_price`` and ``_clicked_has_price`` per guest
``of_searches``    nothing: no expression reads the guest's sums alone
``joined``         the two sums: they go from the search to its rows
``of_rows``        the quotient
=================  ===========================================================================
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from data.schema.feature_set import FeatureSet
from data.schema.tables import CARRIED
from features.definitions.catalogue import ALWAYS_THERE, Catalogue
from features.definitions.definition import reads, value_of
from features.history.past_sources import PastSource, part_of, reads_of
from features.history.running_past import is_of_searches

__all__ = ["EVENT_COLUMNS", "Plan", "Step", "plan_for"]

_OF_SEARCH = frozenset(
    {
        "id_user",
        "market",
        "search_s",
        "local_s",
        "search_day",
        "checkin_day",
        "checkout_day",
        "query_num_guests",
        "query_num_children",
        "query_num_infants",
        "query_radius",
        "query_price_min",
        "query_price_max",
        "query_center_lat",
        "query_center_lng",
    }
)
"""Columns of the log that are the same for all rows of a search."""

EVENT_COLUMNS = (
    "id_search",
    "id_listing",
    "id_user",
    "search_s",
    "search_day",
    "stage",
    "contact_day",
    "book_day",
    "contact_known_s",
    "book_known_s",
)
"""What every event has, as far as the log does: who, what, when, and what became of it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """A column to compute: its name, its value, and what that reads."""

    name: str
    value: Any
    reads: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What to compute for ``features``.

    Attributes:
        features: what is wanted.
        carried: columns of the log that go along.
        read: all columns of the log that are read of a row.
        read_of_events: of those, what events need.
        inputs: steps that rows and events have in common.
        sources: of the past, each with the columns that are read.
        search_columns: columns of rows that a search's own row is made from.
        of_searches, of_rows: the further steps.
        joined: columns of a search that its rows get.
    """

    features: FeatureSet
    carried: tuple[str, ...]
    read: tuple[str, ...]
    read_of_events: tuple[str, ...]
    inputs: tuple[Step, ...]
    sources: tuple[PastSource, ...]
    search_columns: tuple[str, ...]
    of_searches: tuple[Step, ...]
    of_rows: tuple[Step, ...]
    joined: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of what is built."""
        return (*self.carried, *self.features.names)

    @property
    def past_columns(self) -> frozenset[str]:
        """Columns that the sources read of rows and events: keys, times, amounts."""
        return _read_by(self.sources)


def plan_for(catalogue: Catalogue, features: FeatureSet, columns: Collection[str]) -> Plan:
    """The plan for these features of a log with these columns."""
    return _Planner(catalogue, features, columns).plan()


class _Planner:
    def __init__(
        self, catalogue: Catalogue, features: FeatureSet, columns: Collection[str]
    ) -> None:
        self._catalogue, self._features, self._columns = catalogue, features, columns
        self._steps: dict[str, Step] = {}
        self._past: dict[str, PastSource] = {}
        self._read: set[str] = set()

    def plan(self) -> Plan:
        for name in self._features.names:
            self._visit(name)
        sources = self._sources()
        asked = _read_by(sources)
        inputs = self._needed_for(asked)
        of_searches = {
            n: s for n, s in self._steps.items() if n not in inputs and self._is_of_search(n)
        }
        of_rows = {n: s for n, s in self._steps.items() if n not in inputs and n not in of_searches}
        from_searches = {*of_searches, *(n for n in self._past if self._is_of_search(n))}
        wanted = {*self._features.names, *(name for s in of_rows.values() for name in s.reads)}
        carried = tuple(name for name in CARRIED if name in self._columns)
        read = {*self._read, *carried, *(n for n in asked if n in self._columns), *ALWAYS_THERE}
        by_search = {n for s in of_searches.values() for n in s.reads if n not in from_searches}
        by_search |= {n for s in sources if is_of_searches(s) for n in s.key}
        return Plan(
            features=self._features,
            carried=carried,
            read=tuple(name for name in self._columns if name in read),
            read_of_events=self._read_of_events(inputs, asked),
            inputs=tuple(inputs.values()),
            sources=sources,
            search_columns=tuple(sorted({*by_search, "search_s", "search_day"})),
            of_searches=tuple(of_searches.values()),
            of_rows=tuple(of_rows.values()),
            joined=tuple(name for name in sorted(from_searches) if name in wanted),
        )

    def _visit(self, name: str) -> None:
        """Note the column and all that it is made of, what is read first."""
        if name in self._steps or name in self._past or name in self._read:
            return
        source, definition = self._catalogue.source(name), self._catalogue.definition(name)
        if source is not None:
            self._past[name] = source
            for read in reads_of(source, name):
                if read not in EVENT_COLUMNS:
                    self._visit(read)
        elif definition is None or definition.value is None:
            self._read.add(name)
        else:
            read_by = reads(definition, self._columns)
            for read in read_by:
                self._visit(read)
            value = value_of(definition, self._columns)
            self._steps[name] = Step(name=name, value=value, reads=read_by)

    def _sources(self) -> tuple[PastSource, ...]:
        parts = [
            part_of(source, {name for name, of in self._past.items() if of is source})
            for source in dict.fromkeys(self._past.values())
        ]
        return tuple(part for part in parts if part is not None)

    def _needed_for(self, names: Iterable[str]) -> dict[str, Step]:
        """The steps that make these columns, in an order in which they can be computed."""
        needed = set(names)
        for step in reversed(self._steps.values()):
            if step.name in needed:
                needed.update(step.reads)
        return {name: step for name, step in self._steps.items() if name in needed}

    def _read_of_events(self, inputs: dict[str, Step], asked: Collection[str]) -> tuple[str, ...]:
        read = {*EVENT_COLUMNS, *asked, *(name for step in inputs.values() for name in step.reads)}
        return tuple(name for name in self._columns if name in read)

    def _is_of_search(self, name: str) -> bool:
        """Whether a column is the same for all rows of a search."""
        if name in self._past:
            return is_of_searches(self._past[name])
        step = self._steps.get(name)
        if step is None:
            return name in _OF_SEARCH
        return all(self._is_of_search(read) for read in step.reads) and bool(step.reads)


def _read_by(sources: Iterable[PastSource]) -> frozenset[str]:
    """The columns of rows and events that the sources are made from."""
    return frozenset(read for s in sources for name in s.names for read in reads_of(s, name))
