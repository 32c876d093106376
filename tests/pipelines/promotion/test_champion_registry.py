"""The champion in a real registry: damaged files, rollback, two promotions at once."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import DataError
from data.lake.checksums import sha256_of_folder
from pipelines.config.home import Home
from pipelines.promotion.champion_beside import log_champion_beside
from pipelines.promotion.champion_registry import (
    CHALLENGER,
    find_champion,
    promotion_lock,
    record_decision,
    roll_back,
)
from pipelines.promotion.decision import Check, GateDecision
from pipelines.promotion.standings import mark_standings
from pipelines.tracking.model_checksums import damage_of
from pipelines.tracking.model_registry import CHAMPION, RANKER_MODEL, RUN_TAG, TOWER_MODEL
from pipelines.tracking.saved_view import SIMULATED_TAG, STANDING
from pipelines.tracking.tracking import Tracking
from pipelines.training.run_record import RunRecord
from tests.pipelines.evaluation.made_up_scorecard import made_up_scorecard


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with both models and no version: its migrations take seconds."""
    store = Tracking.open(Home(tmp_path_factory.mktemp("empty")).prepare())
    for name in (RANKER_MODEL, TOWER_MODEL):
        store.client.create_registered_model(name)
    return store.home.mlflow_database


@pytest.fixture
def tracking(tmp_path: Path, empty_store: Path) -> Tracking:
    home = Home(tmp_path / "home").prepare()
    shutil.copy(empty_store, home.mlflow_database)
    return Tracking.open(home)


def register(tracking: Tracking, run: str, name: str = RANKER_MODEL) -> str:
    """A version made of one small file, as a run would leave it; returns the MLflow run."""
    run_id = tracking.start_run(run, tags={RUN_TAG: run})
    folder = tracking.home.root / "registered" / name / run
    ranker = folder / "artifacts" / "ranker"
    ranker.mkdir(parents=True)
    (ranker / "booster_0.txt").write_text(f"trees of {run}")
    made = tracking.client.create_model_version(name, str(folder), run_id)
    sums = {f"sha256.{file}": digest for file, digest in sha256_of_folder(ranker).items()}
    tracking.versions.set_tags(name, made.version, {**sums, RUN_TAG: run})
    return run_id


def decision(*, is_promoted: bool) -> GateDecision:
    told = "ndcg_at_10 +0.01" if is_promoted else "no better"
    return GateDecision(
        is_promoted=is_promoted,
        against="popularity",
        reason=told,
        primary=Check(name="primary", is_passed=is_promoted, finding=told),
    )


def file_of(tracking: Tracking, run: str) -> Path:
    root = tracking.home.root / "registered" / RANKER_MODEL
    return root / run / "artifacts" / "ranker" / "booster_0.txt"


def record_of(parent: str) -> RunRecord:
    """A training of which only the name and the MLflow run matter."""
    return RunRecord(
        name="later",
        parent=parent,
        children={},
        models=(),
        left_out={},
        windows={},
        tables={},
        seed=0,
        tuned=(),
    )


def promoted(tracking: Tracking, run: str) -> str:
    run_id = register(tracking, run)
    record_decision(tracking, run_id, decision(is_promoted=True))
    return run_id


def test_decision_stands_as_tags_beside_the_alias(tracking: Tracking) -> None:
    run_id = promoted(tracking, "first")
    assert tracking.versions.at(RANKER_MODEL, CHAMPION) == "1"
    for tags in (
        tracking.versions.tags(RANKER_MODEL, "1"),
        tracking.client.get_run(run_id).data.tags,
    ):
        assert tags["promotion.reason"] == "ndcg_at_10 +0.01"
        assert tags["promotion.check.primary"].startswith("holds")


def test_refused_ranker_becomes_challenger_and_the_champion_stays(tracking: Tracking) -> None:
    promoted(tracking, "first")
    alias = record_decision(tracking, register(tracking, "second"), decision(is_promoted=False))
    assert alias == CHALLENGER
    assert tracking.versions.at(RANKER_MODEL, CHAMPION) == "1"
    assert tracking.versions.at(RANKER_MODEL, CHALLENGER) == "2"


def test_tower_of_the_same_run_follows_the_ranker(tracking: Tracking) -> None:
    for run in ("first", "second"):
        register(tracking, run, TOWER_MODEL)
        promoted(tracking, run)
    assert tracking.versions.at(TOWER_MODEL, CHAMPION) == "2"
    roll_back(tracking, tracking.home)
    assert tracking.versions.at(TOWER_MODEL, CHAMPION) == "1"


def test_no_champion_is_found_where_there_is_none(tracking: Tracking) -> None:
    assert find_champion(tracking).champion is None
    with pytest.raises(DataError, match="no champion"):
        roll_back(tracking, tracking.home)


