"""All commands: importing a file of commands is what adds them to the application."""

from __future__ import annotations

from pipelines.cli import (
    batch_commands,
    feature_commands,
    home_commands,
    mapping_commands,
    model_commands,
    privacy_commands,
    promotion_commands,
    report_commands,
    run_commands,
    show_commands,
    tuning_commands,
)
from pipelines.cli.app import app

__all__ = [
    "app",
    "batch_commands",
    "feature_commands",
    "home_commands",
    "mapping_commands",
    "model_commands",
    "privacy_commands",
    "promotion_commands",
    "report_commands",
    "run_commands",
    "show_commands",
    "tuning_commands",
]
