"""The funnel: probabilities that are ordered, multiply up, and come true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from data.schema.feature_set import Feature, FeatureSet
from models.funnel.funnel_model import FUNNEL_STAGES, FunnelConfig, FunnelModel

FEATURES = FeatureSet(
    tuple(Feature(name=n, kind="number", meaning=n, null="never") for n in ("x_a", "x_b"))
)
CONFIG = FunnelConfig(max_rounds=60, patience=10, num_leaves=7, learning_rate=0.1)
MARKETS = ("rio_de_janeiro", "sao_paulo")


def _log(n_rows: int, *, seed: int) -> tuple[pa.Table, np.ndarray]:
    """Rows whose true P(click), P(contact | click), P(book | contact) are known; and P(book)."""
    rng = np.random.default_rng(seed)
    a, b, market = rng.normal(size=n_rows), rng.normal(size=n_rows), rng.integers(2, size=n_rows)
    given = np.stack([expit(-1.5 + a + 0.5 * market), expit(-1 + b), expit(0.3 * a)])
    stage = np.cumprod(rng.random((3, n_rows)) < given, axis=0).sum(axis=0)
    columns = {
        "id_search": pa.array([f"s{i // 10}" for i in range(n_rows)]),
        "id_listing": pa.array([f"l{i}" for i in range(n_rows)]),
        "market": pa.array([MARKETS[m] for m in market]),
        "stage": pa.array(stage.astype(np.int8)),
        "x_a": pa.array(a),
        "x_b": pa.array(b),
    }
    return pa.table(columns), given.prod(axis=0)


@pytest.fixture(scope="module")
def model() -> FunnelModel:
    return FunnelModel(FEATURES, CONFIG).fit(_log(20_000, seed=1)[0], _log(20_000, seed=2)[0])


def test_predicted_over_actual_is_near_one_per_stage_and_market(model) -> None:
    rows, _ = _log(40_000, seed=3)
    stage, market = rows["stage"].to_numpy(), np.asarray(rows["market"].to_pylist())
    predicted = model.probabilities(rows)

    for reached, name in enumerate(("click", "contact", "book"), start=1):
        for one in MARKETS:
            at = market == one
            ratio = predicted[name][at].sum() / (stage[at] >= reached).sum()
            assert 0.9 < ratio < 1.1, (name, one)


def test_probability_of_booking_is_near_the_truth(model) -> None:
    rows, truth = _log(10_000, seed=4)
    booked = model.score(rows)

    assert np.corrcoef(booked, truth)[0, 1] > 0.9
    assert np.abs(booked - truth).mean() < 0.02


def test_later_stage_is_never_likelier(model) -> None:
    predicted = model.probabilities(_log(2_000, seed=5)[0])

    assert (predicted["click"] >= predicted["contact"]).all()
    assert (predicted["contact"] >= predicted["book"]).all()
    assert predicted["book"].min() > 0
    assert predicted["click"].max() < 1


def test_product_of_the_conditionals_is_the_probability_of_booking(model) -> None:
    rows = _log(500, seed=6)[0]
    conditional = model.conditional(rows)

    np.testing.assert_allclose(
        np.prod([conditional[name] for name in FUNNEL_STAGES], axis=0),
        model.score(rows),
        rtol=1e-12,
    )


def test_stage_that_nobody_reached_is_rare_and_finite() -> None:
    rows, _ = _log(2_000, seed=7)
    clicks = pa.array(np.minimum(rows["stage"].to_numpy(), 1))
    rows = rows.set_column(rows.column_names.index("stage"), "stage", clicks)
    booked = FunnelModel(FEATURES, CONFIG).fit(rows, rows).score(rows)

    assert np.isfinite(booked).all()
    assert booked.max() < 0.01


def test_config_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="num_leaves"):
        FunnelConfig(num_leaves=1)


def _dated(rows: pa.Table, *, day: int, seed: int) -> pa.Table:
    """The rows as searches of one day, half of the bookings a day late."""
    rng = np.random.default_rng(seed)
    n, stage = rows.num_rows, rows["stage"].to_numpy()
    late = (rng.random(n) < 0.5).astype(np.int32)
    return (
        rows.append_column("search_day", pa.array(np.full(n, day, np.int32)))
        .append_column("contact_day", pa.array(np.full(n, day, np.int32), mask=stage < 2))
        .append_column("book_day", pa.array(day + late, pa.int32(), mask=stage < 3))
    )


def test_correction_for_maturity_predicts_the_bookings_still_to_come() -> None:
    days = [_dated(_log(15_000, seed=10 + d)[0], day=d, seed=d) for d in (1, 2, 3)]
    known = [_lowered(rows, cutoff=4) for rows in days]
    train = pa.concat_tables(known[:2])
    in_the_end = (days[2]["stage"].to_numpy() == 3).sum()

    ratios = {
        corrects: FunnelModel(FEATURES, replace(CONFIG, corrects_maturity=corrects))
        .fit(train, known[2])
        .score(days[2])
        .sum()
        / in_the_end
        for corrects in (True, False)
    }
    assert 0.93 < ratios[True] < 1.07
    assert ratios[False] < 0.9


def _lowered(rows: pa.Table, *, cutoff: int) -> pa.Table:
    stage, book = rows["stage"].to_numpy(), rows["book_day"].to_numpy()
    lowered = np.where((stage == 3) & ~(book < cutoff), 2, stage).astype(np.int8)
    return rows.set_column(rows.column_names.index("stage"), "stage", pa.array(lowered))


def test_score_by_value_is_the_chance_of_a_booking_times_the_price(model) -> None:
    rows = _log(100, seed=8)[0]
    price = np.r_[np.full(50, 200.0), np.full(49, 50.0)]
    rows = rows.append_column("listing_total_price", pa.array([*price, None]))
    by_value = FunnelModel(FEATURES, replace(CONFIG, order_by="value"))
    by_value.fitted = model.fitted

    np.testing.assert_allclose(by_value.score(rows)[:99], model.score(rows)[:99] * price)
    assert by_value.score(rows)[99] == 0


def test_debiased_click_stage_is_nearer_to_the_clicks_per_look() -> None:
    train, valid = (_biased(60_000, seed=s) for s in (1, 2))
    test = _biased(20_000, seed=3)
    truth = expit(-2 + test["x_b"].to_numpy())

    gaps = {}
    for debiasing in ("none", "position"):
        model = FunnelModel(FEATURES, replace(CONFIG, debiasing=debiasing)).fit(train, valid)
        clicks = model.conditional(test.drop(["position", "is_random_order"]))["click"]
        gaps[debiasing] = 1 - np.corrcoef(np.log(clicks), np.log(truth))[0, 1]
    assert gaps["position"] < gaps["none"] / 2


def _biased(n_rows: int, *, seed: int) -> pa.Table:
    """``x_b`` makes clicks, ``x_a`` only the place; a fifth of the searches in random order."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n_rows))
    search = np.arange(n_rows) // 10
    is_random = search % 5 == 0
    key = np.where(is_random, rng.random(n_rows), a)
    position = np.argsort(np.argsort(-key.reshape(-1, 10), axis=1), axis=1).ravel() + 1
    clicked = rng.random(n_rows) < expit(-2 + b) / position
    return pa.table(
        {
            "id_search": pa.array([f"s{seed}-{i}" for i in search]),
            "id_listing": pa.array([f"l{i}" for i in range(n_rows)]),
            "market": pa.array(["rio_de_janeiro"] * n_rows),
            "stage": pa.array(clicked.astype(np.int8)),
            "position": pa.array(position.astype(np.int32)),
            "is_random_order": pa.array(is_random),
            "x_a": pa.array(a),
            "x_b": pa.array(b),
        }
    )