@pytest.mark.parametrize("harm", ["altered", "deleted", "added"])
def test_damaged_champion_is_named_and_the_previous_one_is_used(
    tracking: Tracking, harm: str
) -> None:
    promoted(tracking, "first")
    promoted(tracking, "second")
    file = file_of(tracking, "second")
    if harm == "altered":
        file.write_text("trees of somebody else")
    elif harm == "deleted":
        file.unlink()
    else:
        file.with_name("extra.txt").write_text("strange")
    found = find_champion(tracking)
    assert found.champion is not None
    assert (found.champion.version, found.champion.run) == ("1", "first")
    (note,) = found.notes
    assert "champion version 2 cannot be used" in note
    assert "txt" in note


def test_every_champion_damaged_leaves_none(tracking: Tracking) -> None:
    promoted(tracking, "first")
    file_of(tracking, "first").unlink()
    found = find_champion(tracking)
    assert found.champion is None
    assert len(found.notes) == 1


def test_rollback_goes_back_step_by_step(tracking: Tracking) -> None:
    for run in ("first", "second", "third"):
        promoted(tracking, run)
    assert roll_back(tracking, tracking.home) == ("3", "2")
    assert roll_back(tracking, tracking.home) == ("2", "1")
    assert tracking.versions.at(RANKER_MODEL, CHAMPION) == "1"
    with pytest.raises(DataError, match="replaced no other"):
        roll_back(tracking, tracking.home)


def standings(tracking: Tracking, *runs: str) -> list[str]:
    return [tracking.client.get_run(run).data.tags.get(STANDING, "") for run in runs]


def test_the_star_in_mlflow_goes_where_the_champion_goes(tracking: Tracking) -> None:
    first, second = promoted(tracking, "first"), promoted(tracking, "second")
    refused, undecided = register(tracking, "third"), register(tracking, "fourth")
    record_decision(tracking, refused, decision(is_promoted=False))
    too_little = replace(decision(is_promoted=False), reason="too little to decide: no guests")
    record_decision(tracking, undecided, too_little)
    never = register(tracking, "fifth")
    assert standings(tracking, first, second, refused, undecided, never) == [
        "champion before",
        "★ champion",
        "refused",
        "undecided",
        "",
    ]
    tracking.set_tags(second, {SIMULATED_TAG: "true"})
    roll_back(tracking, tracking.home)
    assert standings(tracking, first, second) == ["★ champion", "rolled back"]
    text = tracking.client.get_model_version(RANKER_MODEL, "2").description
    assert text.startswith("Rolled back. The funnel")
    assert text.endswith("Trained in run second. The gate on SIMULATED DATA: ndcg\\_at\\_10 +0.01.")


def test_champion_stands_beside_the_models_that_it_was_compared_with(tracking: Tracking) -> None:
    promoted(tracking, "first")
    parent = tracking.start_run("parent", tags={})
    card = made_up_scorecard(["value_dcg_at_10"])
    scores = [replace(s, model="champion") for s in card.scores if s.model == "ranker"]
    beside = replace(card, scores=tuple(scores))
    for _ in range(2):  # decided again after a kill
        log_champion_beside(tracking, record_of(parent), "1", beside)
    mark_standings(tracking)
    query = f"tags.mlflow.parentRunId = '{parent}'"
    (row,) = tracking.client.search_runs([tracking.experiment_id], query)
    assert row.info.run_name == "champion"
    assert row.data.metrics["bookings per 1000 searches"] == 600.0
    assert row.data.tags["95 percent interval"] == "550.0–650.0"
    assert row.data.tags[STANDING] == "★ champion"
    promoted(tracking, "second")
    assert standings(tracking, row.info.run_id) == ["champion before"]


def test_run_that_was_deleted_in_mlflow_is_passed_over(tracking: Tracking) -> None:
    first = promoted(tracking, "first")
    tracking.client.delete_run(first)
    second = promoted(tracking, "second")
    assert standings(tracking, second) == ["★ champion"]


def test_rollback_onto_damaged_files_is_refused(tracking: Tracking) -> None:
    for run in ("first", "second"):
        promoted(tracking, run)
    file_of(tracking, "first").write_text("not it")
    with pytest.raises(DataError, match=r"booster_0\.txt"):
        roll_back(tracking, tracking.home)
    assert tracking.versions.at(RANKER_MODEL, CHAMPION) == "2"


def test_two_promotions_at_once_leave_one_champion(tracking: Tracking) -> None:
    """Each is promoted only where it finds no champion, so the second has to be refused."""
    runs = [register(tracking, name) for name in ("left", "right")]
    together = threading.Barrier(2)
    aliases: list[str | None] = []

    def promote(run_id: str) -> None:
        together.wait()
        with promotion_lock(tracking.home):
            is_first = find_champion(tracking).champion is None
            aliases.append(record_decision(tracking, run_id, decision(is_promoted=is_first)))

    threads = [threading.Thread(target=promote, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, aliases)) == ["challenger", "champion"]
    assert tracking.versions.at(RANKER_MODEL, CHAMPION) in {"1", "2"}


def test_checksums_without_a_record_vouch_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    assert "no recorded checksums" in str(damage_of(tmp_path, {}))
    assert damage_of(tmp_path, sha256_of_folder(tmp_path)) is None
