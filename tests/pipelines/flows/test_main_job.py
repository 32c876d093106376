"""The main job on a small simulated week, step by step as plain functions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import DataError
from data.schema.tables import FEATURES, IMPRESSIONS, INGESTS, QUARANTINE, RECOMMENDATIONS, SCORES
from models.funnel.funnel_model import FUNNEL_STAGES, FunnelModel
from pipelines.batch.in_force import lines_in_force, note_main_job
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import Settings
from pipelines.evaluation.diagnostics import read_diagnostic
from pipelines.feature_table.build_table import build_features_table
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.ingestion.simulate_log import simulate_log
from pipelines.recommendation.published_pointer import Published, write_published
from pipelines.recommendation.recommend import recommend
from pipelines.reporting.last_screen import print_last_screen
from pipelines.reporting.terminal_summary import print_recommendations, print_scorecard
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import RANKER_MODEL
from pipelines.tracking.tracking import Tracking
from pipelines.training.run_record import load_one, read_record

Finished = tuple[RunContext, str]
DEFAULT_MODELS = Settings().models


def test_every_row_is_an_impression_or_in_quarantine(finished: Finished) -> None:
    lake = finished[0].lake
    ledger = lake.scan(INGESTS.name).collect()
    assert ledger["rows_in"].sum() == lake.rows(IMPRESSIONS.name) + lake.rows(QUARANTINE.name)
    assert lake.rows(FEATURES.name) == lake.rows(IMPRESSIONS.name)


def test_the_same_log_again_changes_nothing(finished: Finished) -> None:
    context, _ = finished
    versions = [context.lake.version(t.name) for t in (IMPRESSIONS, FEATURES)]
    ingest_logs(context, [simulate_log(context)])
    build_features_table(context)
    assert [context.lake.version(t.name) for t in (IMPRESSIONS, FEATURES)] == versions


def test_scorecard_holds_every_model_with_an_interval(finished: Finished) -> None:
    scorecard = json.loads((finished[0].home.report / "scorecard.json").read_text())
    assert {"model", "split", "segment", "metric", "k", "value", "low", "high", "searches"} <= set(
        scorecard[0]
    )
    for model in DEFAULT_MODELS:
        (score,) = [
            s
            for s in scorecard
            if (s["model"], s["segment"], s["metric"]) == (model, "all", "ndcg_at_10")
        ]
        assert score["low"] <= score["value"] <= score["high"]
        assert score["split"] == "test"
    segments = {s["segment"] for s in scorecard}
    assert {"market=rio_de_janeiro", "market=sao_paulo"} <= segments


def test_scores_table_has_every_model_on_validation_and_test(finished: Finished) -> None:
    context, run = finished
    scores = context.lake.scan(SCORES.name).collect()
    windows = read_record(context.home, run).windows
    days = pl.col("ds_search").cast(pl.Int32)
    for split in ("valid", "test"):
        of_split = scores.filter(pl.col("split") == split)
        assert set(of_split["model"]) == set(DEFAULT_MODELS)
        assert of_split.filter(~days.is_between(*windows[split])).is_empty()
    assert scores["score"].is_finite().all()


def test_recommendations_are_eligible_ranked_and_unique(finished: Finished) -> None:
    context, _ = finished
    lake = context.lake
    found = lake.scan(RECOMMENDATIONS.name).collect()
    guests = lake.scan(IMPRESSIONS.name).select("id_user").unique().collect()
    assert found["id_user"].n_unique() >= 0.9 * guests.height
    per_search = found.group_by("id_search").agg(
        pl.col("rank").sort(), pl.col("id_listing").n_unique().alias("listings"), pl.len()
    )
    for ranks, listings, rows in per_search.select("rank", "listings", "len").iter_rows():
        assert list(ranks) == list(range(1, rows + 1))
        assert listings == rows <= 10
    queries = lake.scan(IMPRESSIONS.name).select("id_search", "query_num_guests").unique()
    capacity = (
        lake.scan(IMPRESSIONS.name)
        .group_by("id_listing")
        .agg(pl.col("listing_person_capacity").max())
    )
    checked = found.lazy().join(queries, on="id_search").join(capacity, on="id_listing").collect()
    assert (checked["listing_person_capacity"] >= checked["query_num_guests"]).all()


def test_recommendations_come_from_beyond_the_shown_listings(finished: Finished) -> None:
    found = finished[0].lake.scan(RECOMMENDATIONS.name).collect()
    assert 0 < found["was_shown"].mean() < 1
    assert (found["estimated_total_price"].drop_nulls() > 0).all()


def test_recommending_a_day_again_replaces_it(finished: Finished) -> None:
    context, run = finished
    before = context.lake.scan(RECOMMENDATIONS.name).sort("id_search", "rank").collect()
    recommend(context, run)
    after = context.lake.scan(RECOMMENDATIONS.name).sort("id_search", "rank").collect()
    assert before.equals(after)


def test_mlflow_holds_a_parent_and_a_child_per_model(finished: Finished) -> None:
    context, run = finished
    record = read_record(context.home, run)
    client = context.tracking.client
    parent = client.get_run(record.parent)
    assert parent.data.params["tables.impressions"] == str(record.tables["impressions"])
    assert "windows.test" in parent.data.params
    assert "machine.cores" in parent.data.tags
    for model in DEFAULT_MODELS:
        child = client.get_run(record.children[model])
        assert child.data.tags["mlflow.parentRunId"] == record.parent
        metrics = child.data.metrics
        assert metrics["test.ndcg_at_10_low"] <= metrics["test.ndcg_at_10"]
        assert "test.value_dcg_at_10.market.sao_paulo" in metrics


def test_ranker_is_logged_with_its_settings_and_what_moves_it(finished: Finished) -> None:
    context, run = finished
    record, client = read_record(context.home, run), context.tracking.client
    child = record.children["ranker"]
    params, metrics = client.get_run(child).data.params, client.get_run(child).data.metrics
    ranker = load_one(context, record, "ranker")
    assert isinstance(ranker, FunnelModel)
    assert params["config.in_search"] == ranker.config.in_search
    assert params["features.fingerprint"] == ranker.features.fingerprint
    evidence = {f"evidence.{name}" for name in ranker.evidence}
    assert evidence
    assert {name for name in (*params, *metrics) if name.startswith("evidence.")} == evidence
    explained = {file.path for file in client.list_artifacts(child, "explained")}
    assert {"explained/importance.json", "explained/importance.png"} <= explained
    rival = client.get_run(record.children["lambdarank"]).data
    assert rival.params["features.fingerprint"] == ranker.features.fingerprint
    assert rival.metrics["valid_ndcg_at_10"] > 0


def test_closer_looks_are_at_the_ranker(finished: Finished) -> None:
    context, run = finished
    calibration = read_diagnostic(context.home, run, "calibration")
    ablation = read_diagnostic(context.home, run, "ablation")
    ranker = load_one(context, read_record(context.home, run), "ranker")
    assert isinstance(ranker, FunnelModel)
    assert calibration is not None
    assert ablation is not None
    assert set(calibration["stage"]) == set(FUNNEL_STAGES)
    # Of a group that scoring does not read there is nothing to lose.
    assert set(ablation["group"]) == set(ranker.features_read.groups)


def test_run_whose_process_is_gone_is_marked_as_killed(finished: Finished) -> None:
    tracking = finished[0].tracking
    kept = tracking.start_run("alive", tags={})
    gone = tracking.start_run("gone", tags={})
    tracking.set_tags(gone, {"stayrank.process": "-1"})
    assert tracking.end_abandoned() == 1
    status = {run: tracking.client.get_run(run).info.status for run in (kept, gone)}
    assert status == {kept: "RUNNING", gone: "KILLED"}
    tracking.client.delete_run(kept)
    tracking.client.delete_run(gone)


def test_registered_ranker_serves_the_scores_that_were_judged(finished: Finished) -> None:
    import mlflow

    context, run = finished
    # MLflow's own loader asks the store that was opened last.
    tracking = Tracking.open(context.home)
    record = read_record(context.home, run)
    version = tracking.versions.of_run(RANKER_MODEL, record.children["ranker"])
    aliases = [tracking.versions.at(RANKER_MODEL, alias) for alias in ("champion", "challenger")]
    assert version in aliases
    served = mlflow.pyfunc.load_model(f"models:/{RANKER_MODEL}/{version}")
    rows = (
        context.lake.scan(FEATURES.name)
        .filter(pl.col("search_day") == record.windows["test"][0])
        .sort("id_search", "id_listing")
        .head(40)
        .collect()
    )
    ranked = pl.from_pandas(served.predict(rows.to_pandas()))
    judged = (
        context.lake.scan(SCORES.name)
        .filter(pl.col("model") == "ranker")
        .select("id_search", "id_listing", judged="score")
        .collect()
    )
    both = ranked.join(judged, on=["id_search", "id_listing"])
    assert both.height == 40
    np.testing.assert_allclose(both["score"], both["judged"])


def test_no_pickle_is_written(finished: Finished) -> None:
    found = [
        path
        for path in finished[0].home.root.rglob("*")
        if path.suffix in {".pkl", ".pickle", ".joblib", ".pt"}
    ]
    assert found == []


def test_terminal_shows_every_market_with_intervals_and_g(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    context = RunContext(finished[0].home, finished[0].settings, Console())
    print_scorecard(context)
    print_recommendations(context)
    shown = capsys.readouterr().out
    for part in ("all markets", "rio_de_janeiro", "sao_paulo", "SIMULATED", "G@10"):
        assert part in shown
    assert re.search(r"ranker +\d\.\d{3} \(\d\.\d{3}–\d\.\d{3}\)", shown)


def test_the_last_screen_is_six_rows_and_five_sentences(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    print_last_screen(RunContext(finished[0].home, finished[0].settings, Console()))
    shown = capsys.readouterr().out
    rule = [n for n, line in enumerate(shown.splitlines()) if "───" in line]
    table = shown.splitlines()[rule[0] + 1 :]
    assert table.index(next(line for line in table if not line.strip())) == 6
    assert re.findall(r"^(\d)\. [A-Z]", shown, flags=re.MULTILINE) == list("12345")
    for part in ("SIMULATED DATA", "Recommended by version ", "stayrank scorecard --home"):
        assert part in shown


def test_the_report_opens_on_who_recommends_and_five_sentences(finished: Finished) -> None:
    page = (finished[0].home.report / "index.html").read_text()
    front = page[page.index('id="verdict"') : page.index('class="cards"')]
    assert re.search(r"<p class=\"lead[^>]*>Recommended by version \d+", front)
    topics = re.findall(r"<li><strong[^>]*>([^<]+)\.</strong>", front)
    assert topics == [
        "How much better",
        "Where, and where not",
        "What it costs",
        "What changed",
        "The biggest worry",
    ]
    assert "times the middle price of their search" in front
    # neighbourhoods have names
    market = page[page.index('<h2 id="marketplace">') : page.index('<h2 id="data">')]
    assert "Copacabana" in market
    for title in ("Unmet demand", "Hosts to recruit", "Price guidance"):
        assert f"<h3>{title}</h3>" in market


def test_what_is_in_force_without_a_batch_is_told_with_who_made_it(finished: Finished) -> None:
    context, run = finished
    told = lines_in_force(context)
    assert re.search(r"^in force: the newest day of the table, 20\d\d-\d\d-\d\d: [\d,]+ ", told[0])
    by_hand, with_note = told[1], context.home.root / "recommended.json"
    assert "stayrank run or stayrank recommend, not a scheduled batch, 20" in by_hand
    assert f"training run {run}" in told[2]
    assert any("nothing is published" in line for line in told)
    note_main_job(context)
    try:
        assert "the main job (stayrank run), not a scheduled batch" in lines_in_force(context)[1]
    finally:
        with_note.unlink()


def test_what_is_published_is_told_with_its_batch_and_what_lies_beside_it(
    finished: Finished,
) -> None:
    context, run = finished
    published = Published(
        ds="2026-01-02",
        version=0,
        rows=1_200,
        run=run,
        ranker_version="1",
        published_at="2026-01-02T07:30:00+00:00",
        batch="3f9ac1",
    )
    write_published(context.home, published)
    try:
        told = lines_in_force(context)
    finally:
        (context.home.root / "published.json").unlink()
    assert told[0] == "in force: the published day, 2026-01-02: 1,200 recommendations"
    assert "id 3f9ac1), published 2026-01-02 04:30 (America/Sao_Paulo)" in told[1]
    assert told[-1].startswith("beside it, not published: 20")


def test_where_nothing_was_recommended_nothing_is_in_force(
    tmp_path: Path, small_settings: Settings
) -> None:
    context = RunContext(Home(tmp_path / "none"), small_settings, Console())
    (told,) = lines_in_force(context)
    assert "holds no recommendations, so nothing is in force" in told
    assert not (tmp_path / "none").exists()


def test_report_is_one_page_that_fetches_nothing(finished: Finished) -> None:
    page = (finished[0].home.report / "index.html").read_text()
    assert "Simulated data" in page
    assert page.count("<svg") >= 2
    for fetched in ("<script src", 'rel="stylesheet"', 'src="http', 'href="http', "url(http"):
        assert fetched not in page


@pytest.mark.parametrize(
    "model", ["random", "popularity", "als", "two_tower", "lambdarank", "ranker"]
)
def test_damaged_model_is_named_not_traced(finished: Finished, model: str, tmp_path: Path) -> None:
    context, run = finished
    record = read_record(context.home, run)
    folder = record.folder_of(context.home, model)
    moved = tmp_path / model
    folder.rename(moved)
    try:
        with pytest.raises(DataError, match=model):
            load_one(context, record, model)
    finally:
        moved.rename(folder)