def test_loaded_funnel_scores_the_same(tmp_path) -> None:
    train, _ = _log(6_000, seed=11)
    rows = _log(500, seed=13)[0]
    for name, clicks in (("led by a line", 10**6), ("trees alone", 0)):
        config = replace(CONFIG, linear_clicks=clicks)
        model = FunnelModel(FEATURES, config).fit(train, _log(3_000, seed=12)[0])
        model.save(tmp_path / name)
        loaded = FunnelModel.load(tmp_path / name)

        np.testing.assert_array_equal(loaded.score(rows), model.score(rows))
        assert loaded.evidence == model.evidence
        assert model.evidence["click.is_led_by_a_line"] is (clicks > 0)


def test_funnel_of_an_earlier_version_says_to_train_again(tmp_path) -> None:
    (tmp_path / "funnel.json").write_text('{"model": "funnel", "config": {}}')

    with pytest.raises(ValueError, match=r"funnel\.json: .* train again: stayrank train"):
        FunnelModel.load(tmp_path)


def test_level_is_that_of_all_days_and_not_of_the_last_alone() -> None:
    """The validation day is clicked twice as often as any day before it."""
    days = [_log(20_000, seed=20 + day)[0] for day in range(4)]
    rng = np.random.default_rng(0)
    last = days[3]
    more = np.where(
        (last["stage"].to_numpy() == 0) & (rng.random(last.num_rows) < 0.25),
        1,
        last["stage"].to_numpy(),
    )
    busy = last.set_column(
        last.column_names.index("stage"), "stage", pa.array(more.astype(np.int8))
    )
    model = FunnelModel(FEATURES, CONFIG).fit(pa.concat_tables(days[:3]), busy)

    both = pa.concat_tables([*days[:3], busy])
    predicted = model.probabilities(both)["click"].sum()
    assert predicted == pytest.approx((both["stage"].to_numpy() > 0).sum(), rel=0.02)


