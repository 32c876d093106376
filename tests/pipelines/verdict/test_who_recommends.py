"""Who recommends, in every standing that a ranker can have."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.config.home import Home, write_json
from pipelines.promotion.decision import Check, GateDecision
from pipelines.tracking.model_registry import CHAMPION, RUN_TAG
from pipelines.verdict.who_recommends import who_would


class Registry:
    """Versions of runs, as MLflow would tell them: run ``1`` made version 1."""

    def __init__(self) -> None:
        self.champion: str | None = None

    def of_run(self, name: str, run_id: str) -> str | None:
        del name
        return run_id.removeprefix("child of ")

    def at(self, name: str, alias: str) -> str | None:
        del name
        return self.champion if alias == CHAMPION else None

    def tags(self, name: str, version: str) -> dict[str, str]:
        del name
        return {RUN_TAG: version}


@pytest.fixture
def context(tmp_path: Path) -> Any:
    home = Home(tmp_path)
    return SimpleNamespace(home=home, tracking=SimpleNamespace(versions=Registry()))


def trained(context: Any, run: str, decision: str | None) -> None:
    """A run whose ranker was ``promoted``, ``refused`` or ``undecided`` by the gate."""
    record = {
        "name": run,
        "parent": "p",
        "children": {"ranker": f"child of {run}"},
        "models": ["ranker"],
        "left_out": {},
        "windows": {},
        "tables": {},
        "seed": 0,
        "tuned": [],
    }
    context.home.run_folder(run).mkdir(parents=True)
    context.home.record_of(run).write_text(json.dumps(record))
    if decision is not None:
        found = GateDecision(
            is_promoted=decision == "promoted",
            against="popularity",
            reason="…",
            primary=Check(
                name="primary",
                is_passed={"promoted": True, "refused": False}.get(decision),
                finding="ndcg_at_10 -0.1 against popularity",
            ),
            has_evidence=decision != "undecided",
        )
        write_json(context.home.run_folder(run) / "promotion.json", found.to_dict())


def test_the_champion_recommends_and_a_newer_one_was_refused(context: Any) -> None:
    trained(context, "1", "promoted")
    trained(context, "2", "refused")
    context.tracking.versions.champion = "1"
    who = who_would(context, "1")
    assert who.text == (
        "recommended by version 1, the champion; version 2 was refused: NDCG@10 of bookings -0.1 "
        "against popularity"
    )
    assert (who.is_champion, who.is_refused) == (True, False)


def test_a_refused_ranker_never_recommends_in_silence(context: Any) -> None:
    trained(context, "1", "refused")
    who = who_would(context, "1")
    assert who.is_refused
    assert who.text == (
        "recommended by version 1, which the gate refused: NDCG@10 of bookings -0.1 against "
        "popularity; there is no champion"
    )


def test_the_undecided_and_the_not_yet_judged_are_no_champions(context: Any) -> None:
    trained(context, "1", "undecided")
    assert "the gate had too little to decide" in who_would(context, "1").text
    trained(context, "2", None)
    assert "version 2 is newer, and the gate has not decided on it" in who_would(context, "1").text
    who = who_would(context, "2")
    assert "on which the gate has not decided; there is no champion" in who.text
    assert not who.is_champion
    assert not who.is_refused


def test_a_champion_that_was_rolled_back_is_not_called_champion(context: Any) -> None:
    trained(context, "1", "promoted")
    trained(context, "2", "promoted")
    context.tracking.versions.champion = "1"
    who = who_would(context, "2")
    assert who.text == (
        "recommended by version 2, which was the champion; now version 1 is the champion"
    )
    assert not who.is_champion


def test_while_mlflow_is_away_the_champion_is_the_one_it_named_last(context: Any) -> None:
    trained(context, "1", "promoted")
    write_json(context.home.root / "champion.json", {"runs": ["1"]})
    assert who_would(context, "1").text == "recommended by version 1, the champion"
