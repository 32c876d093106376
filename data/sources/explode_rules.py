"""What a mapping may say of cells that hold a whole list: declared, never executed.

``[explode]`` gives each name a list of the log; the rules of ``[columns]`` then read the name
like a column of a log with one row per listing. ``data.sources.explode`` does it.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["ExplodedColumn", "Suffix"]


class Suffix(BaseModel):
    """What stands after the last ``separator`` of an element, as a column ``name`` of its own.

    ``N1-0 N2-1`` with ``-``: the elements ``N1``, ``N2``; the column ``0``, ``1``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    separator: str = Field(min_length=1)
    name: str = Field(min_length=1)


class ExplodedColumn(BaseModel):
    """One list of a row, an element for each of the row's listings.

    Attributes:
        column: the log's column that holds the list: an array (of Parquet, or as JSON text), or
            text with a separator.
        separator: between the elements of a text; blank stands for any run of white space.
        brackets: the text stands in brackets, each of its elements perhaps in quotes:
            ``['a', 'b']``. Both are left out.
        field: of elements that are objects, the field to take; ``a.b`` for one inside another.
        suffix: a second value at the end of each element.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str
    separator: str | None = Field(default=None, min_length=1)
    brackets: Literal[True] | None = None
    field: str | None = Field(default=None, min_length=1)
    suffix: Suffix | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.separator is not None and self.field is not None:
            raise ValueError("text with a separator has no fields; keep separator or field")
        if self.brackets and self.separator is None:
            raise ValueError("brackets needs separator; a JSON array needs neither")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it gives beside its own name."""
        return (self.suffix.name,) if self.suffix is not None else ()