def test_held_out_scores_know_less_of_the_validation_rows(tmp_path) -> None:
    rng = np.random.default_rng(5)
    train, valid = _log(4_000, seed=17)[0], _log(4_000, seed=18)[0]
    at = train.column_names.index("stage")
    train, valid = (
        part.set_column(at, "stage", pa.array(rng.integers(2, size=4_000).astype(np.int8)))
        for part in (train, valid)
    )
    config = replace(CONFIG, min_rows_per_leaf=5, lambda_l2=0.0, linear_clicks=0, patience=60)
    model = FunnelModel(FEATURES, config).fit(train, valid)
    stage = valid["stage"].to_numpy()

    def told_apart(scores: np.ndarray) -> float:
        return float(np.corrcoef(np.log(scores), stage)[0, 1])

    assert told_apart(model.score_held_out(valid)) < told_apart(model.score(valid)) / 2
    model.save(tmp_path)
    with pytest.raises(ValueError, match="held-out"):
        FunnelModel.load(tmp_path).score_held_out(valid)


def test_order_of_the_rows_changes_no_bit() -> None:
    train, valid = _log(5_000, seed=14)[0], _log(3_000, seed=15)[0]
    rows = _log(400, seed=16)[0]
    rng = np.random.default_rng(3)
    shuffled = [part.take(pa.array(rng.permutation(part.num_rows))) for part in (train, valid)]

    once = FunnelModel(FEATURES, CONFIG).fit(train, valid).score(rows)
    np.testing.assert_array_equal(FunnelModel(FEATURES, CONFIG).fit(*shuffled).score(rows), once)


def test_impersonal_booster_does_not_know_the_guest_and_has_its_share() -> None:
    features = FeatureSet(
        (
            *FEATURES,
            Feature(name="x_guest", kind="number", meaning="g", null="n", group="guest_history"),
        )
    )

    def log(n_rows: int, seed: int) -> pa.Table:
        rows, _ = _log(n_rows, seed=seed)
        rng = np.random.default_rng(seed)
        guest = rng.normal(size=n_rows)
        clicked = (rng.random(n_rows) < expit(-1 + 2 * guest)).astype(np.int8)
        at = rows.column_names.index("stage")
        return rows.set_column(at, "stage", pa.array(clicked)).append_column(
            "x_guest", pa.array(guest)
        )

    def spread_of_the_guest(share: float) -> float:
        """How far the log-odds of one row move with the guest."""
        config = replace(CONFIG, impersonal_share=share, linear_clicks=0)
        click = FunnelModel(features, config).fit(log(12_000, 1), log(4_000, 2)).stages.click
        assert click is not None
        row = log(1, 3)
        at = row.column_names.index("x_guest")
        guests = [row.set_column(at, "x_guest", pa.array([value])) for value in (-1.0, 1.0)]
        low, high = (click.log_odds(rows)[0] for rows in guests)
        return float(high - low)

    whole, half, none = (spread_of_the_guest(share) for share in (0.0, 0.5, 1.0))
    assert whole > 1
    assert half == pytest.approx(whole / 2, rel=0.05)
    assert none == 0
