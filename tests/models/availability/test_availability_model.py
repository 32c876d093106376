"""P(free) learnt on a made-up world whose free nights are known, from what was shown alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from models.availability import availability_model as module
from models.availability.availability_model import AvailabilityModel, typical_stays
from models.availability.config import AvailabilityConfig
from models.availability.night_evidence import INPUTS, NightEvidence
from models.availability.stays import DatedSearches
from tests.models.availability.made_up_world import (
    CONFIG,
    DAY,
    DAY_S,
    NO_STAYS,
    World,
    chosen,
    ints,
    rows,
    world,
)


@cache
def model() -> AvailabilityModel:
    return AvailabilityModel.fit([rows()], CONFIG)


def predicted(fitted: AvailabilityModel, of: World) -> Any:
    """P(free) of all stays, as known in the morning."""
    return fitted.probabilities(of.morning(), *of.stays())


def auc(free: Any, truth: Any) -> float:
    positives = int(truth.sum())
    above = rankdata(free)[truth].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(truth) - positives)))


def test_it_tells_free_from_taken_without_having_seen_either() -> None:
    assert auc(predicted(model(), world()), world().is_free()) > 0.95
    # neither occupancy nor being covered tells it alone
    assert auc(-world().listings.occupancy_L[world().stays()[0]], world().is_free()) < 0.8
    assert auc(rows().inputs_PD[:, INPUTS.index("covered")], world().is_free()) < 0.92


def test_it_holds_for_a_world_that_it_was_not_learnt_on() -> None:
    other = World(8)
    free, truth = predicted(model(), other), other.is_free()
    assert auc(free, truth) > 0.95
    assert abs(free.mean() - truth.mean()) < 0.03


def test_it_is_calibrated_in_each_fifth() -> None:
    free, truth = predicted(model(), world()), world().is_free()
    order = np.argsort(free)
    for part in np.array_split(order, 5):
        assert abs(free[part].mean() - truth[part].mean()) < 0.06


def test_it_is_the_share_that_is_free_and_not_the_share_that_is_shown() -> None:
    free, truth, shown = predicted(model(), world()), world().is_free(), rows().detection
    assert shown.was_shown_P.mean() < 0.2 * truth.mean()
    assert abs(free.mean() - truth.mean()) < 0.02


def test_the_same_rows_give_the_same_coefficients_whatever_the_threads() -> None:
    again = AvailabilityModel.fit([rows()], replace(CONFIG, threads=2))
    assert again.coefficients.tolist() == model().coefficients.tolist()
    assert again.shape == model().shape


def test_days_are_learnt_from_together() -> None:
    """The searches of each day are numbered from 0, and are not mistaken for one another."""
    search = rows().detection.search_P
    cut = int(search.max()) // 4 * 2  # even: the second day begins with an odd number
    first, second = chosen(rows(), search <= cut), chosen(rows(), search > cut)
    renumbered = replace(second.detection, search_P=second.detection.search_P - cut - 1)
    together = module._together([first.detection, renumbered])
    assert together.search_P.tolist() == np.sort(search).tolist()
    days = AvailabilityModel.fit([first, replace(second, detection=renumbered)], CONFIG)
    assert days.coefficients.tolist() == model().coefficients.tolist()
    assert days.pairs == len(search)


def test_the_intercept_alone_is_the_share_shown_over_the_chance() -> None:
    """Shown 30 times of 200, of which 150 weigh twice: 30 / 330 of 0.2 times free."""
    was_shown = np.arange(180) < 30
    detection = replace(
        chosen(rows(), slice(180)).detection,
        was_shown_P=was_shown,
        weight_P=np.where(was_shown, 1.0, 2.0),
    )
    found = module._likeliest(np.ones((180, 1)), detection, np.full(180, 0.2), 1.0)
    assert np.isclose(1 / (1 + np.exp(-found[0])), 30 / 330 / 0.2, rtol=1e-4)


def test_the_slope_is_that_of_the_loss() -> None:
    """At the optimum no coefficient can be moved for the better."""
    rng = np.random.default_rng(0)
    part = chosen(rows(), slice(400))
    design = np.column_stack([np.ones(400), rng.normal(size=(400, 2))])
    chance = rng.uniform(0.1, 0.6, 400)
    found = module._likeliest(design, part.detection, chance, 0.5)

    def loss(b: Any) -> float:
        seen = chance / (1 + np.exp(-design @ b))
        shown = part.detection.was_shown_P
        likelihood = np.where(shown, np.log(seen), np.log(1 - seen)).sum()
        return float(-likelihood + 0.5 * (b[1:] @ b[1:]) / 2)

    for at in range(3):
        for step in (-0.02, 0.02):
            assert loss(found) < loss(found + step * np.eye(3)[at])


def test_inputs_that_never_vary_do_no_harm() -> None:
    is_booked = INPUTS.index("is_booked")  # nobody books in this world
    assert model().spread_D[is_booked] == 1
    assert model().coefficients[1 + is_booked] == 0


def test_what_is_saved_predicts_the_same(tmp_path: Path) -> None:
    model().save(tmp_path)
    loaded = AvailabilityModel.load(tmp_path)
    assert np.array_equal(predicted(loaded, world()), predicted(model(), world()))
    assert loaded.config == CONFIG
    assert (loaded.shape, loaded.pairs) == (model().shape, model().pairs)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    model().save(tmp_path)
    path = tmp_path / "availability.json"
    saved = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(saved | {"inputs": ["covered"]}), encoding="utf-8")
    with pytest.raises(ValueError, match="other inputs; train again"):
        AvailabilityModel.load(tmp_path)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"availability\.json"):
        AvailabilityModel.load(tmp_path)


def test_too_few_shown_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"too few to learn which .* \(1000000 are needed\)"):
        AvailabilityModel.fit([rows()], replace(CONFIG, fewest_shown=10**6))
    with pytest.raises(ValueError, match="follows another day"):
        AvailabilityModel.fit([], CONFIG)


def test_probabilities_do_not_depend_on_how_many_are_computed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stays = [column[:50] for column in world().stays()]
    whole = model().probabilities(world().morning(), *stays)
    monkeypatch.setattr(module, "_PAIRS_AT_ONCE", 7)
    parts = model().probabilities(world().morning(), *stays)
    assert np.allclose(parts, whole, rtol=1e-6)
    none = model().probabilities(world().morning(), ints(), ints(), ints())
    assert none.shape == (0,)


def test_a_stay_of_28_nights_is_rarely_free_and_never_ruled_out() -> None:
    every = np.arange(len(world().listings))
    checkin = np.full(len(every), DAY)
    free = {
        n: model().probabilities(world().morning(), every, checkin, checkin + n) for n in (1, 3, 28)
    }
    assert free[28].mean() < free[3].mean() < free[1].mean()
    assert free[28].mean() < 0.1
    assert free[28].min() > 0


def test_a_listing_never_shown_with_dates_is_less_likely_free_than_the_same_shown() -> None:
    log = world().log().before(DAY * DAY_S)
    often = int(np.bincount(log.shown.listing_R).argmax())
    others = log.shown.listing_R != often
    names = ("listing_R", "checkin_R", "checkout_R", "second_R")
    shown = type(log.shown)(**{n: getattr(log.shown, n)[others] for n in names})
    checkin = DAY + np.arange(15)
    stay = (np.full(15, often), checkin, checkin + 2)
    without, with_it = (
        model().probabilities(world().evidence(part), *stay)
        for part in (replace(log, shown=shown), log)
    )
    assert without.min() > 0
    assert without.mean() < 0.7 * with_it.mean()


def test_without_any_dated_search_occupancy_and_nights_are_all_that_is_known() -> None:
    nothing = world().evidence(NO_STAYS)
    by_occupancy = np.argsort(world().listings.occupancy_L)
    checkin = np.full(len(by_occupancy), DAY)
    free = model().probabilities(nothing, by_occupancy, checkin, checkin + 2)
    assert (np.diff(free) <= 0).all()
    assert 0 < free.min() < free.max() < 1


def searches(*stays: tuple[int, int, int, int]) -> DatedSearches:
    """Of market, check-in, check-out and day of asking each."""
    market, checkin, checkout, day = (ints(*column) for column in zip(*stays, strict=True))
    return DatedSearches(
        market_S=market, checkin_S=checkin, checkout_S=checkout, second_S=day * DAY_S + 5
    )


def as_lists(stays: Sequence[tuple[Any, Any]]) -> list[tuple[list[int], list[int]]]:
    return [(checkin.tolist(), checkout.tolist()) for checkin, checkout in stays]


def test_typical_stays_keep_their_distance_from_the_day() -> None:
    log = searches((0, DAY + 3, DAY + 5, DAY), (1, DAY + 9, DAY + 10, DAY + 2))
    assert as_lists(typical_stays(log, 3, DAY + 30, seed=0)) == [
        ([DAY + 33], [DAY + 35]),
        ([DAY + 37], [DAY + 38]),
        ([], []),
    ]


def test_a_typical_stay_that_had_begun_begins_on_the_day() -> None:
    log = searches((0, DAY - 2, DAY + 5, DAY))
    assert as_lists(typical_stays(log, 1, DAY, seed=0)) == [([DAY], [DAY + 7])]


def test_a_sample_of_typical_stays_depends_on_the_seed_alone() -> None:
    log = searches(*((0, DAY + n, DAY + n + 1, DAY) for n in range(200)))
    one, again, other = (as_lists(typical_stays(log, 1, DAY, seed=s)) for s in (1, 1, 2))
    assert one == again
    assert one != other
    assert len(one[0][0]) == len(set(one[0][0])) < 200


def test_a_market_without_dated_searches_has_no_prior() -> None:
    two = replace(world().listings, market_L=np.arange(len(world().listings)) % 2)
    seen = NightEvidence.of(world().log(), two, first_night=DAY, nights=25)
    prior = model().of_typical_stays(seen, [(ints(DAY + 1), ints(DAY + 2)), (ints(), ints())])
    assert np.isfinite(prior[::2]).all()
    assert np.isnan(prior[1::2]).all()


def test_the_prior_of_a_dateless_search_is_the_mean_of_typical_stays() -> None:
    seen = world().morning()
    checkin, checkout = ints(DAY + 1, DAY + 8), ints(DAY + 2, DAY + 10)
    prior = model().of_typical_stays(seen, [(checkin, checkout)])
    for listing in (0, 5):
        both = model().probabilities(seen, ints(listing, listing), checkin, checkout)
        assert np.isclose(prior[listing], both.mean())


def test_a_prior_counts_stays_that_the_listing_does_not_take_as_taken() -> None:
    size = len(world().listings)
    picky = replace(
        world().listings,
        fewest_L=np.where(np.arange(size) == 0, 3.0, np.nan),
        most_L=np.where(np.arange(size) == 1, 1.0, np.nan),
    )
    log = world().log().before(DAY * DAY_S)
    seen = NightEvidence.of(log, picky, first_night=DAY, nights=30)
    short, long = (ints(DAY + 1), ints(DAY + 2)), (ints(DAY + 1), ints(DAY + 4))
    of_short, of_long = (model().of_typical_stays(seen, [stay]) for stay in (short, long))
    of_both = model().of_typical_stays(
        seen, [(np.append(*[s[0] for s in (short, long)]), np.append(short[1], long[1]))]
    )
    assert (of_short[0], of_long[1]) == (0, 0)
    assert min(of_long[0], of_short[1], *of_short[2:], *of_long[2:]) > 0
    assert np.allclose(of_both, (of_short + of_long) / 2)


@pytest.mark.parametrize(
    "wrong",
    [{"rounds": 0}, {"shapes": ()}, {"shapes": (4.0, -1.0)}, {"penalty": -1.0}, {"threads": 0}],
)
def test_unsound_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} = .*must be above 0"):
        AvailabilityConfig(**wrong)
