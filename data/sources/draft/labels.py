"""What the guest did: from flags, from words, from a column that names the listing, or unknown."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from data.readers.values import read_booleans, read_text
from data.sources.draft.as_toml import Line, quoted
from data.sources.draft.shapes import Lists
from data.sources.draft.vocabulary import ACTIONS, action_of, words_of

__all__ = ["FoundLabels", "find_labels"]

_LABEL_NAMES = (
    *("label", "action", "action_type", "event", "event_type", "type", "event_name", "interaction"),
    *("outcome", "status", "behavior", "behavior_type", "activity", "evento", "aktion", "accion"),
)
# In order of the label that goes furthest.
_FURTHEST = ("booked", "contacted", "clicked")


@dataclass(kw_only=True)
class FoundLabels:
    """The lines of the label and of ``[labels]``.

    ``when`` gives, for booked and contacted, the condition under which a row is so, as TOML;
    ``used`` are the columns read.
    """

    line: Line
    words: list[Line] = field(default_factory=list)
    when: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)


def find_labels(
    rows: pl.DataFrame, lists: Lists | None, *, has_search_of_several: bool
) -> FoundLabels:
    """The likeliest source of labels, by its values before its name."""
    if lists is not None and lists.references:
        return _of_references(lists)
    if lists is not None and lists.flag is not None:
        when = f'[{{ word = "clicked", when = {quoted(lists.flag)} }}]'
        line = Line(
            key="label",
            value=f'{{ first_true = {when}, otherwise = "impressed" }}',
            unsure=f"1 at the end of an element is taken for a click ({lists.evidence})",
        )
        return FoundLabels(line=line, used={lists.flag})
    found = _of_words(rows) or _of_flags(rows)
    if found is not None:
        return found
    word = "impressed" if has_search_of_several else "clicked"
    why = (
        "searches have several rows, which are taken for listings shown; nothing was clicked then"
        if has_search_of_several
        else "each row is taken for a click. Models learn from what was shown and not clicked too; "
        "a log without it trains little"
    )
    unsure = f"no column tells what the guest did: {why}"
    return FoundLabels(
        line=Line(key="label", value=f"{{ constant = {quoted(word)} }}", unsure=unsure)
    )


def _of_references(lists: Lists) -> FoundLabels:
    found = FoundLabels(line=Line(key="label", value=""))
    choices, guessed = [], []
    by_label = {r.column: action_of(r.column) or "" for r in lists.references}
    for reference in lists.references:
        label = by_label[reference.column]
        if label not in _FURTHEST:
            guessed.append(reference.column)
            label = by_label[reference.column] = "clicked"
        separator = f", separator = {quoted(reference.separator)}" if reference.separator else ""
        equals = f"[{quoted(lists.listing)}, {quoted(reference.column)}]"
        condition = f"{{ equals = {equals}{separator} }}"
        found.when.setdefault(label, condition)
        choices.append(
            (_FURTHEST.index(label), f"{{ word = {quoted(label)}, when = {condition} }}")
        )
        found.used.add(reference.column)
    array = ", ".join(choice for _, choice in sorted(choices))
    doubt = f"{', '.join(guessed)} is taken to name the listing clicked" if guessed else ""
    found.line = Line(
        key="label",
        value=f'{{ first_true = [{array}], otherwise = "impressed" }}',
        unsure=f"{doubt}: {lists.evidence}" if doubt else "",
    )
    return found


def _of_words(rows: pl.DataFrame) -> FoundLabels | None:
    """A column of few words, most of which say an action."""
    best: tuple[float, str, dict[str, str | None]] | None = None
    for name in rows.columns:
        column = rows[name]
        if column.dtype.is_nested() or column.dtype.is_float() or column.dtype == pl.Boolean:
            continue
        words = read_text(column).drop_nulls()
        if words.is_empty() or words.n_unique() > 30:
            continue
        is_named = "_".join(words_of(name)) in _LABEL_NAMES
        meanings = _meanings(words.unique().to_list(), is_named=is_named)
        share = words.replace_strict(meanings, return_dtype=pl.String).is_not_null().mean()
        share = share if isinstance(share, float) else 0.0
        if share >= (0.5 if is_named else 0.9) and (best is None or share + is_named > best[0]):
            best = (share + is_named, name, meanings)
    if best is None:
        return None
    _, name, meanings = best
    found = FoundLabels(line=Line(key="label", value=quoted(name), unsure=_doubt(name, meanings)))
    found.used = {name}
    for label in ACTIONS:
        words_of_label = sorted(word for word, meaning in meanings.items() if meaning == label)
        if words_of_label:
            array = f"[{', '.join(quoted(word) for word in words_of_label)}]"
            found.words.append(Line(key=label, value=array))
            found.when[label] = f"{{ column = {quoted(name)}, words = {array} }}"
    return found


def _meanings(words: list[str], *, is_named: bool) -> dict[str, str | None]:
    if is_named and set(words) <= {"0", "1"}:
        return {"0": "impressed", "1": "clicked"}
    if is_named and set(words) <= {"0", "1", "2", "3"}:
        return {"0": "impressed", "1": "clicked", "2": "contacted", "3": "booked"}
    return {word: action_of(word) for word in words}


def _doubt(name: str, meanings: dict[str, str | None]) -> str:
    unknown = sorted(word for word, meaning in meanings.items() if meaning is None)
    parts = []
    if set(meanings) <= {"0", "1", "2", "3"}:
        parts.append(f"{name} holds {', '.join(sorted(meanings))}, read as steps of a booking")
    if unknown:
        parts.append(
            f"rows whose {name} is {', '.join(repr(word) for word in unknown[:8])} are "
            "quarantined, until [labels] says what they mean"
        )
    if "impressed" not in meanings.values():
        parts.append("no word says that a listing was shown and not acted on")
    return "; ".join(parts)


def _of_flags(rows: pl.DataFrame) -> FoundLabels | None:
    """Columns of true and false whose names say an action."""
    flags: dict[str, str] = {}
    for name in rows.columns:
        column, action = rows[name], action_of(name)
        if action not in _FURTHEST or action in flags or column.dtype.is_nested():
            continue
        read = read_booleans(column)
        if column.null_count() < len(column) and not read.is_unreadable.any():
            flags[action] = name
    if not flags:
        return None
    choices = [
        f"{{ word = {quoted(label)}, when = {quoted(flags[label])} }}"
        for label in _FURTHEST
        if label in flags
    ]
    value = f'{{ first_true = [{", ".join(choices)}], otherwise = "impressed" }}'
    return FoundLabels(
        line=Line(key="label", value=value),
        when={label: quoted(name) for label, name in flags.items()},
        used=set(flags.values()),
    )
