"""Whether a row is a search whose cells hold its listings; if so, which lists they are.

A list is an array, a JSON array, or a text that one separator divides in most rows. Which of the
lists holds the listings is told by the values: a column names one of its elements in most rows
(the listing acted on), its elements end in 0 or 1, or its name is a listing's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from data.readers.chunk import Chunk
from data.readers.values import read_text
from data.sources.cell_lists import named_values, read_lists
from data.sources.draft.times import is_time
from data.sources.draft.vocabulary import noun_score, words_of
from data.sources.explode import explode_chunks
from data.sources.explode_rules import ExplodedColumn, Suffix
from data.sources.mapping import REQUIRED, Mapping

__all__ = ["Lists", "Reference", "exploded_rows", "find_lists"]

_SEPARATORS = ("|", ";", ",", " ", "\t", "::", "~")
_MOST = 0.8
# Words of a column that holds what was shown.
_SHOWN = frozenset(
    {"impressions", "impression", "shown", "results", "result", "listings", "items", "hotels"}
    | {"products", "candidates", "list", "properties", "events", "inview", "slate"}
)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A column that names some of the listings of its row: those that the guest acted on."""

    column: str
    separator: str | None


@dataclass(frozen=True, kw_only=True)
class Lists:
    """The lists of the log.

    Attributes:
        explode: by name, as in a mapping.
        listing: which of the names holds the listings.
        references: columns that name some of them.
        flag: the name of a suffix of 0 and 1 that says which were acted on.
        evidence: by what the listings were known.
    """

    explode: dict[str, ExplodedColumn]
    listing: str
    references: tuple[Reference, ...]
    flag: str | None
    evidence: str


def find_lists(rows: pl.DataFrame) -> Lists | None:
    """The lists of a log with a row per search; ``None`` for one with a row per listing."""
    specs = [spec for name in rows.columns for spec in _specs(rows[name])]
    lists = {spec: read_lists(rows[spec.column], spec).lists for spec in specs}
    found = [
        (score, spec, evidence, references)
        for spec in specs
        for score, evidence, references in [_as_listings(spec, lists[spec], rows)]
        if score
    ]
    if not found:
        return None
    _, spec, evidence, references = max(found, key=lambda one: one[0])
    lengths = lists[spec].list.len()
    explode: dict[str, ExplodedColumn] = {}
    for other in (spec, *(one for one in specs if one is not spec)):
        is_parallel = (lists[other].list.len() == lengths).mean()
        name = _name(other, taken={*rows.columns, *explode} - {other.column})
        if isinstance(is_parallel, float) and is_parallel >= 0.95 and name:
            explode[name] = other
    listing = next(iter(explode))
    flag = None
    if _has_flags(lists[spec]):
        flag = "was_clicked"
        explode[listing] = spec.model_copy(update={"suffix": Suffix(separator="-", name=flag)})
    return Lists(
        explode=explode, listing=listing, references=references, flag=flag, evidence=evidence
    )


def exploded_rows(rows: pl.DataFrame, lists: Lists) -> pl.DataFrame:
    """The rows as the mapping's rules will see them: one per listing."""
    rules = {name: {"constant": "1"} for name in REQUIRED} | {
        "id_listing": {"column": lists.listing}
    }
    mapping = Mapping.model_validate({"name": "draft", "columns": rules, "explode": lists.explode})
    chunk = Chunk(rows=rows, lines=pl.int_range(1, rows.height + 1, eager=True))
    used = mapping.rules_for(rows.columns, "the sample")
    return pl.concat([part.rows for part in explode_chunks([chunk], mapping, used, "the sample")])


def _specs(column: pl.Series) -> list[ExplodedColumn]:
    """The lists that a column may hold: one, or one per field of its objects."""
    name = column.name
    if isinstance(column.dtype, pl.List | pl.Array):
        inner = column.dtype.inner
        if isinstance(inner, pl.Struct):
            fields = [f.name for f in inner.fields if not f.dtype.is_nested()]
            return [ExplodedColumn(column=name, field=field) for field in fields]
        return [] if inner.is_nested() else [ExplodedColumn(column=name)]
    # a date and a time of day stand apart too
    if column.dtype != pl.String or is_time(column):
        return []
    filled = read_text(column).drop_nulls()
    if filled.is_empty():
        return []
    if _share(filled.str.contains(r"^(?s)(?:\[.*\]|\{.*\}|\(.*\))$")) >= _MOST:
        return _bracketed(name, filled)
    separators = [s for s in _SEPARATORS if _divides(filled, s)]
    return [ExplodedColumn(column=name, separator=separators[0])] if separators else []


