"""The truth fits the outcomes, and the two ceilings stand apart from each other."""

from __future__ import annotations

import numpy as np
import pytest

from data.simulator.choices import examination
from tests.data.simulator.conftest import Array, Week

STAGES = ("click", "contact", "book")


def _happened(week: Week, stage: str) -> Array:
    if stage == "click":
        return week.of("label") != "impressed"
    return ~np.isnat(week.of("ds_contact" if stage == "contact" else "ds_book"))


def test_funnel_rates_are_in_the_published_range(week: Week) -> None:
    click, contact, book = (_happened(week, stage) for stage in STAGES)
    assert 0.03 < click.mean() < 0.06
    assert 0.035 < contact.sum() / click.sum() < 0.065
    assert 0.33 < (book & contact).sum() / contact.sum() < 0.55
    direct = (book & ~contact).sum() / book.sum()
    assert 0.08 < direct < 0.35


def test_examination_falls_with_the_rank_and_dips_in_the_sponsored_slots() -> None:
    seen = examination(np.array([1, 2, 4, 5, 6]))
    assert seen[0] == 1.0
    assert seen[1] == pytest.approx(2**-0.7)
    assert seen[2] == pytest.approx(4**-0.7)
    assert seen[3] == pytest.approx(0.45 * 5**-0.7)
    assert seen[4] == pytest.approx(6**-0.7)


def test_clicks_fall_with_the_rank_in_random_orders_alone(week: Week) -> None:
    """In random orders nothing but examination can do it."""
    is_random, position = week.of("is_random_order"), week.of("position")
    clicked = _happened(week, "click")
    top = clicked[is_random & (position <= 2)].mean()
    bottom = clicked[is_random & (position >= 12)].mean()
    assert top > 2.5 * bottom


def test_later_stages_are_never_likelier_than_earlier_ones(week: Week) -> None:
    for given in ("taste", "observables"):
        click, contact = week.of(f"p_click_{given}"), week.of(f"p_contact_{given}")
        assert (contact <= click + 1e-6).all()
        assert (week.of(f"p_book_{given}") <= click + 1e-6).all()
        assert (click > 0).all()
        assert (click < 1).all()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("given", ["taste", "observables"])
def test_outcomes_are_as_many_as_truth_and_examination_promise(
    week: Week, stage: str, given: str
) -> None:
    """Within chance; bookings are a few per cent fewer, as the docstring of truth says."""
    promised = (week.of(f"p_{stage}_{given}") * examination(week.of("position"))).sum()
    happened = _happened(week, stage).sum()
    slack = {"click": 0.02, "contact": 0.03, "book": 0.10}[stage]
    slack += 0.06 if given == "observables" else 0.0
    assert abs(happened - promised) < slack * promised + 3.5 * np.sqrt(promised)


def test_clicks_are_calibrated_given_taste_over_its_whole_range(week: Week) -> None:
    chance = week.of("p_click_taste") * examination(week.of("position"))
    clicked = _happened(week, "click")
    decile = np.searchsorted(np.quantile(chance, np.arange(0.1, 1, 0.1)), chance)
    for part in range(10):
        rows = decile == part
        error = clicked[rows].mean() - chance[rows].mean()
        spread = np.sqrt((chance[rows] * (1 - chance[rows])).sum()) / rows.sum()
        assert abs(error) < 4.5 * spread


def test_guest_who_has_booked_does_not_book_again(week: Week) -> None:
    """By the truth too: later searches of the guest have no chance of a booking."""
    user, time = week.of("id_user"), week.of("ts_search")
    booked_at = dict(
        zip(*(column[week.of("label") == "booked"] for column in (user, time)), strict=True)
    )
    never = np.datetime64("2100-01-01")
    after = time > np.array([booked_at.get(u, never) for u in user])
    assert after.any()
    assert week.of("p_book_taste")[after].max() == 0
    # before it only the hosts of dateless searches may be unable to take the guest
    assert (week.of("p_book_taste")[~after] == 0).mean() < 0.15


def _expected_dcg(week: Week, score: Array, k: int = 10) -> float:
    """Mean over searches of the DCG@k that the true chances of a booking promise."""
    search = np.unique(week.of("id_search"), return_inverse=True)[1]
    order = np.lexsort((-score, search))
    starts = np.flatnonzero(np.diff(search[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    discount = np.where(place < k, 1 / np.log2(place + 2), 0.0)
    return float((discount * week.of("p_book_taste")[order]).sum() / len(starts))


def test_ceilings_stand_apart_and_simple_rankers_stay_below(week: Week) -> None:
    rng = np.random.default_rng(0)
    noise = rng.random(week.log.num_rows)
    chance = _expected_dcg(week, noise)
    oracle = _expected_dcg(week, week.of("p_book_taste"))
    share = {
        name: (_expected_dcg(week, score) - chance) / (oracle - chance)
        for name, score in {
            "observables": week.of("p_book_observables"),
            "shown": -week.of("position").astype(float),
            "cheapest": -week.of("listing_total_price"),
            "best rated": np.nan_to_num(week.of("listing_review_rating")) + 1e-6 * noise,
            "popular": week.of("listing_num_books_90day") + 1e-3 * noise,
        }.items()
    }
    assert 0.6 < share["observables"] < 0.9
    for name in ("shown", "cheapest", "best rated", "popular"):
        assert 0 < share[name] < 0.5 * share["observables"], name


def test_taste_persists_so_that_history_is_worth_something(week: Week) -> None:
    """What a guest clicked in earlier searches resembles what it clicks later, beyond what
    the results shown to it resemble each other."""
    residual = _log_price_against_search(week)
    clicked = _happened(week, "click")
    user = np.unique(week.of("id_user"), return_inverse=True)[1]
    search = np.unique(week.of("id_search"), return_inverse=True)[1]
    half = search % 2 == 0
    means = []
    for part in (half, ~half):
        rows = clicked & part
        count = np.bincount(user[rows], minlength=user.max() + 1)
        total = np.bincount(user[rows], weights=residual[rows], minlength=user.max() + 1)
        means.append(np.where(count >= 2, total / np.maximum(count, 1), np.nan))
    known = ~np.isnan(means[0]) & ~np.isnan(means[1])
    assert known.sum() > 300
    assert np.corrcoef(means[0][known], means[1][known])[0, 1] > 0.1


def _log_price_against_search(week: Week) -> Array:
    price = np.log(week.of("listing_total_price"))
    search = np.unique(week.of("id_search"), return_inverse=True)[1]
    mean = np.bincount(search, weights=price) / np.bincount(search)
    return price - mean[search]
