"""Who made a list: the sentence of :mod:`pipelines.verdict.who_recommends`, for its version."""

from __future__ import annotations

from pipelines.promotion.select_serving_run import ServingRun
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import RANKER_MODEL, RUN_TAG
from pipelines.verdict.who_recommends import who_would

__all__ = ["made_by", "recommends_now"]


def made_by(context: RunContext, ranker_version: str) -> str:
    """Who made rows with this ``ranker_version``, and which newer ranker did not."""
    run: str | None = ranker_version
    # Where MLflow was away a run's name stands in the place of a version.
    if ranker_version.isdigit():
        run = context.tracking.versions.tags(RANKER_MODEL, ranker_version).get(RUN_TAG)
    if run is None:
        return _sentence(f"recommended by version {ranker_version}")
    return _sentence(who_would(context, run).text)


def recommends_now(context: RunContext, serving: ServingRun) -> list[str]:
    """Who recommends what is asked now, and what keeps a better one from it."""
    return [_sentence(text) for text in (who_would(context, serving.run).text, *serving.warnings)]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
