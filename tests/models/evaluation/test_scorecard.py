"""The scorecard: figures found by name, tables of them, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from models.evaluation import Scorecard


def test_records_survive_json_and_arrow(card, tmp_path):
    path = tmp_path / "scorecard.json"
    path.write_text(json.dumps(card.to_records(), allow_nan=False))
    assert Scorecard.read_json(path) == card.scores
    assert card.to_arrow().to_pylist() == card.to_records()


def test_record_has_the_agreed_keys(card):
    record = replace(card.scores[0], k=None).__dict__
    assert list(record) == [
        *("model", "split", "segment", "metric", "k", "value", "low", "high"),
        *("searches", "positives", "is_small", "clusters"),
        *("versus", "difference", "difference_low", "difference_high", "p", "p_holm"),
    ]
    assert list(card.to_records()[0]) == list(record)


def test_table_has_a_row_per_model_of_the_whole_and_of_each_market(card):
    rows = card.table(["mrr", "ndcg_at_10"])
    models = ["random", "ranker", "oracle_taste", "oracle_observables"]
    segments = ["all", "market=rio_de_janeiro", "market=sao_paulo"]
    assert [(r["segment"], r["model"]) for r in rows] == [(s, m) for s in segments for m in models]
    for row in rows:
        for metric in ("mrr", "ndcg_at_10"):
            assert row[metric] is card.find(row["model"], metric, segment=row["segment"])
        assert row["searches"] == row["mrr"].searches


def test_absent_figure_is_none_in_a_table_and_an_error_by_name(card):
    (row, *_) = card.table(["mrr", "log_loss_book"], segments=["all"])
    assert (row["model"], row["log_loss_book"]) == ("random", None)
    with pytest.raises(KeyError, match="no log_loss_book of random in segment all"):
        card.find("random", "log_loss_book")


def test_figure_that_stands_twice_is_refused(card):
    with pytest.raises(ValueError, match="figure stands twice"):
        Scorecard(scores=(*card.scores, card.scores[0]), honesty=card.honesty)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": float("nan")}, "value is nan"),
        ({"low": 2.0}, "outside its interval"),
        ({"difference_high": -1.0}, "difference .* outside its interval"),
        ({"metric": "ndcg@10"}, "not a sound figure"),
        ({"searches": -1}, "not a sound figure"),
    ],
)
def test_unsound_figure_is_refused(card, change, message):
    with pytest.raises(ValueError, match=message):
        replace(card.find("ranker", "ndcg_at_10"), **change)
