"""The table of the last screen: at most six models, the best first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipelines.reporting.last_screen import FIRST_SHOWN, six_rows
from tests.pipelines.evaluation.made_up_scorecard import made_up_scorecard, score_of

VALUE = "value_dcg_at_10"


def test_at_most_six_models_are_shown_with_popularity_among_them_and_the_best_first() -> None:
    names = [*reversed(FIRST_SHOWN), "somebody_elses"]
    alone: dict[str, Any] = {"difference": None, "difference_low": None, "difference_high": None}
    scores = tuple(
        replace(score_of("random", VALUE, value=0.3 + place / 100, **alone), model=name)
        for place, name in enumerate(names)
    )
    rows = six_rows(replace(made_up_scorecard(()), scores=scores))
    assert {name for name, _ in rows} == set(FIRST_SHOWN[:6])
    values = [figures[VALUE].value for _, figures in rows if figures[VALUE] is not None]
    assert values == sorted(values, reverse=True)


def test_a_few_models_are_all_shown_and_none_where_nothing_can_be_ranked() -> None:
    assert [name for name, _ in six_rows(made_up_scorecard((VALUE,)))] == [
        "ranker",
        "popularity",
        "random",
    ]
    assert six_rows(made_up_scorecard((VALUE,), nothing_ranked="one result each")) == []