def _bracketed(name: str, filled: pl.Series) -> list[ExplodedColumn]:
    """JSON arrays, of values or of objects; else what stands between brackets."""
    as_json = ExplodedColumn(column=name)
    if not read_lists(filled, as_json).is_unreadable.any():
        return [as_json]
    try:
        array = json.loads(filled[0])
    except ValueError:
        separator = "," if _share(filled.str.contains(",")) >= 0.5 else " "
        return [ExplodedColumn(column=name, separator=separator, brackets=True)]
    if not isinstance(array, list) or not all(isinstance(element, dict) for element in array):
        return []
    fields = dict.fromkeys(key for element in array for key in element)
    return [ExplodedColumn(column=name, field=field) for field in fields if "." not in field]


def _divides(filled: pl.Series, separator: str) -> bool:
    """Whether the separator stands in half of the cells, and divides ids and numbers, no text."""
    if _share(filled.str.contains(separator, literal=True)) < 0.5:
        return False
    elements = filled.str.split(separator).explode(empty_as_null=True, keep_nulls=False)
    is_token = elements.str.strip_chars().str.contains(r"^[^\s|;,]{0,64}$")
    has_digit = elements.str.contains(r"\d")
    needs_digit = separator in (",", " ")
    return _share(is_token) >= 0.95 and (not needs_digit or _share(has_digit) >= 0.95)


def _as_listings(
    spec: ExplodedColumn, lists: pl.Series, rows: pl.DataFrame
) -> tuple[int, str, tuple[Reference, ...]]:
    """How surely the list holds listings, and by what; 0 where nothing says so."""
    references = tuple(
        reference
        for name in rows.columns
        if name != spec.column and (reference := _reference(rows[name], lists)) is not None
    )
    what = spec.column if spec.field is None else f"{spec.column}.{spec.field}"
    if references:
        names = ", ".join(reference.column for reference in references)
        return 3, f"{names} names an element of {what} in nearly every row", references
    if _has_flags(lists):
        return 2, f"every element of {what} ends in -0 or -1", ()
    words = set(words_of(spec.field or spec.column))
    is_listing = noun_score(spec.field or spec.column, "id_listing") > 0 or bool(words & _SHOWN)
    singular = {word.removesuffix("s") for word in words}
    is_listing = is_listing or noun_score("_".join(sorted(singular)), "id_listing") > 0
    has_plain_listing = any(
        noun_score(name, "id_listing") >= 120 for name in rows.columns if name != spec.column
    )
    if is_listing and not (has_plain_listing and spec.field is None):
        return 1, f"by the name {what} alone", ()
    return 0, "", ()


def _reference(column: pl.Series, lists: pl.Series) -> Reference | None:
    """The column as one that names elements of the lists of its rows."""
    if column.dtype.is_float() or isinstance(column.dtype, pl.Struct):
        return None
    shown = pl.DataFrame({"value": lists}).with_row_index("row").explode("value")
    shown = shown.with_columns(value=read_text(shown["value"])).unique()
    separators = [None, *_SEPARATORS[:4]] if column.dtype == pl.String else [None]
    if isinstance(column.dtype, pl.List | pl.Array) and column.dtype.inner.is_nested():
        return None
    for separator in separators:
        named = named_values(column, separator)
        if named.is_empty():
            return None
        in_list = named.join(shown, on=["row", "value"], how="semi").height / named.height
        # the whole list again, or a column of one value for all, names nothing
        if in_list >= _MOST and named.height < 0.8 * shown.height and named["value"].n_unique() > 1:
            return Reference(column=column.name, separator=separator)
    return None


def _has_flags(lists: pl.Series) -> bool:
    elements = lists.explode(empty_as_null=True, keep_nulls=False).drop_nulls()
    if elements.dtype != pl.String or elements.is_empty():
        return False
    return _share(elements.str.contains(r".-[01]$")) == 1.0


def _name(spec: ExplodedColumn, taken: set[str]) -> str:
    """A name for one element: the field, or the column without its plural."""
    whole = (spec.field or spec.column).strip()
    singular = whole[:-1] if spec.field is None and whole.endswith("s") else whole
    if singular == "impression":
        singular = "listing"
    return next((n for n in (singular, f"{singular}_shown", whole) if n and n not in taken), "")


def _share(mask: pl.Series) -> float:
    mean = mask.fill_null(value=False).mean()
    return mean if isinstance(mean, float) else 0.0
