"""Settings: one TOML file and the environment, checked at the edge.

``stayrank.toml`` in the current folder (or the file named by ``--settings``), then
environment variables such as ``STAYRANK_SEED`` or ``STAYRANK_RANKER__LEARNING_RATE`` (secrets
also as a file, such as ``STAYRANK_PSEUDONYM_KEY_FILE``), then the command line; the later wins.
The hyper-parameters live in the frozen dataclasses beside the models; here they are only read
and checked.
"""

from __future__ import annotations

import os
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_serializer,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from data.close_names import close_names, did_you_mean
from data.schema.language import Language
from pipelines.config.keep_settings import KeepSettings
from pipelines.config.redaction import redact
from pipelines.config.secret_files import secret_from_file
from pipelines.config.setting_errors import (
    HOW_TO_ENCODE,
    MOVED,
    NOWHERE,
    PREFIX,
    UNTOLD,
    SettingsError,
    Written,
    in_words,
)

__all__ = [
    "BatchSettings",
    "Behaviour",
    "IngestSettings",
    "Settings",
    "SettingsError",
    "SimulationSettings",
    "SplitSettings",
    "in_words",
    "load_settings",
]

SETTINGS_FILE = Path("stayrank.toml")
# Read by the command line and by the containers.
NOT_SETTINGS = ("HOME", "BIND", "CHECKOUT", "IMAGE", "INBOX", "SECRETS")
# What MLflow can keep runs and registered models in.
STORES = ("http", "https", "postgresql", "mysql", "mssql", "sqlite")


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SimulationSettings(Section):
    """The embedded default: the log that is simulated when none is given."""

    searches: int = Field(default=60_000, ge=1, description="searches in the simulated week")
    scenario: str = Field(default="default", description="name of a scenario of data.simulator")


class IngestSettings(Section):
    """How many rows of a file may be rejected."""

    warn_share: float = Field(
        default=0.05, ge=0, le=1, description="of a file's rows rejected, above which it is told"
    )
    refuse_share: float = Field(
        default=0.5, ge=0, le=1, description="above which the file is refused; 1: never"
    )


class SplitSettings(Section):
    """Where the log's timeline is cut.

    ``auto`` cuts by days when the log spans at most 14 days, by shares of the searches
    when it is longer.
    """

    by: Literal["auto", "days", "shares"] = "auto"
    valid_days: int = Field(default=1, ge=1)
    test_days: int = Field(default=1, ge=1)
    valid_share: float = Field(default=0.15, gt=0, lt=0.5)
    test_share: float = Field(default=0.15, gt=0, lt=0.5)


class RecommendationSettings(Section):
    """How many listings each guest is given, out of how many candidates, and by which policy."""

    top: int = Field(default=20, ge=1, le=1_000)
    candidates: int = Field(
        default=200, ge=1, le=10_000, description="of all that a search allows, scored by the model"
    )
    whole_catalogue: int = Field(
        default=20_000,
        ge=0,
        description="listings of a market above which the two-tower proposes candidates",
    )
    proposals: int = Field(default=1_000, ge=1, le=100_000, description="that it proposes")
    allocation: bool = Field(
        default=True, description="make all lists together: a night can be sold once"
    )
    night_capacity: float = Field(
        default=0.5, gt=0, le=100, description="most expected bookings of a listing's night"
    )
    exposure: bool = Field(
        default=True, description="help new listings by the policy chosen on validation"
    )
    most_loss: float = Field(
        default=0.001, ge=0, lt=1, description="value DCG that this help may cost, as a share"
    )
    diversity: float = Field(
        default=0.0, ge=0, le=10, description="weight of unlikeness in the first places; 0: none"
    )
    language: Language = Field(default="en", description="of the reasons: en, or pt (of Brazil)")


class EvaluationSettings(Section):
    """How the scorecard's intervals are made."""

    replicates: int = Field(
        default=1_000, ge=100, description="bootstrap replicates, clustered by guest"
    )


Behaviour = Literal["fail", "warn", "hold"]


