"""The scorecard as a whole: what is in it, and what may not change it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation import (
    EvaluationConfig,
    EvaluationInputs,
    Provenance,
    Score,
    Scorecard,
    evaluate,
)

QUICK = EvaluationConfig(replicates=200)


@pytest.fixture(scope="module")
def scores(world):
    rng = np.random.default_rng(1)
    noise = rng.normal(size=world.rows.num_rows)
    return {"random": noise, "ranker": world.chance + 0.02 * rng.normal(size=len(noise))}


@pytest.fixture(scope="module")
def truth(world):
    blurred = 0.5 * world.chance + 0.5 * world.chance.mean()
    return {"p_book_taste": world.chance, "p_book_observables": blurred}


@pytest.fixture(scope="module")
def card(world, scores, truth):
    context = EvaluationInputs(
        provenance=Provenance(source="airbnb", is_simulated=True),
        probabilities={"ranker": {"book": world.chance}},
    )
    return evaluate(
        world.rows,
        scores,
        split="test",
        reference="random",
        config=QUICK,
        truth=truth,
        context=context,
    )


def test_every_interval_holds_its_value(card):
    assert card.scores
    for score in card.scores:
        assert score.low is not None
        assert score.low <= score.value <= score.high


def test_row_order_changes_nothing(world, scores, card):
    turned = np.random.default_rng(2).permutation(world.rows.num_rows)
    again = evaluate(
        world.rows.take(pa.array(turned)),
        {name: values[turned] for name, values in scores.items()},
        split="test",
        reference="random",
        config=QUICK,
    )
    before = {(s.model, s.segment, s.metric): s for s in card.scores}
    for score in again.scores:
        kept = before[score.model, score.segment, score.metric]
        assert (score.value, score.low, score.high, score.p) == (
            kept.value,
            kept.low,
            kept.high,
            kept.p,
        )


def test_number_of_scored_searches_stands_beside_each_figure(world, card):
    stage = np.asarray(world.rows["stage"])
    search = np.asarray(world.rows["id_search"].to_pylist())
    booked = len(set(search[stage == 3]))
    touched = len(set(search[stage > 0]))
    assert card.find("ranker", "ndcg_at_10").searches == booked
    assert card.find("ranker", "graded_ndcg_at_10").searches == touched
    assert card.find("ranker", "ndcg_at_10").positives == (stage == 3).sum()
    assert card.honesty.searches_scored == booked
    assert booked < card.honesty.searches == len(set(search))


def test_oracle_has_g_of_one_random_none_and_no_model_more(card):
    for ceiling in ("taste", "observables"):
        metric = f"g_{ceiling}_at_10"
        oracle = card.find(f"oracle_{ceiling}", metric)
        assert (oracle.low, oracle.value, oracle.high) == pytest.approx((1, 1, 1))
        random = card.find("random", metric)
        assert random.low <= 0 <= random.high
        assert all(s.value <= 1 + 1e-12 for s in card.scores if s.metric == metric)


def test_exact_random_dcg_is_the_mean_over_many_random_orders(worlds, rng):
    from models.evaluation.arranged_rows import arrange_rows
    from models.evaluation.oracle import expected_dcg, random_dcg

    world = worlds(rng, searches=5, sizes=(4, 12))
    judged = arrange_rows(world.rows)
    truth = judged.arrange(world.chance)
    drawn = [
        expected_dcg(judged, judged.ranks(rng.random(len(truth)), model="random"), truth, 5)
        for _ in range(4_000)
    ]
    assert np.mean(drawn, axis=0) == pytest.approx(random_dcg(judged, truth, 5), rel=0.05)


def test_better_model_differs_from_the_reference_after_holm(card):
    score = card.find("ranker", "ndcg_at_10")
    assert score.versus == "random"
    assert score.difference == pytest.approx(score.value - card.find("random", "ndcg_at_10").value)
    assert score.difference_low > 0
    assert score.p <= score.p_holm < 0.001
    assert card.find("random", "ndcg_at_10").versus is None


def test_calibrated_probabilities_have_ratio_one_within_the_interval(card):
    ratio = card.find("ranker", "calibration_ratio_book")
    assert ratio.low < 1 < ratio.high
    with pytest.raises(KeyError):
        card.find("random", "log_loss_book")


def test_segments_name_markets_and_mark_small_ones(card):
    assert {"all", "market=rio_de_janeiro", "market=sao_paulo"} <= set(card.segments)
    assert {"listing=new", "room_type=entire_home", "party=1", "lead_time_days=dateless"} <= set(
        card.segments
    )
    assert card.find("ranker", "ndcg_at_10", segment="listing=new").is_small
    assert not card.find("ranker", "ndcg_at_10").is_small
    assert {"guest", "position"} == set(card.honesty.segments_left_out)


def test_markets_add_up_to_the_whole(card):
    whole = card.find("ranker", "mrr")
    parts = [
        card.find("ranker", "mrr", segment=f"market={m}") for m in ("rio_de_janeiro", "sao_paulo")
    ]
    assert sum(p.searches for p in parts) == whole.searches
    assert sum(p.value * p.searches for p in parts) / whole.searches == pytest.approx(whole.value)


def test_json_holds_the_agreed_keys_and_reads_back(card, tmp_path):
    path = tmp_path / "scorecard.json"
    card.write_json(path)
    entries = json.loads(path.read_text())
    agreed = {"model", "split", "segment", "metric", "k", "value", "low", "high", "searches"}
    assert agreed <= set(entries[0])
    assert all("@" not in entry["metric"] for entry in entries)
    assert Scorecard.read_json(path) == card.scores
    assert card.to_arrow().num_rows == len(card.scores)


def test_compact_table_has_whole_and_markets(card):
    rows = card.table()
    assert [r["segment"] for r in rows][:1] == ["all"]
    assert {r["segment"] for r in rows} == {"all", "market=rio_de_janeiro", "market=sao_paulo"}
    assert all(isinstance(r["ndcg_at_10"], Score) for r in rows)


def test_catalogue_candidates_are_named_in_the_metric(world, scores):
    config = replace(QUICK, replicates=20, is_catalogue=True)
    card = evaluate(world.rows, scores, split="test", reference="random", config=config)
    assert all(score.metric.startswith("catalogue_") for score in card.scores)
    assert "catalogue" in card.honesty.candidates


def test_log_without_users_is_clustered_by_search(world, scores):
    config = replace(QUICK, replicates=50)
    rows = world.rows.drop_columns(["id_user"])
    card = evaluate(rows, scores, split="test", reference="random", config=config)
    assert card.honesty.guests == card.honesty.searches
    assert "names no guests" in card.honesty.intervals


def test_split_without_any_booking_still_gives_a_scorecard(world, scores):
    index = world.rows.column_names.index("stage")
    none = pa.array(np.zeros(world.rows.num_rows, dtype=np.int8))
    rows = world.rows.set_column(index, "stage", none)
    card = evaluate(rows, scores, split="test", reference="random", config=QUICK)
    assert not [s for s in card.scores if s.metric.startswith("ndcg")]
    assert card.honesty.warnings


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scores": {"random": np.zeros(3)}}, "one score per row"),
        ({"reference": "popularity"}, "has no scores"),
        ({"truth": {"p_book_taste": np.zeros(3)}}, "not one value per row"),
        ({"truth": {"p_bok_taste": None}}, "unknown truth: p_bok_taste"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(world, scores, change, said):
    given = {"scores": scores, "reference": "random", "truth": None} | change
    truth = given["truth"]
    if truth:
        truth = {n: np.zeros(world.rows.num_rows) if v is None else v for n, v in truth.items()}
    with pytest.raises(ValueError, match=said):
        evaluate(
            world.rows,
            given["scores"],
            split="test",
            reference=given["reference"],
            config=QUICK,
            truth=truth,
        )


def test_nan_scores_are_refused_by_model_name(world, scores):
    broken = scores["ranker"].copy()
    broken[0] = np.nan
    with pytest.raises(ValueError, match="ranker: 1 scores are not finite"):
        evaluate(
            world.rows,
            {"random": scores["random"], "ranker": broken},
            split="test",
            reference="random",
            config=QUICK,
        )


def test_same_listing_twice_in_a_search_is_refused(world, scores):
    rows = pa.concat_tables([world.rows, world.rows.slice(0, 1)])
    with pytest.raises(ValueError, match="same listing twice"):
        evaluate(
            rows,
            {"random": np.zeros(rows.num_rows)},
            split="test",
            reference="random",
            config=QUICK,
        )


def test_panel_says_simulated_in_every_form(card):
    assert any("SIMULATED" in line for line in card.honesty.lines())
    assert "SIMULATED" in card.honesty.markdown()
    assert card.honesty.to_dict()["provenance"]["is_simulated"] is True


def test_hosts_returning_guests_and_positions_count_where_the_log_has_them(world, scores):
    search = np.unique(world.rows["id_search"].to_pylist(), return_inverse=True)[1]
    listing = np.unique(world.rows["id_listing"].to_pylist(), return_inverse=True)[1]
    extra = {
        "x_id_host": pa.array([None if i % 7 == 0 else f"h{i % 40}" for i in listing]),
        "guest_past_searches": pa.array(search % 3, mask=search % 5 == 0),
        "position": pa.array(np.ones(len(search)), mask=search % 2 == 0),
    }
    rows = world.rows
    for name, values in extra.items():
        rows = rows.append_column(name, values)
    config = replace(QUICK, replicates=20)
    card = evaluate(rows, scores, split="test", reference="random", config=config)
    assert card.honesty.segments_left_out == ()
    assert {"guest=returning", "guest=first_time", "guest=without_id"} <= set(card.segments)
    assert {"position=known", "position=unknown"} <= set(card.segments)
    hosts, listings = (
        card.find("ranker", f"{owner}exposure_gini_at_10") for owner in ("host_", "")
    )
    assert 0 < hosts.value < 1
    assert hosts.value != listings.value
    assert card.find("ranker", "host_coverage_at_10").value == 1
