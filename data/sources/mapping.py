"""A column mapping: how another marketplace's log becomes the contract's columns.

A mapping is a TOML file. Some are built in (:func:`built_in`); any other is named by its path.
It declares; nothing in it is executed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from data.close_names import did_you_mean
from data.errors import LogError, MappingError
from data.readers.ids import SCIENTIFIC
from data.readers.times import TIME_FORMATS
from data.readers.values import is_spelled_null
from data.readers.words import LONGEST_SLUG, SLUG, KnownWords, market_slug, suggested_slug
from data.schema.tables import EXTRA_PREFIX, IMPRESSIONS, Column, Kind, Stage
from data.sources.column_rules import ExtraRule, Rule, Spelling
from data.sources.explode_rules import ExplodedColumn
from data.sources.listed_words import label_words, market_words
from data.toml_keys import key_lines, known_keys, line_of, must_be

__all__ = ["REQUIRED", "TARGETS", "Mapping", "built_in", "load_mapping"]

_FOLDER = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")

# Without these columns a file is no search log.
REQUIRED = ("id_search", "id_listing", "label", "ts_search", "query_market")
# Derived from the others by ingest; a mapping cannot set them.
_DERIVED = frozenset(
    {"market", "stage", "search_s", "local_s", "search_day", "contact_day", "book_day"}
    | {"contact_known_s", "book_known_s", "checkin_day", "checkout_day"}
    | {"source_id", "source_line", "source_item"}
)
TARGETS: tuple[str, ...] = (
    *REQUIRED,
    *(n for n in IMPRESSIONS.names if n not in _DERIVED and n not in REQUIRED),
)

_STAGES = {stage.name.lower(): int(stage) for stage in Stage}


def _as_rule(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Market(_Strict):
    """One market: its spellings in the log beside its own slug, and its clock."""

    spellings: tuple[Spelling, ...] = ()
    time_zone: str | None = None

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return _checked_zone(value)


def _checked_zone(value: str | None) -> str | None:
    if value is not None and value not in available_timezones():
        meant = did_you_mean(value, available_timezones())
        raise ValueError(f"{value!r} is no time zone{meant}; write one such as America/Sao_Paulo")
    return value


class Mapping(_Strict):
    """A whole mapping, checked.

    Attributes:
        name: of the source; a home holds the rows of one source.
        description: for people.
        time_format: ``auto`` (ISO; dates with the year last in the order that the log shows),
            ``day_first`` (``5/2/18`` is 5 February), ``month_first``, ``epoch_s``,
            ``epoch_ms``, ``epoch_us``, or a strptime pattern.
        time_zone: for markets without one of their own; used only where times have an offset
            from UTC. Without it such a time keeps the local clock that it is written in.
        markets: the known markets by slug. Empty: any market, its slug made from its word
            (:func:`data.readers.words.market_slug`).
        market_prefix: put before the slug of a market that is not listed.
        labels: further spellings of the four labels. A usual spelling listed under another
            label goes with that one. Spellings that are one word are refused.
        explode: for a log with a row per search: names for the lists in its cells, each of
            which then stands beside the log's columns with one value per listing.
        columns: the rule of each contract column.
        extra: further attributes.
    """

    name: str
    description: str = ""
    time_format: str = "auto"
    time_zone: str | None = None
    markets: dict[str, Market] = Field(default_factory=dict)
    market_prefix: str = ""
    labels: dict[Literal["impressed", "clicked", "contacted", "booked"], tuple[Spelling, ...]] = (
        Field(default_factory=dict)
    )
    explode: dict[str, Annotated[ExplodedColumn, BeforeValidator(_as_rule)]] = Field(
        default_factory=dict
    )
    columns: dict[str, Annotated[Rule, BeforeValidator(_as_rule)]]
    extra: dict[str, ExtraRule] = Field(default_factory=dict)

    @field_validator("name", "market_prefix")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if value and not _NAME.fullmatch(value):
            raise ValueError("use lower-case letters, digits and _, beginning with a letter")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return _checked_zone(value)

    @field_validator("time_format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value not in TIME_FORMATS and "%" not in value:
            known = ", ".join(TIME_FORMATS)
            raise ValueError(
                f"{value!r} is no time format{did_you_mean(value, TIME_FORMATS)}; write one of "
                f"{known}, or a pattern such as %d.%m.%Y %H:%M"
            )
        return value

    @field_validator("markets")
    @classmethod
    def _slugs(cls, value: dict[str, Market]) -> dict[str, Market]:
        for name in value:
            if not SLUG.fullmatch(name) or len(name) > LONGEST_SLUG:
                example = suggested_slug(name) or "tokyo"
                raise ValueError(
                    f"market {name!r} must be written as a slug (a-z, 0-9 and _, such as "
                    f"{example!r}), with its other spellings under spellings"
                )
        market_words({name: market.spellings for name, market in value.items()})
        return value

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        label_words(value)
        return value

    @field_validator("extra")
    @classmethod
    def _extra_names(cls, value: dict[str, ExtraRule]) -> dict[str, ExtraRule]:
        for name, rule in value.items():
            if not _NAME.fullmatch(name) or name.startswith(EXTRA_PREFIX):
                raise ValueError(f"extra {name!r}: lower-case letters, digits, _, without x_")
            if rule.row_order or rule.list_order:
                order = "row_order" if rule.row_order else "list_order"
                raise ValueError(f"extra {name!r}: {order} is for the column position only")
        return value

    @field_validator("columns")
    @classmethod
    def _known_targets(cls, value: dict[str, Rule]) -> dict[str, Rule]:
        for name, rule in value.items():
            if name not in TARGETS:
                hint = did_you_mean(name, TARGETS)
                raise ValueError(f"the contract has no column {name!r}{hint}")
            if (rule.row_order or rule.list_order) and name != "position":
                order = "row_order" if rule.row_order else "list_order"
                raise ValueError(f"{name}: {order} is for the column position only")
        if missing := [name for name in REQUIRED if name not in value]:
            raise ValueError(f"no rule for the required {', '.join(missing)}")
        return value

    @model_validator(mode="after")
    def _lists(self) -> Self:
        given = [name for n, spec in self.explode.items() for name in (n, *spec.names)]
        if twice := sorted({name for name in given if given.count(name) > 1}):
            raise ValueError(f"explode gives the name {', '.join(twice)} twice; choose another")
        position = self.columns.get("position")
        if position is not None and position.list_order and not self.explode:
            raise ValueError("position: list_order needs [explode], which names the lists")
        return self

    def columns_read(self, rules: dict[str, Rule]) -> frozenset[str]:
        """The log's own columns that these rules read, those of exploded lists too."""
        return frozenset(self._own_columns(rules.values()))

    def _own_columns(self, rules: Iterable[Rule]) -> Iterator[str]:
        of_list = {
            name: spec.column for n, spec in self.explode.items() for name in (n, *spec.names)
        }
        return (of_list.get(name, name) for rule in rules for name in rule.needs)

    @property
    def position_is_row_order(self) -> bool:
        """Whether the order of a log's rows is declared to be the order shown."""
        rule = self.columns.get("position")
        return rule is not None and rule.row_order is True

    def stage_of(self, word: str) -> int | None:
        """The stage that a label means, ``None`` for an unknown word."""
        label = self._label_words.meaning(word)
        return None if label is None else _STAGES[label]

    def market_of(self, word: str) -> str | None:
        """The market's slug, or ``None`` when the source does not know the market."""
        if self.markets:
            return self._market_words.meaning(word)
        # an id that lost its digits would make one market of many
        if is_spelled_null(word) or re.fullmatch(SCIENTIFIC, word, flags=re.ASCII):
            return None
        name = market_slug(word)
        return None if name is None else self.market_prefix + name

    @cached_property
    def _label_words(self) -> KnownWords[str]:
        return label_words({str(label): words for label, words in self.labels.items()})

    @cached_property
    def _market_words(self) -> KnownWords[str]:
        return market_words({name: market.spellings for name, market in self.markets.items()})

    def zone_of(self, market: str) -> ZoneInfo | None:
        """The clock of a market, ``None`` when the mapping does not say."""
        known = self.markets.get(market)
        name = (known.time_zone if known else None) or self.time_zone
        return ZoneInfo(name) if name else None

    @cached_property
    def extra_columns(self) -> tuple[Column, ...]:
        """The extra attributes as columns of impressions: ``x_query_…`` or ``x_listing_…``."""
        return tuple(
            Column(
                name=extra_name(name, rule),
                kind=Kind(rule.kind),
                meaning=rule.meaning,
                unit=rule.unit,
                null="not given",
                low=rule.low,
                high=rule.high,
            )
            for name, rule in self.extra.items()
        )

    @property
    def needs(self) -> tuple[str, ...]:
        """Every column of a log that a rule of this mapping reads, those of lists too."""
        rules = (*self.columns.values(), *self.extra.values())
        return tuple(dict.fromkeys(self._own_columns(rules)))

    def rules_for(
        self, columns: Collection[str], file: str, nested: dict[str, str] | None = None
    ) -> dict[str, Rule]:
        """The rules that a file with these columns supports, by target column.

        ``nested``: columns that hold more than one value per cell, and their types. Raises
        :class:`LogError` when a required column cannot be made, or a rule reads a nested one.
        """
        rules: dict[str, Rule] = dict(self.columns)
        rules |= {extra_name(name, rule): rule for name, rule in self.extra.items()}
        exploded = self._exploded_names(columns, file)
        known = {*columns, *exploded}
        usable = {name: rule for name, rule in rules.items() if set(rule.needs) <= known}
        for name in REQUIRED:
            if name not in usable:
                absent = sorted(self.columns_read({name: rules[name]}) - known)
                hint = did_you_mean(absent[0], columns)
                raise LogError(
                    file,
                    f"not a log of source {self.name!r}: column {', '.join(absent)} is absent"
                    f"{hint}. The file has: {_listed(columns)}. Rename the column, or give a "
                    "column mapping with --source FILE.toml",
                )
        plain = {name: of for name, of in (nested or {}).items() if name not in exploded}
        _refuse_nested(usable, plain, file)
        return usable

    def _exploded_names(self, columns: Collection[str], file: str) -> set[str]:
        """The names that ``explode`` gives in a log with these columns."""
        given: set[str] = set()
        for name, spec in self.explode.items():
            if spec.column not in columns:
                continue
            for own in (name, *spec.names):
                # a list under the name of its own column stands in its place
                if own in columns and own != spec.column:
                    raise LogError(
                        file,
                        f"explode gives the name {own!r}, which a column of the log has already; "
                        "choose another name in the mapping",
                    )
                given.add(own)
        return given


