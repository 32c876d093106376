"""What a table of the lake is made of: columns with kind, unit, meaning and sound bounds.

This file computes nothing and imports nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import pyarrow as pa

__all__ = [
    "ARROW_TYPE",
    "BOOKED",
    "CLICKED",
    "CONTACTED",
    "IMPRESSED",
    "Column",
    "Kind",
    "Stage",
    "Table",
]


class Stage(IntEnum):
    """The furthest action of a guest on one impression, in the order of the funnel."""

    IMPRESSED = 0
    CLICKED = 1
    CONTACTED = 2
    BOOKED = 3


IMPRESSED, CLICKED, CONTACTED, BOOKED = Stage


class Kind(StrEnum):
    """What the values of a column are; decides the Arrow type and how a model reads it."""

    ID = "id"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    COUNT = "count"
    NUMBER = "number"
    TEXT = "text"
    DATE = "date"
    TIME = "time"
    DAY = "day"
    SECOND = "second"
    STAGE = "stage"


ARROW_TYPE: dict[Kind, pa.DataType] = {
    Kind.ID: pa.string(),
    Kind.CATEGORY: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.COUNT: pa.int32(),
    Kind.NUMBER: pa.float64(),
    Kind.TEXT: pa.string(),
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.timestamp("us"),
    Kind.DAY: pa.int32(),
    Kind.SECOND: pa.int64(),
    Kind.STAGE: pa.int8(),
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        name: its name, the same in every table it stands in.
        kind: what its values are.
        meaning: one plain sentence, or part of one.
        unit: ``km``, ``nights``, ``price`` (the file's own currency), or empty.
        null: what null means; ``None`` says that the column is never null.
        low, high: inclusive bounds of a sound value. Outside them the value of an
            optional attribute is nulled and counted.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    null: str | None = None
    low: float | None = None
    high: float | None = None

    @property
    def arrow_type(self) -> pa.DataType:
        return ARROW_TYPE[self.kind]

    @property
    def field(self) -> pa.Field:
        return pa.field(self.name, self.arrow_type, nullable=True)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A Delta table of the lake: what one row is, its key, how it is partitioned.

    ``open_ended`` tables carry further columns that are described elsewhere (the
    feature columns by the feature tuples, the extra columns by a source mapping).
    """

    name: str
    row: str
    key: tuple[str, ...]
    partition_by: tuple[str, ...]
    columns: tuple[Column, ...]
    open_ended: str = ""
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(column.name for column in self.columns))
        missing = [name for name in (*self.key, *self.partition_by) if name not in self.names]
        if missing:
            raise ValueError(f"table {self.name}: key or partition without a column: {missing}")

    def column(self, name: str) -> Column:
        """The column of that name; raises ``KeyError`` when the table has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name!r}")

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([column.field for column in self.columns])
