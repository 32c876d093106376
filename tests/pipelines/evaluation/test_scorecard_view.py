"""How figures are written: scaled, with their interval, or not at all when too few."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from data.errors import DataError
from models.evaluation.scorecard import Scorecard
from pipelines.config.console import Console
from pipelines.config.home import Home, write_json
from pipelines.config.settings import SettingsError, load_settings
from pipelines.evaluation.publish_scorecard import headline_metrics, metrics_of
from pipelines.evaluation.scorecard_view import (
    figure,
    headline,
    metrics_shown,
    primary_metric,
    read_scorecard,
    searches_line,
    segments_shown,
    table_rows,
    value_in_words,
)
from pipelines.reporting.charts.scorecard_charts import g_bars, metric_by_cutoff, metric_by_model
from pipelines.reporting.terminal_summary import print_scorecard
from pipelines.run_context import RunContext
from tests.pipelines.evaluation.made_up_scorecard import VALUES, made_up_scorecard, score_of

VALUE, NDCG, GRADED = "value_dcg_at_10", "ndcg_at_10", "graded_ndcg_at_10"
EVERY = (VALUE, NDCG, GRADED, "mrr", "recall_at_10")
WITHOUT_VALUE = EVERY[1:]
NOTHING = "nothing can be ranked: 200 searches with one result"


def printed(scorecard: Scorecard, folder: Path, markets: Sequence[str] = ()) -> str:
    """What ``stayrank scorecard`` prints."""
    home = Home(folder)
    home.report.mkdir(parents=True)
    write_json(home.report / "scorecard.json", scorecard.to_records())
    write_json(home.report / "honesty.json", scorecard.honesty.to_dict())
    written = StringIO()
    console = Console(out=RichConsole(file=written, width=200))
    print_scorecard(RunContext(home=home, settings=load_settings(), console=console), markets)
    return written.getvalue()


def test_value_comes_first_in_bookings_per_thousand_searches() -> None:
    card = made_up_scorecard(EVERY)
    assert primary_metric(card) == VALUE
    assert list(metrics_shown(card)) == [VALUE, NDCG, "mrr", "recall_at_10"]
    assert metrics_shown(card)[VALUE] == "value DCG@10, bookings per 1,000 searches"
    small = score_of("ranker", VALUE, value=0.0314, low=0.0298, high=0.033, difference=None)
    assert figure(replace(small, difference_low=None, difference_high=None)) == "31.4 (29.8–33.0)"


def test_value_learnt_from_contacts_is_not_called_bookings() -> None:
    card = made_up_scorecard(EVERY)
    provenance = replace(card.honesty.provenance, worth_outcome="contact")
    card = replace(card, honesty=replace(card.honesty, provenance=provenance))
    assert metrics_shown(card)[VALUE] == "value DCG@10, contacts per 1,000 searches"
    assert value_in_words(card).startswith("value DCG@10: expected contacts per 1,000 searches")
    assert value_in_words(made_up_scorecard(WITHOUT_VALUE)) == ""


def test_scorecard_of_before_the_value_is_shown_by_its_bookings() -> None:
    card = made_up_scorecard(WITHOUT_VALUE, clusters=None)
    assert primary_metric(card) == NDCG
    assert list(metrics_shown(card)) == [NDCG, "mrr", "recall_at_10"]
    assert headline(card) == (
        "ranker against popularity: NDCG@10 +0.1000 (95% interval +0.0200 to +0.1800), "
        "200 searches with a booking"
    )


def test_headline_gives_the_value_in_percent_and_then_the_bookings() -> None:
    assert headline(made_up_scorecard(EVERY)) == (
        "ranker against popularity: "
        "value DCG@10 +20.0% (95% interval +4.0% to +36.0%), 200 searches of 150 guests; "
        "NDCG@10 +0.1000 (95% interval +0.0200 to +0.1800), "
        "200 searches with a booking of 150 guests"
    )


def test_headline_without_an_interval_says_that_none_can_be_given() -> None:
    card = made_up_scorecard(
        [NDCG], low=None, high=None, difference_low=None, difference_high=None, clusters=1
    )
    assert headline(card) == (
        "ranker against popularity: NDCG@10 +0.1000 (no interval can be given), "
        "200 searches with a booking of 1 guest"
    )


def test_few_bookings_hand_over_to_the_actions() -> None:
    bookings = made_up_scorecard([NDCG], searches={"all": 3, "market=rio": 2, "market=sampa": 1})
    actions = made_up_scorecard([GRADED])
    card = replace(actions, scores=(*bookings.scores, *actions.scores))
    assert primary_metric(card) == GRADED
    assert GRADED in metrics_shown(card)
    assert primary_metric(bookings) == NDCG


@pytest.mark.parametrize(("searches", "n"), [(2, "2"), (9, "9"), (0, "0")])
def test_figure_of_few_searches_is_no_number(searches: int, n: str) -> None:
    score = score_of("random", NDCG, value=0.0, low=0.0, high=0.0, searches=searches)
    assert figure(score) == f"too few (n = {n})"
    assert figure(replace(score, searches=10)) != f"too few (n = {n})"


def test_one_search_is_one_search() -> None:
    card = made_up_scorecard(WITHOUT_VALUE, searches={"market=rio": 1})
    assert searches_line(card, "market=rio") == "1 test search with a booking"
    assert searches_line(card, "all") == "200 test searches with a booking"
    assert searches_line(card, "market=nowhere") == "no test search that can be ranked"
    assert searches_line(made_up_scorecard(EVERY), "all") == "200 test searches, 200 with a booking"


def test_of_many_markets_those_of_few_searches_are_not_shown() -> None:
    markets = {f"market=m{i}": 20 + i for i in range(5)} | {"market=tiny": 9}
    shown = segments_shown(made_up_scorecard([NDCG], searches=markets))
    assert shown == ["all", "market=m3", "market=m4", "market=rio", "market=sampa"]


def test_rows_of_a_table_are_in_the_order_of_the_primary_metric() -> None:
    assert [model for model, _ in table_rows(made_up_scorecard(EVERY), "all")] == list(VALUES)


def test_terminal_prints_the_value_its_meaning_and_no_number_for_a_tiny_market(
    tmp_path: Path,
) -> None:
    text = printed(made_up_scorecard(EVERY, searches={"market=sampa": 2}), tmp_path)
    assert "600.0 (550.0–650.0)" in text
    assert "expected bookings per 1,000 searches from the first ten places" in text
    tiny = text[text.index("sampa: 2 test searches") : text.index("ranker against")]
    assert tiny.count("too few (n = 2)") == len(VALUES) * 4
    assert "0.6" not in tiny


def test_terminal_says_that_nothing_can_be_ranked_instead_of_tables(tmp_path: Path) -> None:
    card = made_up_scorecard([], nothing_ranked=NOTHING)
    text = printed(card, tmp_path)
    assert NOTHING in text.splitlines()
    assert "1.000" not in text
    assert "NDCG" not in text
    assert read_scorecard(Home(tmp_path)) == card


def test_one_market_is_printed_alone_by_the_name_that_people_use(tmp_path: Path) -> None:
    card = made_up_scorecard(EVERY)
    market = next(s.segment for s in card.scores if s.segment != "all").removeprefix("market=")
    shown = printed(card, tmp_path, [market.upper()])
    assert f"{market}: " in shown
    assert "all markets" not in shown
    with pytest.raises(SettingsError, match=f"no such market .did you mean '{market}'"):
        printed(card, tmp_path / "again", [f"{market}x"])


def test_no_scorecard_is_told_with_the_command_that_makes_one(tmp_path: Path) -> None:
    context = RunContext(home=Home(tmp_path), settings=load_settings(), console=Console())
    with pytest.raises(DataError, match=r"holds no scorecard yet\. .*: stayrank evaluate"):
        print_scorecard(context)


def test_panel_of_before_is_read(tmp_path: Path) -> None:
    card = made_up_scorecard(WITHOUT_VALUE)
    printed(card, tmp_path)
    panel_path, scores_path = (
        Home(tmp_path).report / name for name in ("honesty.json", "scorecard.json")
    )
    panel, scores = json.loads(panel_path.read_text()), json.loads(scores_path.read_text())
    del panel["nothing_ranked"]
    for score in scores:
        del score["clusters"]
    write_json(panel_path, panel)
    write_json(scores_path, scores)
    assert read_scorecard(Home(tmp_path)).scores[0].clusters is None


def test_figures_of_few_searches_are_not_logged() -> None:
    card = made_up_scorecard(EVERY, searches={"market=sampa": 9})
    names = {name for name, _, _ in (*metrics_of(card, "ranker"), *headline_metrics(card))}
    assert f"test.{NDCG}" in names
    assert f"test.{NDCG}.market.rio_low" in names
    assert f"ranker.{VALUE}_minus_popularity_low" in names
    assert not [name for name in names if "sampa" in name]


def test_charts_leave_out_tiny_segments_and_name_them() -> None:
    card = made_up_scorecard(EVERY, searches={"market=sampa": 2})
    chart = metric_by_model(card.scores, metric=VALUE, title="value", segments=segments_shown(card))
    assert chart is not None
    assert chart.note.endswith(" Too few searches to draw: Sampa (n = 2).")
    tips = [tip for texts in chart.tips.values() for tip in texts]
    assert "ranker, Rio: 600.0 (550.0–650.0), 150 searches" in tips
    assert not [tip for tip in tips if "Sampa" in tip]


def test_charts_of_nothing_are_not_drawn() -> None:
    few = made_up_scorecard([NDCG, "ndcg_at_38", "g_taste_at_10"], searches={"all": 9})
    for scores in ((), few.scores):
        assert metric_by_model(scores, metric=NDCG, title="", segments=["all"]) is None
        assert metric_by_cutoff(scores, prefix="ndcg", title="") is None
        assert g_bars(scores) is None


def test_g_is_drawn_where_only_one_ceiling_can_be_told() -> None:
    card = made_up_scorecard(["g_taste_at_10"], low=None, high=None)
    chart = g_bars(card.scores)
    assert chart is not None
    assert chart.tips["bar0x2"] == ["ranker, knowing the taste: 0.600, 200 searches"]
