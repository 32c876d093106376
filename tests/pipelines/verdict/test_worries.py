"""Worries: the gravest first, nothing that is well among them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import pipelines.verdict.worries
from data.lake.store import Lake
from data.schema.tables import IMPRESSIONS, QUALITY, QUARANTINE
from pipelines.config.settings import load_settings
from pipelines.monitoring.measures import Measure, as_frame
from pipelines.promotion.decision import Check, GateDecision
from pipelines.verdict.cost import what_it_costs
from pipelines.verdict.how_good import how_much_better
from pipelines.verdict.who_recommends import WhoRecommends
from pipelines.verdict.worries import Worry, biggest_worry, worries_of
from tests.pipelines.evaluation.made_up_scorecard import made_up_scorecard

VALUE = "value_dcg_at_10"
CHAMPION = WhoRecommends(
    run="r", name="version 1", is_champion=True, is_refused=False, text="recommended by version 1"
)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A home without a table, whose outcomes are all there."""
    monkeypatch.setattr(pipelines.verdict.worries, "maturity_of_log", lambda _: [])
    return SimpleNamespace(lake=Lake(tmp_path), settings=load_settings())


def found(context: Any, who: WhoRecommends = CHAMPION, **honesty: Any) -> tuple[Worry, ...]:
    card = made_up_scorecard((VALUE,))
    card = replace(card, honesty=replace(card.honesty, **honesty))
    decision = GateDecision(
        is_promoted=True,
        against="popularity",
        reason="promoted",
        primary=Check(name="primary", is_passed=True, finding="better"),
        guardrails=(Check(name="latency", is_passed=None, finding="nothing to compare with"),),
    )
    told = (how_much_better(card), what_it_costs(card))
    return worries_of(context, card, who, decision, told)


def test_a_sound_home_has_no_worry_and_says_what_was_looked_at(context: Any) -> None:
    worries = found(context)
    assert worries == ()
    sentence = biggest_worry(worries)
    assert sentence.text.startswith("none was found in the comparison with popularity")
    assert sentence.mood == "good"


def test_a_refused_ranker_that_recommends_is_graver_than_a_warning(context: Any) -> None:
    refused = replace(
        CHAMPION, is_champion=False, is_refused=True, text="recommended by version 4, refused"
    )
    worries = found(context, refused, warnings=("the window is short",), booked=12)
    assert [worry.heading for worry in worries] == [
        "Who recommends",
        "Warnings of the evaluation",
        "Small numbers",
    ]
    assert biggest_worry(worries).text == (
        "a refused ranker recommends: recommended by version 4, refused (2 more in the report)"
    )


def test_quarantine_and_drift_are_worries_only_beyond_their_limits(context: Any) -> None:
    log = {"market": ["rio"] * 99, "ds_search": date(2026, 1, 1), "id_search": "s"}
    context.lake.replace_all(IMPRESSIONS.name, pl.DataFrame(log))
    quarantine = {"ds_ingested": date(2026, 1, 1), "source_id": "s"}
    day: dict[str, Any] = {"market": "rio", "ds": date(2026, 1, 2), "kind": "psi", "high": 0.1}

    def write(rows: int, *, is_flagged: bool) -> None:
        columns = {name: [value] * rows for name, value in quarantine.items()}
        context.lake.replace_all(QUARANTINE.name, pl.DataFrame(columns))
        measure = Measure(**day, name="price", value=0.3, is_flagged=is_flagged)
        context.lake.replace_all(QUALITY.name, as_frame([measure]))

    write(1, is_flagged=False)
    assert found(context) == ()
    write(30, is_flagged=True)
    assert [worry.heading for worry in found(context)] == ["Quarantine", "Drift and data quality"]
