"""What became of each ranker, where people look at MLflow: in the tables and on the pages.

A ranker's standing is a tag of its run, hence a column of the table of models, and stands first on
the page of its version. It is computed anew from the registry whenever the champion changes::

    ★ champion        the alias points at it
    champion before   it was promoted, and a later one took its place
    rolled back       it was champion until `stayrank rollback`
    refused           the gate compared it and kept the other
    undecided         the gate had too little to decide by
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.plain_text import as_markdown_text
from pipelines.tracking.about_models import about_model
from pipelines.tracking.mlflow_client import is_away
from pipelines.tracking.model_registry import CHAMPION, RANKER_MODEL, RUN_TAG
from pipelines.tracking.saved_view import SIMULATED_TAG, STANDING
from pipelines.tracking.tracking import Tracking

__all__ = ["BESIDE_TAG", "VERSION_TAG", "mark_standings"]

CHAMPION_STANDING = "★ champion"
UNDECIDED = "too little to decide"
# Of the run that shows the champion among the models of a later training: which one, where.
BESIDE_TAG = "stayrank.champion_beside"
VERSION_TAG = "stayrank.ranker_version"


def mark_standings(tracking: Tracking) -> None:
    """Write each registered ranker's standing into its run and its version.

    Where nothing has changed it only reads. Runs that were deleted in MLflow are passed over, and
    a server that goes away leaves the rest to the next call: nothing is decided by a standing.
    """
    try:
        _mark_all(tracking)
    except Exception as error:
        if not is_away(error):
            raise


def _mark_all(tracking: Tracking) -> None:
    champion = tracking.versions.at(RANKER_MODEL, CHAMPION)
    standings: dict[str, str] = {}
    for version in tracking.client.search_model_versions(f"name = '{RANKER_MODEL}'"):
        standing = standings[str(version.version)] = _standing(version, champion)
        run_tags = _mark(tracking, version.run_id, standing)
        text = _description(version, standing, is_simulated=SIMULATED_TAG in run_tags)
        if standing and text != version.description:
            tracking.versions.describe(RANKER_MODEL, version.version, text)
    beside = f"tags.`{BESIDE_TAG}` != ''"
    for run in tracking.client.search_runs([tracking.experiment_id], beside):
        standing = standings.get(run.data.tags.get(VERSION_TAG, ""), "")
        _mark(tracking, run.info.run_id, standing)


def _standing(version: Any, champion: str | None) -> str:
    tags: Mapping[str, str] = version.tags
    if str(version.version) == champion:
        return CHAMPION_STANDING
    if "promotion.rolled_back" in tags:
        return "rolled back"
    if tags.get("promotion.alias") == CHAMPION:
        return "champion before"
    if "promotion.reason" not in tags:
        return ""
    return "undecided" if tags["promotion.reason"].startswith(UNDECIDED) else "refused"


def _mark(tracking: Tracking, run_id: str, standing: str) -> Mapping[str, str]:
    """Write the standing into the run; returns the run's tags, none where it is gone."""
    run = _run(tracking, run_id) if run_id else None
    if run is None or run.info.lifecycle_stage != "active":
        return {}
    tags: Mapping[str, str] = run.data.tags
    if tags.get(STANDING, "") != standing:
        tracking.set_tags(run_id, {STANDING: standing})
    return tags


def _run(tracking: Tracking, run_id: str) -> Any:
    """The run; ``None`` where it was removed for good, and its version was not."""
    from mlflow.exceptions import MlflowException

    try:
        return tracking.client.get_run(run_id)
    except MlflowException as error:
        if is_away(error):
            raise
        return None


def _description(version: Any, standing: str, *, is_simulated: bool) -> str:
    run, reason = version.tags.get(RUN_TAG, ""), version.tags.get("promotion.reason", "")
    trained = f" Trained in run {run}." if run else ""
    simulated = " on SIMULATED DATA" if is_simulated else ""
    # the reason may name markets, which may hold anything
    gate = f" The gate{simulated}: {as_markdown_text(reason)}." if reason else ""
    return f"{standing.removeprefix('★ ').capitalize()}. {about_model('ranker')}{trained}{gate}"
