"""Which run the daily batch recommends with: the gate's champion, and never one it refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import pipelines.promotion.select_serving_run
from data.errors import DataError
from pipelines.config.console import Console
from pipelines.config.home import Home, write_json
from pipelines.config.settings import load_settings
from pipelines.promotion.champion_registry import Champion, ChampionSearch
from pipelines.promotion.decision import Check, GateDecision
from pipelines.promotion.select_serving_run import run_to_recommend_with, select_serving_run
from pipelines.recommendation.published_pointer import Published, write_published
from pipelines.run_context import RunContext
from pipelines.tracking.model_checksums import write_manifest

ALL = ("two_tower", "ranker")


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    return RunContext(home=Home(tmp_path / "home"), settings=load_settings(), console=Console())


@pytest.fixture
def gate_says(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Make the registry name this run's ranker champion, or be away."""

    def say(run: str | None) -> None:
        champion = Champion(version="1", run=run, folder=Path()) if run else None
        found = ChampionSearch(champion=champion)
        monkeypatch.setattr(
            pipelines.promotion.select_serving_run, "find_champion", lambda _: found
        )

    return say


def train(context: RunContext, run: str, models: tuple[str, ...] = ALL) -> None:
    """What a training leaves behind, with models of one line."""
    for model in models:
        folder = context.home.runs / run / "models" / model
        folder.mkdir(parents=True)
        (folder / "model.txt").write_text(f"{model} of {run}")
        write_manifest(folder)
    record = {
        "name": run,
        "parent": "p",
        "children": dict.fromkeys(models, "c"),
        "models": models,
        "left_out": {},
        "windows": {"train": (1, 2), "valid": (3, 3), "test": (4, 4)},
        "tables": {},
        "seed": 0,
        "tuned": (),
    }
    context.home.record_of(run).write_text(json.dumps(record))


def damage(context: RunContext, run: str, model: str = "ranker") -> None:
    (context.home.runs / run / "models" / model / "model.txt").write_text("other bytes")


def of_an_earlier_version(context: RunContext, run: str) -> None:
    """As a run is whose ranker was lambdarank, and whose funnel was a model beside it."""
    train(context, run)
    folder = context.home.runs / run / "models" / "ranker"
    (folder / "ranker.json").write_text("{}")
    write_manifest(folder)


def publish(context: RunContext, run: str) -> None:
    facts = {"published_at": "2026-01-01T00:00:00", "batch": "b", "ranker_version": "1"}
    write_published(context.home, Published(ds="2026-01-01", version=0, rows=1, run=run, **facts))


GateSays = Callable[[str | None], None]


def test_the_gates_champion_is_used_though_a_later_run_was_refused(
    context: RunContext, gate_says: GateSays
) -> None:
    train(context, "1")
    train(context, "2-refused")
    gate_says("1")
    chosen = select_serving_run(context)
    assert chosen is not None
    assert (chosen.run, chosen.standing, chosen.warnings) == ("1", "champion", ())


def test_while_the_registry_is_away_the_last_champion_goes_on(
    context: RunContext, gate_says: GateSays
) -> None:
    train(context, "1")
    train(context, "2-refused")
    gate_says("1")
    select_serving_run(context)
    gate_says(None)
    chosen = select_serving_run(context)
    assert chosen is not None
    assert (chosen.run, chosen.standing) == ("1", "champion")


def test_a_champion_that_was_rolled_back_is_not_fallen_back_to(
    context: RunContext, gate_says: GateSays
) -> None:
    for run in ("1", "2", "3-rolled-back", "2"):
        if not (context.home.runs / run).exists():
            train(context, run)
        gate_says(run)
        select_serving_run(context)
    damage(context, "2")
    chosen = select_serving_run(context)
    assert chosen is not None
    assert (chosen.run, chosen.standing) == ("1", "previous champion")
    assert "champion 2 cannot be used" in chosen.warnings[0]


def test_where_there_was_a_champion_no_refused_run_takes_its_place(
    context: RunContext, gate_says: GateSays
) -> None:
    train(context, "1")
    train(context, "2-refused")
    gate_says("1")
    select_serving_run(context)
    publish(context, "2-refused")
    damage(context, "1")
    with pytest.raises(DataError, match="no trained models are whole"):
        select_serving_run(context)


def test_a_champion_trained_without_a_tower_recommends_with_the_one_before(
    context: RunContext, gate_says: GateSays
) -> None:
    train(context, "1")
    train(context, "2", ("ranker",))
    gate_says("2")
    chosen = select_serving_run(context)
    assert chosen is not None
    assert (chosen.run, chosen.standing) == ("2", "champion")
    damage(context, "1", "two_tower")
    with pytest.raises(DataError, match=r"model\.txt"):
        select_serving_run(context)


@pytest.mark.parametrize("model", ALL)
def test_a_champion_is_whole_when_each_model_that_recommends_is(
    context: RunContext, gate_says: GateSays, model: str
) -> None:
    train(context, "1")
    gate_says("1")
    damage(context, "1", model)
    with pytest.raises(DataError, match=rf"models/{model}/model\.txt"):
        select_serving_run(context)


def test_a_run_of_baselines_alone_recommends_nothing(
    context: RunContext, gate_says: GateSays
) -> None:
    gate_says(None)
    train(context, "1")
    train(context, "2", ("popularity",))
    chosen = select_serving_run(context)
    assert chosen is not None
    assert chosen.run == "1"


