"""Nothing that judges the test window, or was chosen before it, knows its outcomes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import polars.testing
import pytest

from data.schema.tables import BOOKED, FEATURES, IMPRESSIONS
from data.time_split import Windows
from features.labels import lower_labels
from models.recommender import Recommender
from models.row_source import read_all
from pipelines.config.home import Home
from pipelines.evaluation.retrieval_recall import (
    ALS_WITH_MEMORY,
    CANDIDATES,
    asked_of,
    lists_retrieved,
)
from pipelines.evaluation.score_windows import score_of_window
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.feature_table.build_table import build_features_table, feature_set_of
from pipelines.feature_table.training_rows import SplitRows, evaluation_rows
from pipelines.recommendation.candidate_retrieval import listing_prior
from pipelines.run_context import RunContext
from pipelines.training.exposure_policy import log_scores
from pipelines.training.run_record import load_models, read_record
from pipelines.training.train import train

Finished = tuple[RunContext, str]
OUTCOMES = ("stage", "contact_day", "book_day")


def booked_from(second: int) -> dict[str, pl.Expr]:
    """Outcome columns in which everything shown from this second on was booked at once."""
    is_later = pl.col("search_s") >= second
    day = pl.when(is_later).then("search_day")
    return {
        "stage": pl.when(is_later).then(pl.lit(int(BOOKED))).otherwise("stage").cast(pl.Int8),
        "contact_day": day.otherwise("contact_day"),
        "book_day": day.otherwise("book_day"),
    }


def judged(context: RunContext, run: str) -> tuple[SplitRows, dict[str, Recommender]]:
    record = read_record(context.home, run)
    rows = evaluation_rows(context, Windows(**record.windows), feature_set_of(context))
    return replace(rows, valid=read_all(rows.valid)), load_models(context, record)


def test_what_is_retrieved_for_a_search_knows_no_outcome_of_it_or_after_it(
    finished: Finished,
) -> None:
    rows, models = judged(*finished)
    taken = frame_of(rows.test).filter(pl.col("stage") > 0)["search_s"].sort()
    noon = int(taken[len(taken) // 2])  # a search with an outcome, so that it may not know its own
    later = frame_of(rows.test).with_columns(**booked_from(noon))
    altered = replace(rows, test=arrow(later.select(rows.test.column_names)))
    prior = listing_prior(rows.valid, log_scores(models["ranker"].score(rows.valid)))
    asked, asked_later = asked_of(rows), asked_of(altered)
    assert asked is not None
    assert asked_later is not None
    found = dict(lists_retrieved(finished[0], models, rows, asked, prior=prior))
    other = dict(lists_retrieved(finished[0], models, altered, asked_later, prior=prior))
    early = asked.queries.filter(pl.col("search_s") <= noon).select("id_search")
    assert early.height > 20
    assert {CANDIDATES, ALS_WITH_MEMORY} <= set(found)
    for model in found:
        before, after = (
            frame_of(lists[model]).join(early, on="id_search", how="semi").sort("id_search", "rank")
            for lists in (found, other)
        )
        assert before.equals(after), model


@pytest.fixture(scope="module")
def trained_on_another_test_day(
    finished: Finished, tmp_path_factory: pytest.TempPathFactory
) -> Finished:
    """The same week but for its test day, on which everything was booked, and for what
    became of earlier searches only then; trained anew."""
    before, run = finished
    windows = Windows(**read_record(before.home, run).windows)
    impressions = before.lake.scan(IMPRESSIONS.name).collect()
    known = lower_labels(impressions, windows.label_cutoff_day)
    is_judged = pl.col("search_day") >= windows.test[0]
    second = impressions.filter(is_judged)["search_s"].min()
    altered = pl.concat([known.filter(~is_judged), impressions.filter(is_judged)])
    altered = altered.with_columns(**booked_from(second)).select(impressions.columns)
    assert not altered.select(OUTCOMES).equals(impressions.select(OUTCOMES))
    home = Home(Path(tmp_path_factory.mktemp("another")))
    context = RunContext(home=home, settings=before.settings, console=before.console)
    context.lake.replace_partitions(IMPRESSIONS.name, altered)
    build_features_table(context)
    return context, train(context)


@pytest.mark.slow
def test_models_and_what_is_chosen_on_validation_do_not_know_the_test_day(
    finished: Finished, trained_on_another_test_day: Finished
) -> None:
    (rows, models), (other_rows, others) = (
        judged(*given) for given in (finished, trained_on_another_test_day)
    )
    keys = ["id_search", "id_listing"]
    order, other_order = (
        frame_of(given.valid.select(keys)).with_row_index("at").sort(keys)["at"].to_numpy()
        for given in (rows, other_rows)
    )
    assert models.keys() == others.keys()
    for name in models:
        score = score_of_window(models[name], rows, "valid")[order]
        other = score_of_window(others[name], other_rows, "valid")[other_order]
        # Float32 sums in another order of the rows. Of their spread: probabilities are small.
        np.testing.assert_allclose(score, other, atol=1e-4 * score.std(), err_msg=name)
    priors = [
        listing_prior(given.valid, log_scores(trained["ranker"].score(given.valid)))
        for given, trained in ((rows, models), (other_rows, others))
    ]
    pl.testing.assert_frame_equal(*priors)
    for chosen in ("exposure.json", "availability/availability.json"):
        texts = [
            (context.home.runs / run / chosen).read_text()
            for context, run in (finished, trained_on_another_test_day)
        ]
        assert texts[0] == texts[1], chosen


@pytest.mark.slow
def test_the_other_test_day_is_another_to_the_features_that_may_know_it(
    finished: Finished, trained_on_another_test_day: Finished
) -> None:
    """The check of the check: within the test day, what has happened is known."""
    name = "guest_past_clicks"
    day = read_record(finished[0].home, finished[1]).windows["test"][0]
    sums = [
        context.lake.scan(FEATURES.name)
        .filter(pl.col("search_day") == day)
        .select(pl.col(name).sum())
        .collect()
        .item()
        for context in (finished[0], trained_on_another_test_day[0])
    ]
    assert sums[1] > sums[0]
