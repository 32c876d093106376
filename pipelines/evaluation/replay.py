"""Replay: lists as they would have been published on past mornings, against what followed.

For each day of the run's test window, lists are made from what was known on its morning, for the
guests who came back that day; then it is counted which of the listings that they clicked,
contacted and booked that day stood in their first 10 and 20. The models learnt from earlier
days alone. Works on any log with guests.

Guests can only take what they were shown, so that a list close to what the production ranker
shows scores well for that alone: a replay says less than an experiment, and points the same way
as the truth where both are known (docs/results.md).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from data.errors import DataError
from data.schema.tables import CLICKED, IMPRESSIONS
from models.evaluation.ratio_metric import RatioMetric
from models.evaluation.recommended_lists import (
    Lists,
    ListScoreSettings,
    Takes,
    pooled,
    replay_metrics,
    scores_of,
    takes_of,
)
from models.evaluation.scorecard import Score
from pipelines.evaluation.previous_way import retrieved_lists
from pipelines.evaluation.rival_lists import OURS, RIVALS, rival_lists
from pipelines.recommendation.recommend import recommended_on
from pipelines.recommendation.recommended import Recommended
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record

__all__ = ["replay"]

_RETRIEVED = "retrieved"


def replay(context: RunContext, run: str) -> tuple[Score, ...]:
    """Scores of the replay over the test window; none where the log names no guests.

    None either where nobody came back on these days.
    """
    impressions = context.lake.scan(IMPRESSIONS.name)
    if "id_user" not in impressions.collect_schema().names():
        return ()
    first, last = read_record(context.home, run).windows["test"]
    days: list[dict[str, list[RatioMetric]]] = []
    guests: list[pl.Series] = []
    for day in range(first, last + 1):
        found = _of_day(context, run, impressions, day)
        if found is not None:
            days.append(found[0])
            guests.append(found[1])
    if not days:
        return ()
    models = [m for m in (OURS, *RIVALS, _RETRIEVED) if all(m in metrics for metrics in days)]
    per_model = {m: pooled([metrics[m] for metrics in days]) for m in models}
    # A guest of two days is one cluster.
    codes = pl.concat(guests).rank("dense").to_numpy().astype(np.int64) - 1
    settings = ListScoreSettings(
        rivals=tuple(m for m in models if m != OURS),
        split="replay",
        replicates=context.settings.evaluation.replicates,
        seed=context.settings.seed,
    )
    return scores_of(per_model, codes, settings, takes_of(per_model[OURS]))


def _of_day(
    context: RunContext, run: str, impressions: pl.LazyFrame, day: int
) -> tuple[dict[str, list[RatioMetric]], pl.Series] | None:
    """Metrics by model and the guests of a day; ``None`` where nobody came back."""
    taken = impressions.filter(pl.col("search_day") == day, pl.col("id_user").is_not_null())
    rows = taken.select("id_user", "market", "id_listing", "stage").collect(engine="streaming")
    try:
        made = recommended_on(context, run, day, guests=rows["id_user"].unique())
    except DataError:
        return None
    before = impressions.filter(pl.col("search_day") < day)
    lists = rival_lists(made, before, seed=context.settings.seed)
    retrieved = retrieved_lists(context, run, made, before)
    if retrieved is not None:
        lists[_RETRIEVED] = retrieved
    takes = _takes(made, rows.filter(pl.col("stage") >= int(CLICKED)))
    queries = made.source.queries.height
    metrics = {name: _hits(of_model, takes, queries) for name, of_model in lists.items()}
    return metrics, made.source.queries["id_user"]


def _hits(lists: Lists, takes: Takes, queries: int) -> list[RatioMetric]:
    return replay_metrics(lists, takes, queries=queries)


def _takes(made: Recommended, rows: pl.DataFrame) -> Takes:
    """What the guests took; a listing that the morning did not know gets a code of its own."""
    asking = made.source.queries.select("id_user").with_row_index("query")
    known = made.source.catalogue.select("market", "id_listing").with_row_index("listing")
    joined = rows.join(asking, on="id_user").join(
        known, on=["market", "id_listing"], how="left", maintain_order="left"
    )
    unknown = pl.concat_str("market", "id_listing", separator="/").rank("dense")
    beyond = made.source.catalogue.height + unknown.cast(pl.Int64)
    code = pl.coalesce(pl.col("listing").cast(pl.Int64), beyond)
    joined = joined.with_columns(code=code)
    return Takes(
        query_T=joined["query"].cast(pl.Int64).to_numpy(),
        listing_T=joined["code"].to_numpy(),
        stage_T=joined["stage"].cast(pl.Int64).to_numpy(),
    )
