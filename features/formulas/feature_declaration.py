"""How a feature tuple is written down in few words: shorthands for :class:`Feature`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import narwhals as nw

from data.schema.feature_set import Feature, FeatureKind

__all__ = ["NEVER_NULL", "feature", "grouped", "names_read", "with_wanted"]

NEVER_NULL = "never null"


def feature(
    name: str,
    meaning: str,
    needs: tuple[str, ...] = (),
    *,
    unit: str = "",
    null: str = "a needed value is unknown",
    kind: FeatureKind = "number",
) -> Feature:
    """A feature without its group; :func:`grouped` adds that."""
    return Feature(name=name, kind=kind, meaning=meaning, null=null, unit=unit, needs=needs)


def grouped(
    group: str, features: tuple[Feature, ...], *, is_history: bool = False
) -> tuple[Feature, ...]:
    """The features with their group's name on each."""
    return tuple(replace(f, group=group, is_history=is_history) for f in features)


def with_wanted(
    rows: nw.LazyFrame[Any], expressions: Mapping[str, nw.Expr], wanted: Collection[str]
) -> nw.LazyFrame[Any]:
    """``rows`` with those of the expressions that are wanted.

    One that is not wanted is never evaluated: its columns may be absent.
    """
    chosen = {name: e for name, e in expressions.items() if name in wanted}
    return rows.with_columns(**chosen) if chosen else rows


def names_read(wanted: Collection[str], reads: Mapping[str, Collection[str]]) -> set[str]:
    """The wanted features and, for those in ``reads``, the columns that they are computed from.

    >>> reads = {"share": {"part", "whole"}, "mean": {"sum", "count"}}
    >>> sorted(names_read(["share", "clicks"], reads))
    ['clicks', 'part', 'share', 'whole']
    """
    return {*wanted, *(name for entry in wanted for name in reads.get(entry, ()))}
