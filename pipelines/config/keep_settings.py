"""How long a home keeps what it makes: one setting per kind, ``[keep]`` of ``stayrank.toml``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["KeepSettings"]


class KeepSettings(BaseModel):
    """What the daily and weekly batches leave of each kind; docs/operations.md says why.

    Ages count from the last change of a file. What is in force is never dropped: the champion
    and the one before it, what is published, and the newest of each kind.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    reports_days: int = Field(default=90, ge=1, description="days of the daily reports")
    logs_days: int = Field(default=30, ge=1, description="days of the log files")
    batches_days: int = Field(default=90, ge=7, description="days of the batches' journals")
    taken_days: int = Field(
        default=30, ge=0, description="days of the raw logs in inbox/taken, which name guests"
    )
    refused_days: int = Field(default=30, ge=1, description="days of the files in inbox/refused")
    runs: int = Field(default=8, ge=1, description="newest training runs, beside those in force")
    killed_days: int = Field(
        default=2, ge=1, description="days of a training that was killed before its end"
    )
    mlflow_days: int = Field(
        default=90, ge=1, description="days of MLflow's records of batches, and of dropped runs"
    )
    recommendations_days: int = Field(
        default=90, ge=1, description="days of recommendations in their table"
    )
    history_days: int = Field(
        default=730, ge=0, description="days of impressions before the newest; 0: all"
    )
