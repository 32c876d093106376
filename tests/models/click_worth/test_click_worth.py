"""The worth of a click, in a made-up log whose examination and values are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit
from scipy.stats import spearmanr

from data.schema.feature_set import Feature, FeatureSet
from models.click_worth import ClickWorthConfig, click_worth
from models.click_worth.click_value import click_value
from models.click_worth.examination import examination

RESULTS = 10
CONFIG = ClickWorthConfig(
    outcome_share=0.0, rounds=40, min_rows_per_leaf=50, unclicked_share=1.0, penalty=10.0
)


def _feature(name: str, group: str) -> Feature:
    return Feature(name=name, kind="number", meaning=name, null="never null", group=group)


FEATURES = FeatureSet(
    (
        _feature("listing_quality", "listing"),
        _feature("listing_firmness", "listing"),
        _feature("price_rank", "in_search"),
    )
)
VALUED = FEATURES.without(("in_search",))


def _log(searches: int, *, seed: int, booked: float = -2.0) -> pa.Table:
    """Shown by price; looked at by place; clicked by quality; booked by firmness."""
    rng = np.random.default_rng(seed)
    shape = (searches, RESULTS)
    quality, firmness, price = rng.normal(size=(3, *shape))
    is_random = rng.random(searches) < 0.3
    shown_by = np.where(is_random[:, None], rng.normal(size=shape), price)
    place = shown_by.argsort(axis=1).argsort(axis=1) + 1
    looked_at = rng.random(shape) < place**-0.9
    clicked = looked_at & (rng.random(shape) < expit(quality - 0.5))
    is_booked = clicked & (rng.random(shape) < expit(firmness + booked))
    number = np.arange(searches).repeat(RESULTS)
    return pa.table(
        {
            "id_search": [f"s{seed}-{n}" for n in number],
            "id_listing": [f"l{i % RESULTS}" for i in range(len(number))],
            "id_user": [f"g{seed}-{n // 3}" for n in number],
            "stage": (clicked.astype(np.int8) + 2 * is_booked).astype(np.int8).ravel(),
            "listing_quality": quality.ravel(),
            "listing_firmness": firmness.ravel(),
            "price_rank": price.argsort(axis=1).argsort(axis=1).ravel() + 1.0,
            "position": place.ravel(),
            "is_random_order": is_random.repeat(RESULTS),
        }
    )


def _clicks(rows: pa.Table) -> pa.Table:
    return rows.filter(pa.array(rows["stage"].to_numpy() > 0))


@pytest.mark.parametrize(
    ("without", "source"),
    [
        ((), "random order"),
        (("is_random_order",), "position"),
        (("position", "is_random_order"), "other results"),
    ],
)
def test_examination_falls_with_the_place_wherever_it_is_learnt_from(
    without: tuple[str, ...], source: str
) -> None:
    judged, learnt = (_log(1_500, seed=s).drop_columns(list(without)) for s in (1, 2))
    found = examination(judged, learnt, FEATURES, CONFIG)
    place = _log(1_500, seed=1)["position"].to_numpy()

    assert found.source == source
    assert spearmanr(found.chance, place).statistic < -0.6
    assert found.chance.max() == 1.0
    assert found.chance.min() >= CONFIG.least_examination


def test_nothing_is_corrected_without_places_and_comparisons() -> None:
    judged = _log(50, seed=1).drop_columns(["position", "is_random_order"])
    found = examination(judged, judged, VALUED, CONFIG)

    assert found.source == "none"
    assert (found.chance == 1).all()


def test_a_click_is_worth_what_it_leads_to() -> None:
    judged, other = _clicks(_log(1_500, seed=3)), _clicks(_log(3_000, seed=4))
    value = click_value(judged, other, VALUED, CONFIG)
    true = expit(judged["listing_firmness"].to_numpy() - 2.0)

    assert value.outcome == "book"
    assert spearmanr(value.value, true).statistic > 0.9
    assert value.value.sum() == pytest.approx(true.sum(), rel=0.1)


def test_a_share_of_the_value_is_the_outcome_itself() -> None:
    judged, other = _clicks(_log(300, seed=13)), _clicks(_log(600, seed=14))
    booked = judged["stage"].to_numpy() == 3
    chance, mixed = (
        click_value(judged, other, VALUED, replace(CONFIG, outcome_share=share)).value
        for share in (0.0, 0.25)
    )

    np.testing.assert_allclose(mixed, 0.25 * booked + 0.75 * chance)


def test_no_outcome_of_a_guest_tells_its_own_chance() -> None:
    judged, other = _clicks(_log(400, seed=5)), _clicks(_log(800, seed=6))
    guest = judged["id_user"][0].as_py()
    mine = np.array(judged["id_user"].to_pylist()) == guest
    stage = judged["stage"].to_numpy().copy()
    stage[mine] = np.where(stage[mine] == 3, 1, 3)
    at = judged.schema.get_field_index("stage")
    changed = judged.set_column(at, "stage", pa.array(stage))

    before, after = (click_value(rows, other, VALUED, CONFIG) for rows in (judged, changed))

    np.testing.assert_array_equal(before.value[mine], after.value[mine])
    assert not np.array_equal(before.value, after.value)


@pytest.mark.parametrize(("booked", "outcome"), [(-2.0, "book"), (-30.0, "click")])
def test_too_few_bookings_make_clicks_worth_the_same(booked: float, outcome: str) -> None:
    judged, other = (_clicks(_log(300, seed=s, booked=booked)) for s in (7, 8))
    value = click_value(judged, other, VALUED, CONFIG)

    assert value.outcome == outcome
    assert (len(set(value.value.tolist())) == 1) == (outcome == "click")


def test_worth_is_value_over_examination_and_nothing_without_a_click() -> None:
    judged, learnt = _log(400, seed=9), _log(400, seed=10)
    found = click_worth(
        judged, learnt=learnt, clicks=_clicks(learnt), features=FEATURES, config=CONFIG
    )
    clicked = judged["stage"].to_numpy() > 0
    value = click_value(_clicks(judged), _clicks(learnt), VALUED, CONFIG)

    assert (found.worth[~clicked] == 0).all()
    np.testing.assert_allclose(found.worth[clicked], value.value / found.looked_at[clicked])
    assert "booked" in found.sentence()
    assert "random order" in found.sentence()


def test_worth_depends_on_no_order_of_the_rows() -> None:
    judged, learnt = _log(300, seed=11), _log(300, seed=12)
    order = np.random.default_rng(0).permutation(judged.num_rows)
    found, moved = (
        click_worth(rows, learnt=learnt, clicks=_clicks(learnt), features=FEATURES, config=CONFIG)
        for rows in (judged, judged.take(pa.array(order)))
    )

    np.testing.assert_array_equal(found.worth[order], moved.worth)


def test_names_what_is_absent() -> None:
    rows = _log(20, seed=1)
    with pytest.raises(ValueError, match="listing_quality"):
        click_worth(
            rows.drop_columns(["listing_quality"]), learnt=rows, clicks=rows, features=FEATURES
        )


def test_config_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="folds"):
        ClickWorthConfig(folds=1)
    with pytest.raises(ValueError, match="least_examination"):
        ClickWorthConfig(least_examination=0.0)
