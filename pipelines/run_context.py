"""What every step is handed: the home, its lake, the settings, and somewhere to write."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from data.errors import DataError
from data.lake.store import Lake
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.setting_errors import (
    NOWHERE,
    SettingsError,
    Written,
    in_words,
    unknown_setting,
)
from pipelines.config.settings import Settings
from pipelines.tracking.tracking import Tracking

__all__ = ["RunContext", "config_of"]

T = TypeVar("T")


@dataclass(frozen=True)
class RunContext:
    """One home with its settings; opened once per command."""

    home: Home
    settings: Settings
    console: Console

    @cached_property
    def lake(self) -> Lake:
        return Lake(self.home.prepare().root)

    def version(self, table: str) -> int:
        """The version of a table that exists; raises ``DataError`` where there is none."""
        version = self.lake.version(table)
        if version is None:
            raise DataError(f"{self.home.root} holds no table {table} yet")
        return version

    def refuse_without(self, table: str, step: str) -> None:
        """Raise ``DataError`` where the table was never written, naming the command that does."""
        if not Lake(self.home.root).exists(table):
            raise DataError(
                f"{self.home.root} holds no {table}. Make them first: "
                f"stayrank {step} {self.home.option}"
            )

    @cached_property
    def tracking(self) -> Tracking:
        return Tracking.open(self.home.prepare(), self.settings.tracking_uri)


def config_of(owner: type[T], section: str, given: dict[str, Any], written: Written = NOWHERE) -> T:
    """A model's config dataclass from a section of the settings.

    ``written``: where these were written. Raises :class:`SettingsError` for an unknown key or
    an unsound value, naming it.
    """
    known = {field.name for field in owner.__dataclass_fields__.values()}  # type: ignore[attr-defined]
    unknown = sorted(set(given) - known)
    if unknown:
        told = unknown_setting((section, unknown[0]), sorted(known), written)
        raise SettingsError(f"{told}; known are {', '.join(sorted(known))}")
    try:
        return TypeAdapter(owner).validate_python(given)
    except ValidationError as error:
        raise SettingsError(in_words(error, section=section, written=written)) from error
