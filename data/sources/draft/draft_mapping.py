"""The order of the guesses: lists, time, identities, market, label, then the other columns."""

from __future__ import annotations

import re
from pathlib import PurePath
from zoneinfo import available_timezones

import polars as pl

from data.readers.values import read_text
from data.sources.apply_mapping import PLACE
from data.sources.draft.as_toml import Draft, Line, quoted
from data.sources.draft.columns import describe, find_attributes
from data.sources.draft.labels import FoundLabels, find_labels
from data.sources.draft.shapes import Lists, exploded_rows, find_lists
from data.sources.draft.times import FoundTime, find_time, is_date
from data.sources.draft.vocabulary import (
    STEPS,
    STRANGER,
    action_of,
    noun_rank,
    noun_score,
    words_of,
)

__all__ = ["draft_mapping"]

_ROWS_OF_LISTS = 2_000
_ONE = 0.98  # of the searches: the rest may be faults that ingest quarantines


def draft_mapping(rows: pl.DataFrame, log: str) -> Draft:
    """A mapping for a log of which ``rows`` are a sample, under the log's own column names.

    ``log`` is the file's name. Every required column has a line, but for those in ``missing``.
    """
    draft = Draft(name=_source_name(log), log=log)
    lists = find_lists(rows.head(_ROWS_OF_LISTS))
    if lists is not None:
        rows = _exploded(rows, lists, draft)
    time = find_time(rows)
    used = {time.column} if time is not None else set()
    listing = lists.listing if lists is not None else _named(rows, "id_listing", used)
    user = _named(rows, "id_user", used | ({listing} if listing else set()))
    used |= {name for name in (listing, user) if name is not None}
    search, is_of_several = _search(rows, lists, time, user, used)
    market = _market(rows, used)
    labels = find_labels(rows, lists, has_search_of_several=is_of_several)
    used |= labels.used
    _add_required(draft, listing, search, time, market)
    if user is not None:
        draft.columns.append(Line(key="id_user", value=quoted(user)))
    draft.columns.append(labels.line)
    draft.labels = labels.words
    draft.columns += _action_dates(rows, labels, time, used)
    if lists is not None and (time is None or time.column not in lists.explode):
        draft.columns.append(Line(key="position", value="{ list_order = true }"))
    if time is not None:
        _add_time(draft, time, rows, market)
        attributes = find_attributes(rows, used, time.column, time.time_format, listing)
        known = {line.key for line in draft.columns}
        draft.columns += [line for line in attributes if line.key not in known]
    text = "\n".join(line.value for line in (*draft.columns, *draft.explode))
    draft.not_taken = {
        name: describe(rows, name, listing) for name in rows.columns if quoted(name) not in text
    }
    return draft


def _source_name(log: str) -> str:
    stem = PurePath(log).name.split(".")[0].lower()
    plain = re.sub(r"[^a-z0-9]+", "_", stem).strip("_")[:40]
    return plain if re.match(r"[a-z]", plain) else f"log_{plain}".rstrip("_")


def _exploded(rows: pl.DataFrame, lists: Lists, draft: Draft) -> pl.DataFrame:
    for name, spec in lists.explode.items():
        parts = [f"column = {quoted(spec.column)}"]
        if spec.separator is not None:
            parts.append(f"separator = {quoted(spec.separator)}")
        if spec.brackets:
            parts.append("brackets = true")
        if spec.field is not None:
            parts.append(f"field = {quoted(spec.field)}")
        if spec.suffix is not None:
            suffix = (
                f"separator = {quoted(spec.suffix.separator)}, name = {quoted(spec.suffix.name)}"
            )
            parts.append(f"suffix = {{ {suffix} }}")
        unsure = lists.evidence if name == lists.listing and lists.evidence.startswith("by") else ""
        key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)
        draft.explode.append(Line(key=key, value=f"{{ {', '.join(parts)} }}", unsure=unsure))
    return exploded_rows(rows, lists).drop(PLACE)


def _named(rows: pl.DataFrame, target: str, used: set[str]) -> str | None:
    """The column whose name fits best, of those whose values can be ids."""
    scores = {
        name: noun_score(name, target)
        for name in rows.columns
        if name not in used and _is_id(rows[name])
    }
    best = max(scores, key=lambda name: scores[name], default=None)
    # a noun among other words ("prop_starrating") says what is described, not which it is
    return best if best is not None and scores[best] > 100 else None


def _is_id(column: pl.Series) -> bool:
    if column.dtype.is_nested() or column.dtype in (pl.Boolean, pl.Date):
        return False
    filled = column.drop_nulls()
    if filled.is_empty() or isinstance(filled.dtype, pl.Datetime):
        return False
    numbers = filled.cast(pl.Float64, strict=False)
    is_fraction = (numbers != numbers.floor()).fill_null(value=False)
    return not is_fraction.any()


def _search(
    rows: pl.DataFrame,
    lists: Lists | None,
    time: FoundTime | None,
    user: str | None,
    used: set[str],
) -> tuple[Line | None, bool]:
    """The line of ``id_search``, and whether a search has several rows."""
    given = time.column if time is not None else None
    own = _named(rows, "id_search", used)
    if own is not None:
        used.add(own)
    step = next(
        (
            n
            for n in rows.columns
            if n not in used and STEPS.intersection(words_of(n)) == {*words_of(n)}
        ),
        None,
    )
    parts: list[str] = []
    why = ""
    if own is None:
        parts = [name for name in (user, given) if name is not None]
        why = f"no column names a search; rows of one {' and '.join(parts)} are taken for one"
    elif set(words_of(own)) & {"session", "sess", "visit", "sesion", "sitzung", "sessao", "сессия"}:
        parts, why = _of_session(rows, own, step, given)
    elif given is not None and not _has_one(rows, [own], given):
        parts, why = [own, given], f"rows of one {own} have several times; each is a search"
    else:
        parts = [own]
    if not parts:
        return None, False
    used.update(name for name in parts if name != given)
    if len(parts) == 1:
        line = Line(key="id_search", value=quoted(parts[0]), unsure=why)
    else:
        array = ", ".join(quoted(name) for name in parts)
        line = Line(key="id_search", value=f"{{ join = [{array}] }}", unsure=why)
    rows_of = rows.group_by(parts).len()["len"].mean()
    return line, lists is None and isinstance(rows_of, float) and rows_of >= 1.5