class BatchSettings(Section):
    """The scheduled batches: where logs arrive, when, and what a bad day does.

    ``fail`` ends the run with an error; ``warn`` goes on with what there is and says so;
    ``hold`` ends it quietly with the last recommendations still published. Each of the
    three sends a notice, and none ever unpublishes anything.
    """

    inbox: Path = Field(
        default=Path("inbox"), description="folder of arriving logs, under the home unless absolute"
    )
    source: str = Field(default="airbnb", description="column mapping of the arriving logs")
    settle_s: float = Field(
        default=5.0, ge=0, description="seconds that an arriving file must be unchanged"
    )
    ahead_days: int = Field(
        default=1, ge=0, description="days after today that a search may still be dated"
    )
    when_missing: Behaviour = Field(default="hold", description="no file brought the day's log")
    when_empty: Behaviour = Field(default="hold", description="its file has not one row")
    when_small: Behaviour = Field(default="warn", description="far fewer rows than usual")
    when_rejected: Behaviour = Field(default="fail", description="all rows rejected, or no log")
    small_share: float = Field(
        default=0.5, gt=0, lt=1, description="of the usual rows, at which a day is small"
    )
    usual_days: int = Field(default=7, ge=1, description="days whose median is the usual size")
    when_busy: Literal["wait", "refuse"] = Field(
        default="wait", description="what a second start of the same day does"
    )
    wait_s: float = Field(default=7_200.0, ge=0, description="longest wait for another batch")
    time_zone: str = Field(default="America/Sao_Paulo", description="of the clock and the cron")
    daily_cron: str = Field(default="0 4 * * *", description="when the daily starts")
    weekly_cron: str = Field(default="0 22 * * 0", description="when the weekly starts")
    tune_s: float = Field(default=0.0, ge=0, description="seconds of tuning a week; 0: none")
    notebooks: bool = Field(default=True, description="the weekly executes the notebooks")
    keep_days: int = Field(default=30, ge=1, description="days that old table versions stay")
    stage_limit_s: float = Field(default=14_400.0, gt=0, description="longest time of a stage")

    @field_validator("time_zone")
    @classmethod
    def _is_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, ZoneInfoNotFoundError) as error:
            meant = did_you_mean(name, available_timezones())
            raise ValueError(
                f"no time zone has this name{meant}; write one like Europe/Lisbon"
            ) from error
        return name

    @field_validator("daily_cron", "weekly_cron")
    @classmethod
    def _is_cron(cls, line: str) -> str:
        try:
            CronSim(line, datetime(2026, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            raise ValueError(
                f"not a cron line ({error}); write one like 0 4 * * * (every day at 4)"
            ) from error
        return line


class _TomlWithMark(TomlConfigSettingsSource):
    """A TOML file that may begin with a byte order mark, as editors on Windows write it."""

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        return tomllib.loads(file_path.read_text(encoding="utf-8-sig"))


class Settings(BaseSettings):
    """All settings of a run, with defaults that need no file at all."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    seed: int = Field(default=0, ge=0, lt=2**31)
    threads: int = Field(default=0, ge=0, description="0 means every core the process may use")
    currency: str = Field(
        default="",
        max_length=12,
        description="of the log's prices, such as R$ or EUR; empty: not said on the report's axes",
    )
    simulation: SimulationSettings = SimulationSettings()
    ingest: IngestSettings = IngestSettings()
    split: SplitSettings = SplitSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    recommendation: RecommendationSettings = RecommendationSettings()
    batch: BatchSettings = BatchSettings()
    keep: KeepSettings = KeepSettings()
    tracking_uri: str = Field(
        default="",
        repr=False,  # it may hold a password
        description="an MLflow server's address; empty: SQLite under the home",
    )
    pseudonym_key: SecretStr = Field(
        default=SecretStr(""), description="key that pseudonymises guests at ingest; empty: none"
    )
    webhook: SecretStr = Field(
        default=SecretStr(""), description="address that notices are posted to; empty: none"
    )
    models: tuple[str, ...] = (
        "random",
        "cheapest",
        "best_rated",
        "popularity",
        "als",
        "two_tower",
        "lambdarank",
        "ranker",
    )
    als: dict[str, Any] = Field(default_factory=dict, description="models.baselines.implicit_als")
    two_tower: dict[str, Any] = Field(default_factory=dict, description="models.two_tower")
    retrieval: dict[str, Any] = Field(
        default_factory=dict,
        description="models.two_tower.retrieval.retriever: what finds the candidates",
    )
    ranker: dict[str, Any] = Field(default_factory=dict, description="models.funnel.config")
    lambdarank: dict[str, Any] = Field(default_factory=dict, description="models.lambdarank")
    gate: dict[str, Any] = Field(
        default_factory=dict, description="pipelines.promotion.gate_config"
    )
    monitoring: dict[str, Any] = Field(
        default_factory=dict, description="pipelines.monitoring.config"
    )

    _written: Written = PrivateAttr(default=NOWHERE)

    @property
    def written(self) -> Written:
        """Where they were written, for messages about them."""
        return self._written

    def remember(self, written: Written) -> None:
        """Remember where they were written."""
        self._written = written

    @field_validator("tracking_uri")
    @classmethod
    def _is_store(cls, uri: str) -> str:
        scheme, _, rest = uri.partition("://")
        behind_the_host = re.split(r"[/?#]", rest, maxsplit=1)[1:]
        if scheme != "sqlite" and any("@" in part for part in behind_the_host):
            # Otherwise nobody could tell the password's end, and keep it from being shown.
            raise ValueError(HOW_TO_ENCODE)
        if uri and scheme.partition("+")[0] not in STORES:
            raise ValueError(f"must begin with one of {', '.join(f'{s}://' for s in STORES)}")
        return uri

    @field_serializer("tracking_uri")
    def _without_credentials(self, uri: str) -> str:
        # What is dumped becomes MLflow's parameters, and those of Prefect's flows.
        return redact(uri)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line first, then the environment, then the file."""
        del dotenv_settings, file_secret_settings
        toml = _TomlWithMark(settings_cls, settings_cls.model_config.get("toml_file"))
        return init_settings, env_settings, toml


def load_settings(file: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings; ``overrides`` that are ``None`` are left to file and environment.

    Raises :class:`SettingsError` naming each unknown or unsound setting, and the file of a
    secret that cannot be read.
    """
    if file is not None and not file.is_file():
        raise SettingsError(f"the settings file {file} does not exist")

    _refuse_misspelt_names()
    try:
        secrets = {name: secret_from_file(f"{PREFIX}{name.upper()}") for name in UNTOLD}
    except ValueError as error:
        raise SettingsError(str(error)) from error

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file or SETTINGS_FILE)

    given = {**secrets, **overrides}
    given = {name: value for name, value in given.items() if value is not None}
    written = Written.in_file(file or SETTINGS_FILE)
    try:
        settings = FromFile(**given)
        settings.remember(written)
    except ValidationError as error:
        raise SettingsError(in_words(error, Settings, written=written)) from error
    except ValueError as error:  # TOML syntax
        raise SettingsError(f"{file or SETTINGS_FILE}: {error}") from error
    _refuse_webhook(settings.webhook.get_secret_value())
    return settings


def _refuse_webhook(address: str) -> None:
    """Not a validator of the field: its message would show the address, which is a secret."""
    if address and not address.startswith(("https://", "http://")):
        raise SettingsError("setting webhook: must begin with https:// or http://")


def _refuse_misspelt_names() -> None:
    """Not every unknown name: a cluster may set ``STAYRANK_SERVICE_HOST`` and the like."""
    known = [name.upper() for name in Settings.model_fields]
    for variable in sorted(os.environ):
        name = variable.removeprefix(PREFIX).partition("__")[0]
        if not variable.startswith(PREFIX) or name in (*known, *NOT_SETTINGS):
            continue
        if name.lower() in MOVED:
            raise SettingsError(f"{variable} in the environment: {MOVED[name.lower()]}")
        meant = close_names(name, known, cutoff=0.8)
        if meant and not name.endswith("_FILE"):
            raise SettingsError(
                f"{variable} in the environment is no setting; {PREFIX}{meant[0]} is. "
                "Rename it, or take it out"
            )
