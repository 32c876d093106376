"""The command line: ``stayrank COMMAND``. Each file of this folder holds some commands.

Heavy libraries are imported inside the commands, so that ``--help`` and usage errors
answer at once. Exit codes: 0 done, 1 data or run failure, 2 usage.
"""

# Importing a file of commands is what adds them.
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
    tuning_commands,
)
from pipelines.cli.app import app
from pipelines.cli.main import main

__all__ = [
    "app",
    "batch_commands",
    "feature_commands",
    "home_commands",
    "main",
    "mapping_commands",
    "model_commands",
    "privacy_commands",
    "promotion_commands",
    "report_commands",
    "run_commands",
    "tuning_commands",
]