def _of_session(
    rows: pl.DataFrame, session: str, step: str | None, given: str | None
) -> tuple[list[str], str]:
    """A session holds several searches: told apart by a step or, without one, by the time."""
    if step is not None and (given is None or _has_one(rows, [session, step], given)):
        return [session, step], f"a session ({session}) has several searches; each is a {step}"
    if given is not None and not _has_one(rows, [session], given):
        return [session, given], f"rows of one {session} have several times; each is a search"
    return [session], f"each {session} has one time in the sample, and is taken for one search"


def _has_one(rows: pl.DataFrame, keys: list[str], value: str) -> bool:
    """Whether nearly every group has one value."""
    groups = rows.group_by(keys).agg(pl.col(value).n_unique())
    mean = (groups[value] == 1).mean()
    return isinstance(mean, float) and mean >= _ONE


def _market(rows: pl.DataFrame, used: set[str]) -> Line:
    """Where the search looked: a market, else a city or country of what was shown."""
    scores = {
        name: noun_rank(name, "query_market")
        for name in rows.columns
        if name not in used and _is_id(rows[name]) and not STRANGER.intersection(words_of(name))
    }
    # a name with other words ("prop_country_id") will do: where a listing lies is its market
    best = max(scores, key=lambda name: scores[name], default=None)
    if best is None or not scores[best]:
        unsure = "no column says where the search looked; all of it is one market"
        return Line(key="query_market", value='{ constant = "all" }', unsure=unsure)
    used.add(best)
    text = read_text(rows[best]).drop_nulls()
    count = text.n_unique()
    with_comma = text.str.contains(r"\S, ?\S").mean()
    if isinstance(with_comma, float) and with_comma >= 0.9:
        last = text.str.split(",").list.last().n_unique()
        unsure = f"{best} has {count:,} values such as {text[0]!r}; after the last comma {last:,}"
        value = f'{{ column = {quoted(best)}, after_last = "," }}'
        return Line(key="query_market", value=value, unsure=unsure)
    unsure = f"{best} has {count:,} values in the sample, such as {text[0]!r}"
    return Line(key="query_market", value=quoted(best), unsure=unsure)


def _add_required(
    draft: Draft, listing: str | None, search: Line | None, time: FoundTime | None, market: Line
) -> None:
    if search is not None:
        draft.columns.append(search)
    elif time is not None:
        draft.missing["id_search"] = "no column names a search or a guest"
    if listing is not None:
        draft.columns.append(Line(key="id_listing", value=quoted(listing)))
    else:
        draft.missing["id_listing"] = (
            "no column names a listing; give the one that says what was shown"
        )
    if time is not None:
        draft.columns.append(Line(key="ts_search", value=quoted(time.column), unsure=time.unsure))
    else:
        draft.missing["ts_search"] = (
            "no column holds times with a time of day; give the time of the search, and set "
            "time_format to how it is written"
        )
        if search is None:
            draft.missing["id_search"] = "no column names a search or a guest"
    draft.columns.append(market)


def _add_time(draft: Draft, time: FoundTime, rows: pl.DataFrame, market: Line) -> None:
    if time.time_format != "auto":
        draft.settings.append(Line(key="time_format", value=quoted(time.time_format)))
    if not time.is_utc:
        return
    zone, evidence = _zone(rows, market)
    days = "times are UTC or have an offset; this clock gives the days"
    draft.settings.append(Line(key="time_zone", value=quoted(zone), unsure=f"{days}. {evidence}"))


def _zone(rows: pl.DataFrame, market: Line) -> tuple[str, str]:
    """The clock of the log's markets where their names are those of one time zone."""
    cities = {
        zone.rsplit("/", 1)[-1].replace("_", " ").casefold(): zone for zone in available_timezones()
    }
    column = market.value.strip('"')
    if column in rows.columns:
        values = read_text(rows[column]).drop_nulls().unique().to_list()
        zones = {cities.get(" ".join(words_of(value))) for value in values}
        if len(zones) == 1 and None not in zones:
            (zone,) = zones
            return str(zone), f"By the name of the market, {values[0]!r}"
    return "UTC", "Nothing in the log names a place whose clock could be taken"


def _action_dates(
    rows: pl.DataFrame, labels: FoundLabels, time: FoundTime | None, used: set[str]
) -> list[Line]:
    """The dates of booking and contact, which a row with that label must have."""
    lines = []
    for label, target in (("booked", "ds_book"), ("contacted", "ds_contact")):
        if label not in labels.when or time is None:
            continue
        own = next(
            (
                name
                for name in rows.columns
                if name not in used
                and action_of(name) == label
                and is_date(rows[name], time.time_format)
            ),
            None,
        )
        if own is not None:
            used.add(own)
            lines.append(Line(key=target, value=quoted(own)))
            continue
        value = f"{{ date = {quoted(time.column)}, when = {labels.when[label]} }}"
        day = "the day of its search" if label == "booked" else "the day of its search too"
        unsure = f"the log gives no date of it: one that is {label} counts as made on {day}"
        lines.append(Line(key=target, value=value, unsure=unsure))
    return lines
