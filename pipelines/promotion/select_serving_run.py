"""Which trained models the daily batch recommends with: the champion, kept on disk too.

MLflow's alias decides, through the same look-up as the gate's, and what it says goes first.
What it said before is kept in ``champion.json``, newest first, so that a day goes out while
MLflow is away, and with the champion before when the files of the newest are damaged. The
gate's look-up alone could do neither: it checks the registered copies, which lie with
MLflow, and recommendations are made from those in the home's ``runs``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import DataError
from pipelines.config.home import Home, write_json
from pipelines.promotion.champion_registry import find_champion
from pipelines.promotion.promote import read_decision
from pipelines.recommendation.published_pointer import read_published
from pipelines.recommendation.serving_models import check_gives_probabilities, latest_run_with
from pipelines.run_context import RunContext
from pipelines.tracking.model_checksums import check_manifest
from pipelines.training.model_factory import SERVING_MODELS

__all__ = ["ServingRun", "champions_of", "run_to_recommend_with", "select_serving_run"]

KEPT = 10


@dataclass(frozen=True, kw_only=True)
class ServingRun:
    """The run to recommend with, and what kept a better one from being it.

    Attributes:
        run: name of the training run.
        standing: ``champion``, ``previous champion``; where no champion is ``undecided`` (the
            newest on which the gate had too little to decide), ``in force`` (what the
            published recommendations were made with) or ``latest``.
        warnings: what people should know, a sentence each.
    """

    run: str
    standing: str
    warnings: tuple[str, ...] = ()


def select_serving_run(context: RunContext) -> ServingRun | None:
    """The champion, else the one before it; ``None`` without any trained run.

    Only where there never was a champion, or none but of an earlier version, others recommend:
    on a log too small for the gate to decide the newest run, so that such a log is not served
    by its first run for ever; else the run in force goes on, else the latest. Raises
    ``DataError`` when there are runs and none of these is whole: what is published stays.
    """
    home, search = context.home, find_champion(context.tracking)
    warnings = list(search.notes)
    if search.champion is not None and search.champion.run:
        _put_first(home, search.champion.run)
    champions, earlier = _champions(home)
    warnings += earlier
    candidates = _candidates(home, champions)
    if not candidates:
        return None
    for place, (run, standing) in enumerate(candidates.items()):
        try:
            check_whole(home, run)
        except DataError as error:
            warnings.append(f"{standing} {run} cannot be used: {error}")
        else:
            is_previous = standing == "champion" and place > 0
            now = "previous champion" if is_previous else standing
            return ServingRun(run=run, standing=now, warnings=tuple(warnings))
    raise DataError("no trained models are whole. " + ". ".join(warnings))


def run_to_recommend_with(context: RunContext) -> ServingRun:
    """As :func:`select_serving_run`, for whoever recommends by hand or in the main job.

    A run that the gate refused recommends only where no champion can: else a trial with the
    newest models would take the champion's place in the table, unseen. Where there never was a
    champion and no run has all of its own models the latest is taken, whose retriever or ranker
    may be an earlier run's. Raises ``DataError`` without any run.
    """
    latest = context.home.latest_run().name
    try:
        chosen = select_serving_run(context)
    except DataError:
        if champions_of(context.home):
            raise
        chosen = None
    return chosen or ServingRun(run=latest, standing="latest")


def _champions(home: Home) -> tuple[list[str], list[str]]:
    """The champions, newest first, and a sentence on each that is of an earlier version.

    Such a one recommends nothing: it would keep a run that can from doing so for ever.
    """
    champions: list[str] = []
    earlier: list[str] = []
    for run in champions_of(home):
        try:
            check_gives_probabilities(home, run)
        except DataError as error:
            earlier.append(f"champion {run} cannot be used: {error}")
        else:
            champions.append(run)
    return champions, earlier


def _candidates(home: Home, champions: Sequence[str]) -> dict[str, str]:
    """Runs and their standing, the best first."""
    if champions:
        # All other runs were refused by the gate, rolled back, or never decided on.
        return dict.fromkeys(champions, "champion")
    runs, published = _runs(home), read_published(home)
    in_force = published.run if published is not None else ""
    undecided = [run for run in runs if run > in_force and _is_undecided(home, run)]
    candidates = dict.fromkeys(undecided, "undecided")
    if in_force:
        # A later run may have been refused.
        candidates[in_force] = "in force"
    for run in runs:
        candidates.setdefault(run, "latest")
    return candidates


def _is_undecided(home: Home, run: str) -> bool:
    """Whether the gate looked at the run and found too little to decide by."""
    decision = read_decision(home, run)
    return decision is not None and not decision.has_evidence


def check_whole(home: Home, run: str) -> None:
    """Check that the models to recommend with are as they were saved, and of this version.

    The ranker is the run's own, the retriever that of an earlier run where it was trained
    without one, as ``recommend`` takes it. Raises ``DataError`` naming what is missing,
    altered or of an earlier version.
    """
    if latest_run_with(home, run, "ranker").name != run:
        raise DataError(f"run {run} has no ranker")
    check_gives_probabilities(home, run)
    for model in SERVING_MODELS:
        folder = latest_run_with(home, run, model).folder_of(home, model)
        if not folder.is_dir():
            raise DataError(f"{folder}: is missing")
        check_manifest(folder)


def champions_of(home: Home) -> list[str]:
    """Every champion that ``champion.json`` remembers, newest first.

    Raises ``DataError`` naming what is no run's.
    """
    path = home.root / "champion.json"
    try:
        content = json.loads(path.read_text())
        runs = content["runs"]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); remove it and run again") from error
    strangers = sorted(content.keys() - {"runs"})
    if strangers or not isinstance(runs, list):
        what = f"the key {strangers[0]!r}" if strangers else f"runs = {runs!r}"
        raise DataError(f"{path}: {what} is none of its own; remove the file and run again")
    for run in runs:
        try:
            home.run_folder(str(run))
        except DataError as error:
            raise DataError(f"{path}: {error}. Take it out and run again") from error
    return [str(run) for run in runs]


def _put_first(home: Home, run: str) -> None:
    """Put the champion first. Those that were put before it since were rolled back."""
    history = champions_of(home)
    earlier = history[history.index(run) + 1 :] if run in history else history
    if history[:1] != [run]:
        write_json(home.root / "champion.json", {"runs": [run, *earlier][:KEPT]})


def _runs(home: Home) -> list[str]:
    """Every training run with a record, newest first; their names begin with their time."""
    return sorted((p.parent.name for p in home.runs.glob("*/run.json")), reverse=True)
