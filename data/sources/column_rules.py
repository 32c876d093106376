"""How one column of the contract is made from columns of a log: declared, never executed.

A rule is a small table in a mapping's TOML. The kinds of rule are fixed here; a mapping
cannot bring code.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

__all__ = ["Condition", "ExtraRule", "FirstTrue", "Rule", "Spelling"]

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


class Condition(_Strict):
    """One of two tests of a row; a missing value passes neither.

    Attributes:
        column, words: the column holds one of these words, in any case.
        equals: two columns hold the same value: ``["listing", "reference"]``. The second may
            hold several values, as an array or as text with a ``separator``; then one of them.
        separator: as in ``data.sources.explode_rules.ExplodedColumn``.
    """

    column: str | None = None
    words: tuple[str, ...] = ()
    equals: tuple[str, str] | None = None
    separator: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        is_word_test = self.column is not None and bool(self.words)
        if is_word_test == (self.equals is not None) or (self.column is None) == bool(self.words):
            raise ValueError("a condition has column and words, or equals with two columns")
        if self.separator is not None and self.equals is None:
            raise ValueError("separator needs equals")
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return self.equals or ((self.column,) if self.column is not None else ())


When = str | Condition


def _columns_of(when: When | None) -> tuple[str, ...]:
    if when is None:
        return ()
    return (when,) if isinstance(when, str) else when.needs


class FirstTrue(_Strict):
    """``word`` when a flag column, or a condition, is true; the first that holds decides."""

    word: str
    when: When


class Rule(_Strict):
    """One of these ways to a value, then ``null_if``, then ``scale``.

    Attributes:
        column: the log's column of that name.
        join: the values of several columns as one id; null when one is. No two different rows
            of values give the same id (``join_text`` in ``data.sources.apply_mapping``).
        constant: the same value in every row.
        first_true, otherwise: a word from flags, the first true one; else ``otherwise``.
        sum, mean: of several number columns, over those that are not null; null when all are.
        product: of several number columns; null when one is.
        date, plus_days: the date in a time or date column, that many whole days later
            (columns, each added).
        row_order: for ``position`` alone: the place of the row's listing among the results of
            its search, in the order in which the rows stand in the file
            (``data.ingest.row_positions`` says what counts as a place).
        list_order: for ``position`` alone: the place of the listing in the list of its row,
            where the mapping has ``[explode]``.
        after_last: of a column's text, what stands after the last of these separators.
        when: only where this flag column or condition is true; null elsewhere.
        null_if: spellings that mean "not given".
        scale: multiplies the number (a change of unit).
    """

    column: str | None = None
    join: tuple[str, ...] | None = Field(default=None, min_length=2)
    constant: str | int | float | bool | None = None
    first_true: tuple[FirstTrue, ...] | None = None
    otherwise: str | None = None
    sum: tuple[str, ...] | None = None
    mean: tuple[str, ...] | None = None
    product: tuple[str, ...] | None = None
    date: str | None = None
    plus_days: tuple[str, ...] = ()
    row_order: Literal[True] | None = None
    list_order: Literal[True] | None = None
    after_last: Annotated[str, Field(min_length=1)] | None = None
    when: When | None = None
    null_if: tuple[Spelling, ...] = ()
    scale: Factor | None = None

    @field_validator("plus_days", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in WAYS if getattr(self, name) is not None]
        if (self.row_order or self.list_order) and len(ways) > 1:
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
        for order in ("row_order", "list_order"):
            has_more = self.when or self.null_if or self.scale is not None
            if getattr(self, order) and has_more:
                raise ValueError(f"{order} stands alone: no when, null_if or scale beside it")
        if self.after_last is not None and self.column is None:
            raise ValueError("after_last needs column")
        if self.scale is not None and self.join is not None:
            raise ValueError("scale needs a number")
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """The log's columns that this rule reads."""
        single = [name for name in (self.column, self.date) if name is not None]
        terms = [
            name for way in (self.join, self.sum, self.mean, self.product) for name in way or ()
        ]
        flags = [name for flag in self.first_true or () for name in _columns_of(flag.when)]
        names = (*single, *_columns_of(self.when), *terms, *self.plus_days, *flags)
        return tuple(dict.fromkeys(names))

    @property
    def columns_looked_in(self) -> frozenset[str]:
        """Columns of which a cell may hold several values, among which a condition looks."""
        whens = (self.when, *(flag.when for flag in self.first_true or ()))
        conditions = [when for when in whens if isinstance(when, Condition)]
        return frozenset(when.equals[1] for when in conditions if when.equals is not None)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of its words: of ``first_true`` alone."""
        whens = [flag.when for flag in self.first_true or ()]
        return tuple(when for when in whens if isinstance(when, Condition))


WAYS = (
    *("column", "join", "constant", "first_true", "sum", "mean", "product", "date"),
    *("row_order", "list_order"),
)


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
