"""What a mapping makes of a log's rows, and how two mappings differ in it.

Comments, descriptions and the order of keys and spellings change no row, and neither does a key
that repeats its default. A correction does::

    time_format = "day_first"           →  time_format (was 'auto', now 'day_first')
    ds_book = { date = "paid_at" }      →  columns.ds_book (was not there, now date='paid_at')
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from pydantic import ValidationError

from data.sources.column_rules import ExtraRule, Rule
from data.sources.explode_rules import ExplodedColumn
from data.sources.mapping import Mapping

__all__ = ["differences", "mapping_of", "meaning_of"]

Meaning = dict[str, Any]

_FOR_PEOPLE = ("meaning", "unit")
_UNORDERED = ("null_if", "spellings")
_SECTIONS = ("columns", "extra", "labels", "markets")


def meaning_of(mapping: Mapping) -> Meaning:
    """The checked mapping as plain JSON values, without what changes no row."""
    meaning: Meaning = mapping.model_dump(
        mode="json", exclude={"description"}, exclude_defaults=True
    )
    for section in _SECTIONS:
        for name, entry in meaning.get(section, {}).items():
            meaning[section][name] = _plain(entry, of_extra=section == "extra")
    return meaning


def mapping_of(meaning: Meaning) -> Mapping | None:
    """A mapping that makes the same rows; ``None`` for a meaning that this version cannot read."""
    extra = {name: rule | {"meaning": ""} for name, rule in meaning.get("extra", {}).items()}
    try:
        return Mapping.model_validate(meaning | ({"extra": extra} if extra else {}))
    except ValidationError:
        return None


def _plain(entry: Any, *, of_extra: bool) -> Any:
    if isinstance(entry, list):  # the spellings of a label
        return sorted(entry)
    return {
        key: sorted(value) if key in _UNORDERED else value
        for key, value in entry.items()
        if not (of_extra and key in _FOR_PEOPLE)
    }


def differences(before: Meaning, now: Meaning, columns: Collection[str]) -> list[str]:
    """The keys whose values differ, in words; empty where both make the same rows of a file.

    ``columns`` are those of the file: a rule for a column that it does not have is no difference.
    """
    columns = {*columns, *_exploded(before), *_exploded(now)}
    found = []
    for key, old, new in _entries(before, now):
        section = key.partition(".")[0]
        is_rule = section in ("columns", "extra")
        if old != new and not (is_rule and not any(_applies(r, columns) for r in (old, new))):
            found.append(f"{key} (was {_in_words(old)}, now {_in_words(new)})")
    return found


def _exploded(meaning: Meaning) -> set[str]:
    """The names that stand beside the columns of a log whose lists are exploded."""
    specs = {n: ExplodedColumn.model_validate(of) for n, of in meaning.get("explode", {}).items()}
    return {own for name, spec in specs.items() for own in (name, *spec.names)}


def _entries(before: Meaning, now: Meaning) -> Iterator[tuple[str, Any, Any]]:
    """Each key with its two values, the entries of a section one by one."""
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if key in _SECTIONS:
            old, new = old or {}, new or {}
            for name in sorted({*old, *new}):
                yield f"{key}.{name}", old.get(name), new.get(name)
        else:
            yield key, old, new


def _applies(rule: dict[str, Any] | None, columns: Collection[str]) -> bool:
    """Whether a file with these columns supports the rule, as far as this version can tell."""
    if rule is None:
        return False
    try:
        kind = ExtraRule if "kind" in rule else Rule
        needs = kind.model_validate(rule | {"meaning": ""} if "kind" in rule else rule).needs
    except ValidationError:
        return True
    known = {name.casefold() for name in columns}
    return all(name.casefold() in known for name in needs)


def _in_words(value: Any) -> str:
    if value is None:
        return "not there"
    if isinstance(value, dict):
        return ", ".join(f"{key}={item!r}" for key, item in value.items()) or "empty"
    return repr(value)
