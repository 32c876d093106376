"""Score the validation and test windows with every model, and write the scorecard."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from data.contract import IMPRESSIONS, INGESTS, SCORES, TRUTH
from data.split import Windows
from models.evaluation.config import EvaluationConfig
from models.evaluation.context import Context
from models.evaluation.evaluate import evaluate as evaluate_scores
from models.evaluation.honesty import Provenance
from models.evaluation.maturity import (
    DayMaturity,
    label_maturity,
    maturity_warning,
    window_maturity,
)
from models.evaluation.oracle import CEILINGS
from models.evaluation.scorecard import Scorecard
from models.evaluation.segments import SegmentColumns
from models.recommender import Recommender, Scores
from models.two_tower.recommender import TwoTower
from pipelines.home import write_json
from pipelines.promotion import decide, promote
from pipelines.steps.arrow import arrow, frame_of
from pipelines.steps.context import RunContext
from pipelines.steps.featuring import feature_set_of
from pipelines.steps.retrieval import retrieval_scores
from pipelines.steps.rows import SplitRows, judged_rows
from pipelines.steps.training import RunRecord, load_models, read_record

__all__ = ["evaluate"]

REFERENCE = "popularity"


@dataclass(frozen=True)
class Judging:
    """What an evaluation works on: the run, its models, and the rows of its windows."""

    record: RunRecord
    models: Mapping[str, Recommender]
    rows: SplitRows


def evaluate(context: RunContext, run: str) -> Scorecard:
    """Judge a run's models on its test window, on all listings that each search showed.

    Writes the ``scores`` table (validation and test windows) and the scorecard as
    ``reports/latest/scorecard.json`` and ``.parquet``.
    """
    record = read_record(context.home, run)
    with context.console.step("loading the rows to judge"):
        models = load_models(context, record)
        judging = Judging(
            record, models, judged_rows(context, Windows(**record.windows), feature_set_of(context))
        )
    with context.console.step("scoring"):
        scores = _score_windows(context, judging)
    with context.console.step("measuring, with intervals"):
        scorecard = evaluate_scores(
            _with_position(context, judging.rows.test),
            scores["test"],
            split="test",
            reference=REFERENCE,
            config=EvaluationConfig(
                replicates=context.settings.evaluation.replicates, seed=record.seed
            ),
            truth=_truth(context, judging.rows.test),
            context=Context(
                provenance=_provenance(context, record),
                columns=SegmentColumns(returning="guest_past_searches"),
            ),
        )
    with context.console.step("measuring retrieval over the catalogue"):
        retrieval = retrieval_scores(context, judging.models, judging.rows)
    whole = Scorecard(scores=(*scorecard.scores, *retrieval), honesty=scorecard.honesty)
    _write(context, whole)
    _log(context, record, whole)
    if "ranker" in record.children:
        decision = decide(whole)
        alias = promote(context.tracking, record.children["ranker"], decision)
        context.console.say(f"ranker is {alias or 'not registered'}: {decision.reason}")
    return whole


def _score_windows(context: RunContext, judging: Judging) -> dict[str, dict[str, Scores]]:
    windows = {"valid": judging.rows.valid, "test": judging.rows.test}
    scores = {
        split: {name: _score(model, judging.rows, split) for name, model in judging.models.items()}
        for split in windows
    }
    frames = [
        _scores_frame(rows, split, name, scores[split][name])
        for split, rows in windows.items()
        for name in judging.models
    ]
    context.lake.replace_all(SCORES.name, pl.concat(frames).lazy())
    return scores


def _score(model: Recommender, rows: SplitRows, split: str) -> Scores:
    """Scores of a window; the tower also remembers what happened earlier in that window."""
    judged = rows.valid if split == "valid" else rows.test
    if isinstance(model, TwoTower) and split == "test":
        model = model.remembering(judged)
    return model.score(judged)


def _scores_frame(rows: pa.Table, split: str, model: str, scores: Scores) -> pl.DataFrame:
    keys = pl.DataFrame(
        pl.from_arrow(rows.select(["id_search", "id_listing", "market", "ds_search"]))
    )
    return keys.with_columns(
        pl.lit(split).alias("split"),
        pl.lit(model).alias("model"),
        pl.Series("score", np.asarray(scores, dtype=np.float64)),
    )


def _with_position(context: RunContext, rows: pa.Table) -> pa.Table:
    """The rows with ``position`` where the log has one: to judge by, never to score with."""
    if "position" not in context.lake.columns(IMPRESSIONS.name):
        return rows
    keys = frame_of(rows.select(["id_search", "id_listing"])).lazy()
    shown = context.lake.scan(IMPRESSIONS.name).select("id_search", "id_listing", "position")
    joined = keys.join(shown, on=["id_search", "id_listing"], how="left", maintain_order="left")
    found = arrow(joined.collect(engine="streaming"))
    return rows.append_column("position", found["position"])


def _truth(context: RunContext, rows: pa.Table) -> dict[str, Scores] | None:
    """The simulator's probabilities of these rows, where the log is a simulated one."""
    if not context.lake.exists(TRUTH.name):
        return None
    keys = frame_of(rows.select(["id_search", "id_listing"]))
    names = list(CEILINGS.values())
    truth = context.lake.scan(TRUTH.name).select("id_search", "id_listing", *names)
    joined = keys.lazy().join(
        truth, on=["id_search", "id_listing"], how="left", maintain_order="left"
    )
    found = joined.collect(engine="streaming")
    if found.height != rows.num_rows or any(found[name].null_count() for name in names):
        return None
    return {name: found[name].to_numpy() for name in names}


