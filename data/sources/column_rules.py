"""How one column of the contract is made from columns of a log: declared, never executed.

A rule is a small table in a mapping's TOML. The kinds of rule are fixed here; a mapping
cannot bring code.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

__all__ = ["ExtraRule", "FirstTrue", "Rule", "Spelling"]

Factor = Annotated[float, Field(allow_inf_nan=False)]


def _as_text(value: object) -> object:
    """Numbers and booleans of the TOML as a log spells them: ``0`` and ``"0"`` are one."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


# How a cell of the log is spelled.
Spelling = Annotated[str, BeforeValidator(_as_text)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FirstTrue(_Strict):
    """``word`` when the flag column ``when`` is true; the first that holds decides."""

    word: str
    when: str


class Rule(_Strict):
    """One of these ways to a value, then ``null_if``, then ``scale``.

    Attributes:
        column: the log's column of that name.
        constant: the same value in every row.
        first_true, otherwise: a word from flags, the first true one; else ``otherwise``.
        sum, mean: of several number columns, over those that are not null; null when all are.
        product: of several number columns; null when one is.
        date, plus_days: the date in a time or date column, that many whole days later
            (columns, each added).
        row_order: for ``position`` alone: the place of the row's listing among the results of
            its search, in the order in which the rows stand in the file
            (``data.ingest.row_positions`` says what counts as a place).
        when: only where this flag column is true; null elsewhere.
        null_if: spellings that mean "not given".
        scale: multiplies the number (a change of unit).
    """

    column: str | None = None
    constant: str | int | float | bool | None = None
    first_true: tuple[FirstTrue, ...] | None = None
    otherwise: str | None = None
    sum: tuple[str, ...] | None = None
    mean: tuple[str, ...] | None = None
    product: tuple[str, ...] | None = None
    date: str | None = None
    plus_days: tuple[str, ...] = ()
    row_order: Literal[True] | None = None
    when: str | None = None
    null_if: tuple[Spelling, ...] = ()
    scale: Factor | None = None

    @field_validator("plus_days", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in WAYS if getattr(self, name) is not None]
        if self.row_order and len(ways) > 1:
            raise ValueError(
                "a position comes from one place: from the log's columns or from the order of its "
                f"rows; this rule has {', '.join(ways)}. Keep one"
            )
        if len(ways) != 1:
            has = ", ".join(ways) or "none"
            raise ValueError(f"a rule has exactly one of {', '.join(WAYS)}; this one has {has}")
        if self.plus_days and self.date is None:
            raise ValueError("plus_days needs date")
        if self.otherwise is not None and self.first_true is None:
            raise ValueError("otherwise needs first_true")
        if self.scale is not None and (self.date is not None or self.first_true is not None):
            raise ValueError("scale needs a number")
        if self.row_order and (self.when or self.null_if or self.scale is not None):
            raise ValueError("row_order stands alone: no when, null_if or scale beside it")
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """The log's columns that this rule reads."""
        single = [self.column, self.date, self.when]
        terms = [*(self.sum or ()), *(self.mean or ()), *(self.product or ()), *self.plus_days]
        flags = [flag.when for flag in self.first_true or ()]
        return tuple(dict.fromkeys(name for name in (*single, *terms, *flags) if name is not None))


WAYS = ("column", "constant", "first_true", "sum", "mean", "product", "date", "row_order")


class ExtraRule(Rule):
    """A further attribute that the contract does not know; travels as ``x_<of>_<name>``.

    Attributes:
        kind: how its values are read.
        of: what it describes: the ``query`` or the ``listing``.
        meaning: one plain sentence, for the data dictionary.
        unit: as in ``data.schema.tables.Column``.
        low, high: inclusive bounds of a sound number; outside it is nulled and counted.
    """

    kind: Literal["number", "boolean", "category"]
    of: Literal["query", "listing"]
    meaning: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
