"""All definitions and all sources of the past by name, and what each of them needs.

Which columns of the log a feature needs, and whether it is of the past, follows from what its
expression reads, step by step: ``guest_price_to_clicked`` reads ``listing_nightly_price`` and
the sum ``_clicked_price``; the first reads ``listing_total_price``, the second the events of
the guest. So it needs ``listing_total_price``, ``id_user`` and ``stage``, and is of the past.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from data.schema.feature_set import Feature, FeatureSet
from data.schema.tables import IMPRESSIONS
from features.definitions.definition import Definition, reads
from features.history.past_sources import PastSource, reads_of

__all__ = ["ALWAYS_THERE", "Catalogue"]

ALWAYS_THERE = ("id_search", "id_listing", "market", "search_s", "search_day")
"""Columns that every log has: no feature says that it needs them."""


class Catalogue:
    """Definitions by group, those of no group, and sources.

    Raises ``ValueError`` where two of them make a column of the same name, or where one reads a
    column that nothing makes: neither a definition, nor a source, nor the contract, nor an
    extra of a mapping.
    """

    def __init__(
        self,
        groups: Mapping[str, Iterable[Definition]],
        inputs: Iterable[Definition],
        sources: Iterable[PastSource],
    ) -> None:
        self.groups = {name: tuple(of_group) for name, of_group in groups.items()}
        self.sources = tuple(sources)
        self._source_of: dict[str, PastSource] = {}
        for source in self.sources:
            for name in source.names:
                _refuse_twice(name, self._source_of)
                self._source_of[name] = source
        self._definitions: dict[str, Definition] = {}
        for definition in (*inputs, *(d for group in self.groups.values() for d in group)):
            _refuse_twice(definition.name, self._definitions)
            self._definitions[definition.name] = definition
        known = {*self._definitions, *self._source_of, *IMPRESSIONS.names}
        for definition in self._definitions.values():
            unknown = [n for n in reads(definition, ()) if n not in known and n != definition.name]
            if unknown:
                raise ValueError(
                    f"{definition.name} reads {', '.join(unknown)}: no column of the log, no "
                    "definition, and no source of the past makes it"
                )

    def definition(self, name: str) -> Definition | None:
        """The definition of a column; ``None`` where it is of the log or of the past."""
        return self._definitions.get(name)

    def source(self, name: str) -> PastSource | None:
        """The source that gives this column; ``None`` where it is not of the past."""
        return self._source_of.get(name)

    def features(self) -> FeatureSet:
        """Every feature, as others know it."""
        return FeatureSet(
            tuple(
                Feature(
                    name=d.name,
                    kind=d.kind,
                    meaning=d.meaning,
                    null=d.null,
                    unit=d.unit,
                    needs=self.needs(d.name),
                    group=group,
                    is_history=any(self.source(name) for name in self._closure(d.name)),
                )
                for group, definitions in self.groups.items()
                for d in definitions
            )
        )

    def needs(self, name: str) -> tuple[str, ...]:
        """Columns of the log without which there is no such column, in the contract's order."""
        of_log = {
            read
            for read in self._closure(name)
            if not (self._is_made(read) or read in ALWAYS_THERE)
        }
        in_order = [column for column in IMPRESSIONS.names if column in of_log]
        return (*in_order, *sorted(of_log - set(in_order)))

    def _is_made(self, name: str) -> bool:
        definition = self.definition(name)
        is_as_given = definition is not None and definition.value is None
        return self.source(name) is not None or (definition is not None and not is_as_given)

    def _closure(self, name: str) -> set[str]:
        """The column, what it is made of, what that is made of, and so on."""
        found: set[str] = set()
        left = [name]
        while left:
            column = left.pop()
            if column not in found:
                found.add(column)
                left += self._made_of(column)
        return found

    def _made_of(self, name: str) -> Iterator[str]:
        source, definition = self.source(name), self.definition(name)
        if source is not None:
            yield from reads_of(source, name)
        elif definition is not None:
            yield from reads(definition, ())


def _refuse_twice(name: str, names: Container[str]) -> None:
    if name in names:
        raise ValueError(f"{name}: two definitions, or two sources, make this column")