def _provenance(context: RunContext, record: RunRecord) -> Provenance:
    ledger = context.lake.scan(INGESTS.name).select("source", "is_simulated").collect()
    maturity = _maturity(context)
    warning = maturity_warning(maturity, record.windows["test"])
    return Provenance(
        source=", ".join(sorted(set(ledger["source"]))),
        is_simulated=bool(ledger["is_simulated"].any()),
        tuned=record.tuned,
        label_maturity=window_maturity(maturity, record.windows["test"], outcome="book"),
        warnings=(warning,) if warning else (),
    )


def _maturity(context: RunContext) -> list[DayMaturity]:
    """How complete each day's outcomes are, estimated from the delays in the log itself."""
    impressions = context.lake.scan(IMPRESSIONS.name)
    present = impressions.collect_schema().names()
    days = [c for c in ("search_day", "contact_day", "book_day") if c in present]
    return label_maturity(arrow(impressions.select(days).collect(engine="streaming")))


def _write(context: RunContext, scorecard: Scorecard) -> None:
    folder = context.home.report
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "scorecard.json", scorecard.to_records())
    write_json(folder / "honesty.json", scorecard.honesty.to_dict())
    pl.DataFrame(pl.from_arrow(scorecard.to_arrow())).write_parquet(folder / "scorecard.parquet")


def _log(context: RunContext, record: RunRecord, scorecard: Scorecard) -> None:
    """Each model's figures to its own run, the panel to the parent."""
    tracking = context.tracking
    for model, child in record.children.items():
        tracking.log_metrics(child, _metrics_of(scorecard, model))
    tracking.describe(record.parent, scorecard.honesty.markdown())
    for name in ("scorecard.json", "scorecard.parquet", "honesty.json"):
        tracking.log_artifacts(record.parent, context.home.report / name)


def _metrics_of(scorecard: Scorecard, model: str) -> list[tuple[str, float, int]]:
    found: list[tuple[str, float, int]] = []
    for score in scorecard.scores:
        if score.model != model:
            continue
        name = f"{score.split}.{score.metric}" + _suffix(score.segment)
        ends: dict[str, Any] = {"": score.value, "_low": score.low, "_high": score.high}
        found += [(name + end, value, 0) for end, value in ends.items() if value is not None]
    return found


def _suffix(segment: str) -> str:
    """MLflow takes letters, digits, and ``_-.:/`` in a name, and no ``=`` or ``+``."""
    words = segment.replace("=", ".").replace("+", "_or_more")
    return "" if segment == "all" else "." + re.sub(r"[^\w\-.:/ ]", "_", words)