def test_without_a_champion_the_run_in_force_goes_before_a_later_one(
    context: RunContext, gate_says: GateSays
) -> None:
    gate_says(None)
    assert select_serving_run(context) is None
    train(context, "1")
    train(context, "2")
    latest = select_serving_run(context)
    publish(context, "1")
    in_force = select_serving_run(context)
    assert latest is not None
    assert in_force is not None
    assert (latest.run, latest.standing) == ("2", "latest")
    assert (in_force.run, in_force.standing) == ("1", "in force")


def decide(context: RunContext, run: str, *, has_evidence: bool) -> None:
    """What the gate writes beside a run that it did not promote."""
    primary = Check(name="primary", is_passed=None if not has_evidence else False, finding="f")
    decision = GateDecision(
        is_promoted=False,
        against="popularity",
        reason="r",
        primary=primary,
        has_evidence=has_evidence,
    )
    write_json(context.home.runs / run / "promotion.json", decision.to_dict())


def chosen_of(context: RunContext) -> tuple[str, str]:
    chosen = select_serving_run(context)
    assert chosen is not None
    return chosen.run, chosen.standing


def test_log_too_small_to_decide_is_served_by_its_newest_run(
    context: RunContext, gate_says: GateSays
) -> None:
    gate_says(None)
    for run in ("1", "2", "3"):
        train(context, run)
        decide(context, run, has_evidence=False)
    publish(context, "1")
    assert chosen_of(context) == ("3", "undecided")
    damage(context, "3")
    assert chosen_of(context) == ("2", "undecided")


def test_refused_run_does_not_take_the_place_of_one_in_force(
    context: RunContext, gate_says: GateSays
) -> None:
    gate_says(None)
    for run, has_evidence in (("1", False), ("2", True)):
        train(context, run)
        decide(context, run, has_evidence=has_evidence)
    assert chosen_of(context) == ("1", "undecided")
    publish(context, "1")
    assert chosen_of(context) == ("1", "in force")


def test_undecided_run_does_not_take_the_place_of_a_champion(
    context: RunContext, gate_says: GateSays
) -> None:
    train(context, "1")
    train(context, "2")
    decide(context, "2", has_evidence=False)
    gate_says("1")
    assert chosen_of(context) == ("1", "champion")


def test_a_champion_of_an_earlier_version_asks_to_train_again(
    context: RunContext, gate_says: GateSays
) -> None:
    of_an_earlier_version(context, "1")
    gate_says("1")
    with pytest.raises(DataError, match=r"champion 1 cannot be used: .*Train again"):
        select_serving_run(context)


def test_a_champion_of_an_earlier_version_keeps_no_later_run_from_recommending(
    context: RunContext, gate_says: GateSays
) -> None:
    of_an_earlier_version(context, "1")
    publish(context, "1")
    train(context, "2")
    gate_says("1")
    chosen = select_serving_run(context)
    assert chosen is not None
    assert (chosen.run, chosen.standing) == ("2", "latest")
    assert "champion 1 cannot be used" in chosen.warnings[0]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"runs": ["../../elsewhere"]}, "'../../elsewhere'"),
        ({"runs": ["/etc"]}, "'/etc'"),
        ({"runs": [".."]}, "'..'"),
        ({"runs": [""]}, "''"),
        ({"runs": "2026-01-20"}, "runs = '2026-01-20'"),
        ({"runs": [], "more": 1}, "the key 'more'"),
        ([], "champion.json"),
    ],
)
def test_what_does_not_belong_into_the_list_of_champions_is_refused_by_name(
    context: RunContext, gate_says: Callable[[str | None], None], content: object, named: str
) -> None:
    gate_says(None)
    train(context, "2026-01-20")
    write_json(context.home.root / "champion.json", content)
    with pytest.raises(DataError, match=r"champion\.json: ") as refused:
        select_serving_run(context)
    assert named in str(refused.value)


@pytest.mark.parametrize("run", ["../../elsewhere", "/etc/x", "..", "a\\b", "a\0b"])
def test_a_published_run_that_leads_out_of_the_runs_is_refused(
    context: RunContext, gate_says: Callable[[str | None], None], run: str
) -> None:
    gate_says(None)
    train(context, "2026-01-20")
    published = Published(
        ds="2026-01-20",
        version=1,
        rows=1,
        run=run,
        ranker_version="1",
        published_at="",
        batch="",
    )
    write_published(context.home, published)
    with pytest.raises(DataError, match=r"published\.json: cannot be read .* is no name of a"):
        select_serving_run(context)


def test_by_hand_and_in_the_main_job_the_champion_recommends_too(
    context: RunContext, gate_says: GateSays
) -> None:
    train(context, "1")
    train(context, "2-refused")
    context.home.set_latest_run("2-refused")
    gate_says("1")
    assert run_to_recommend_with(context).run == "1"
    damage(context, "1")
    # rather nothing than a ranker that the gate refused
    with pytest.raises(DataError, match="no trained models are whole"):
        run_to_recommend_with(context)


def test_models_that_were_trained_apart_recommend_where_there_is_no_champion(
    context: RunContext, gate_says: GateSays
) -> None:
    gate_says(None)
    with pytest.raises(DataError, match="stayrank train"):
        run_to_recommend_with(context)
    train(context, "1", ("ranker",))
    train(context, "2", ("two_tower",))
    context.home.set_latest_run("2")
    assert run_to_recommend_with(context).run == "2"
