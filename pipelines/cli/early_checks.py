"""What the person can get wrong, checked before anything slow is imported or started.

Prefect and MLflow take up to a minute to start on a busy machine, and the models some seconds
to import. So the commands call these first.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Sequence
from datetime import date

import typer

from pipelines.config.days import read_day
from pipelines.config.settings import Settings
from pipelines.run_context import RunContext

__all__ = [
    "check_batch",
    "check_encoding",
    "check_log_of_run",
    "check_simulated_run",
    "ignored_by_mlflow",
    "parse_day",
]

# What MLflow's own programs go by, and a home does not.
MLFLOW_VARIABLES = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_EXPERIMENT_ID",
)


def check_log_of_run(
    context: RunContext,
    logs: Sequence[str],
    source: str,
    encoding: str | None,
    *,
    redo: bool = False,
) -> None:
    """Raise what the ingest of these logs would raise before its first row, and model names."""
    from data.ingest import IngestOptions
    from data.ingest.check_inputs import check_inputs

    _check_run(context)
    check_encoding(encoding)
    options = IngestOptions(encoding=encoding, redo=redo)
    check_inputs(logs, source, home=context.home.root, options=options)


def check_simulated_run(context: RunContext) -> None:
    """Raise what stands against a simulated week in this home."""
    from data.ingest.check_inputs import check_origin
    from data.lake.store import Lake
    from pipelines.ingestion.simulate_log import check_simulation

    _check_run(context)
    check_origin(Lake(context.home.root), "simulated")
    check_simulation(context.settings)


def _check_run(context: RunContext) -> None:
    from pipelines.flows.prefect_environment import refuse_silent_server
    from pipelines.training.model_names import check_names

    context.home.refuse_unwritable()
    check_names(context.settings, for_recommending=True)
    refuse_silent_server()


def check_batch(context: RunContext) -> None:
    """Raise what a batch would raise of the home and of its settings after minutes."""
    from data.sources.mapping import load_mapping
    from pipelines.flows.prefect_environment import refuse_silent_server
    from pipelines.training.model_names import check_names

    context.home.refuse_unwritable()
    check_names(context.settings)
    load_mapping(context.settings.batch.source)
    context.home.inside(context.settings.batch.inbox)
    refuse_silent_server()


def check_encoding(encoding: str | None) -> None:
    """Raise a usage error for a name that no text encoding has."""
    if encoding is None:
        return
    try:
        "a".encode(codecs.lookup(encoding).name)  # "base64" is a codec, and none of text
    except LookupError:
        raise typer.BadParameter(
            f"the encoding {encoding!r} is unknown; try utf-8, latin-1 or cp1252"
        ) from None


def parse_day(text: str, option: str | None = None) -> date:
    """A day written ``YYYY-MM-DD``; raises a usage error, of the ``option``, for anything else."""
    try:
        return read_day(text)
    except ValueError as error:
        hint = None if option is None else f"'{option}'"  # as typer writes its own
        raise typer.BadParameter(str(error), param_hint=hint) from None


def ignored_by_mlflow(settings: Settings, own: str = "") -> str:
    """A sentence on variables that MLflow goes by elsewhere and here not; empty without any.

    They are not followed: another project's, set for the whole machine, would move this home's
    champion to a registry that has none.

    ``own``: the address of the home's database, to which MLflow itself sets its variables for
    the programs that this one starts.
    """
    followed = {"", own, settings.tracking_uri or ""}
    names = [name for name in MLFLOW_VARIABLES if os.environ.get(name, "") not in followed]
    if not names:
        return ""
    where = settings.tracking_uri or "the home's own mlflow.db"
    verb = "is" if len(names) == 1 else "are"
    return (
        f"{' and '.join(names)} {verb} ignored: MLflow's runs and models go to {where}; "
        "STAYRANK_TRACKING_URI names another store"
    )