def _refuse_nested(rules: dict[str, Rule], nested: dict[str, str], file: str) -> None:
    for target, rule in rules.items():
        looked_in = rule.columns_looked_in
        for name in rule.needs:
            if name in nested and name not in looked_in:
                raise LogError(
                    file,
                    f"column {name}, read as {target}, holds {nested[name]}, and a rule reads one "
                    "value per cell. Name it under [explode] if it lists a search's listings, or "
                    "take it out of the mapping",
                )


def extra_name(name: str, rule: ExtraRule) -> str:
    """The name of an extra attribute's column, such as ``x_listing_stars``."""
    return f"{EXTRA_PREFIX}{rule.of}_{name}"


def _listed(columns: Collection[str]) -> str:
    names = list(columns)
    more = f", … ({len(names)} columns)" if len(names) > 12 else ""
    return ", ".join(name[:40] for name in names[:12]) + more


def built_in() -> tuple[str, ...]:
    """The names of the mappings that come with the program."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_mapping(source: str | Path) -> Mapping:
    """A built-in mapping by name, or one from a TOML file.

    Raises :class:`MappingError` naming the file and the key that is wrong.
    """
    text = str(source)
    path = _FOLDER / f"{text}.toml" if text in built_in() else Path(source)
    if not path.is_file():
        meant = did_you_mean(text, built_in())
        raise MappingError(
            f"{text}: there is no such source{meant}; built in are {', '.join(built_in())}, and a "
            "mapping of your own is named by the path of its TOML file"
        )
    try:
        # editors on Windows begin a file with a byte order mark, which TOML does not know
        written = path.read_text(encoding="utf-8-sig")
        return Mapping.model_validate(tomllib.loads(written))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise MappingError(f"{path}: cannot be read as TOML: {error}") from error
    except ValidationError as error:
        raise MappingError(_message(path, written, error)) from error


def _message(path: Path, written: str, error: ValidationError) -> str:
    """Each problem in a line: the file, the line of it, the key, and what is wrong."""
    lines, places = [], key_lines(written)
    for problem in error.errors():
        place = problem["loc"]
        key = ".".join(str(part) for part in place) or "the file"
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            meant = did_you_mean(str(place[-1]), known_keys(Mapping, place))
            message = f"unknown key{meant}; remove it or check its spelling"
        elif must := must_be(problem, Mapping, place):
            message = f"{must}; found {problem['input']!r}"
        number = line_of(places, place)
        where = f"{path}, line {number}" if number is not None else str(path)
        lines.append(f"{where}: {key}: {message}")
    return "\n".join(lines)
