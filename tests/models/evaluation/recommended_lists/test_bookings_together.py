"""All guests act, and a night is sold once: against a slow second implementation and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from models.evaluation.recommended_lists import (
    BookedTogether,
    Lists,
    Stays,
    booked_apart,
    bookings_together,
)
from models.evaluation.recommended_lists.keyed_uniforms import keys_of, uniforms

ALWAYS = np.ones(12)


def _stays(*nights):
    first, end = np.array(nights, dtype=np.int64).reshape(-1, 2).T
    return Stays(first_night_Q=first, end_night_Q=end)


def _guest_by_guest(lists, value, examined, stays, *, replicates, seed):
    """The same in loops over guests, places and nights, with the same draws."""
    queries = len(stays.first_night_Q)
    booked = np.zeros(queries)
    for replicate in range(replicates):
        sold = set()
        turns = uniforms(keys_of(0, seed, np.arange(queries)), replicate)
        for query in np.argsort(turns):
            rows = np.flatnonzero(lists.query_R == query)
            for row in rows[np.argsort(lists.place_R[rows])]:
                listing = lists.listing_R[row]
                drawn = uniforms(keys_of(1, seed, np.array([query]), listing), replicate)[0]
                wants = drawn < value[row] * examined[lists.place_R[row] - 1]
                nights = range(stays.first_night_Q[query], stays.end_night_Q[query])
                asked = {(listing, night) for night in nights}
                if wants and not asked & sold:
                    sold |= asked
                    booked[query] += 1
                    break
    return booked / replicates


@pytest.fixture(scope="module")
def crowd_stays():
    rng = np.random.default_rng(4)
    first = rng.integers(0, 12, 200)
    return Stays(first_night_Q=first, end_night_Q=first + rng.integers(0, 5, 200))


def test_bookings_are_those_of_guests_one_by_one(crowd, crowd_stays):
    lists, chance = crowd
    examined = np.linspace(1, 0.2, 12)
    together = bookings_together(lists, chance, examined, crowd_stays, replicates=3, seed=9)
    by_hand = _guest_by_guest(lists, chance, examined, crowd_stays, replicates=3, seed=9)
    assert together.together_Q.tolist() == by_hand.tolist()
    # the crowd is dense enough for collisions to matter
    assert together.together_Q.sum() < 0.95 * together.apart_Q.sum()


def test_apart_under_the_draws_agrees_with_the_formula(crowd, crowd_stays):
    lists, chance = crowd
    examined = np.linspace(1, 0.2, 12)
    drawn = bookings_together(lists, chance, examined, crowd_stays, replicates=400).apart_Q
    exact = booked_apart(lists, chance, examined, queries=200)
    error = np.sqrt((exact * (1 - exact)).sum() / 400)
    assert abs(drawn.sum() - exact.sum()) < 4 * error
    assert (np.abs(drawn - exact) < 5 * np.sqrt(exact * (1 - exact) / 400) + 1e-12).all()


def test_without_a_listing_in_common_nothing_is_lost(lists_of):
    lists = lists_of({0: [1, 2], 1: [3, 4], 2: [5]})
    booked = bookings_together(lists, np.full(5, 0.4), ALWAYS, _stays(*[(0, 9)] * 3), replicates=50)
    assert booked.together_Q.tolist() == booked.apart_Q.tolist()
    assert 0 < booked.apart_Q.sum() < 3


@pytest.mark.parametrize(
    ("nights", "sold"),
    [
        ([(1, 3), (3, 5)], 2),  # the second begins when the first has left
        ([(1, 4), (3, 5)], 1),
        ([(1, 9), (3, 4)], 1),
        ([(3, 4), (3, 4)], 1),
        ([(3, 3), (1, 5)], 2),  # no dates known: takes no night
        ([(3, 3), (3, 3)], 2),
        ([(-7, -5), (-6, 2)], 1),
        ([(20_000_000, 20_000_003), (20_000_002, 20_000_004)], 1),
    ],
)
def test_one_listing_and_two_stays(lists_of, nights, sold):
    booked = bookings_together(
        lists_of({0: [7], 1: [7]}), np.ones(2), ALWAYS, _stays(*nights), replicates=10
    )
    assert booked.together_Q.sum() == pytest.approx(sold)
    assert booked.apart_Q.tolist() == [1, 1]


def test_who_finds_a_listing_sold_takes_the_next_it_wants(lists_of):
    lists = lists_of({0: [7, 8, 9], 1: [7, 8, 9]})
    stays = _stays((1, 3), (2, 4))
    wants_all = bookings_together(lists, np.ones(6), ALWAYS, stays, replicates=10)
    assert wants_all.together_Q.tolist() == [1, 1]
    # nobody wants 8: the second takes 9
    wants_two = bookings_together(lists, np.array([1.0, 0, 1] * 2), ALWAYS, stays, replicates=10)
    assert wants_two.together_Q.tolist() == [1, 1]
    wants_one = bookings_together(lists, np.array([1.0, 0, 0] * 2), ALWAYS, stays, replicates=10)
    assert wants_one.together_Q.sum() == pytest.approx(1)


def test_a_guest_books_one_listing_and_leaves_the_others_to_others(lists_of):
    # whoever comes first, guest 0 takes 7 and nothing of 8
    booked = bookings_together(
        lists_of({0: [7, 8], 1: [8]}), np.ones(3), ALWAYS, _stays((1, 3), (1, 3)), replicates=30
    )
    assert booked.together_Q.tolist() == [1, 1]


def test_every_guest_comes_first_equally_often(lists_of):
    guests, replicates = 5, 2_000
    lists = lists_of({q: [7] for q in range(guests)})
    stays = _stays(*[(1, 2)] * guests)
    booked = bookings_together(lists, np.ones(guests), ALWAYS, stays, replicates=replicates)
    low, high = binom.interval(0.9999, replicates, 1 / guests)
    assert (
        (low <= booked.together_Q * replicates) & (booked.together_Q * replicates <= high)
    ).all()
    assert booked.together_Q.sum() == pytest.approx(1)


def test_a_listing_has_the_same_draw_in_another_place_and_company(lists_of):
    stays, guests = _stays(*[(q, q + 1) for q in range(50)]), range(50)
    alone = lists_of({q: [7] for q in guests})
    third = lists_of({q: [100 + q, 200 + q, 7] for q in guests})
    value = np.where(third.listing_R == 7, 0.3, 0.0)
    first = bookings_together(alone, np.full(50, 0.3), ALWAYS, stays, seed=3)
    moved = bookings_together(third, value, ALWAYS, stays, seed=3)
    assert moved.apart_Q.tolist() == first.apart_Q.tolist()
    assert moved.together_Q.tolist() == first.together_Q.tolist()
    # twice as dear to look at: whoever wants it now wanted it before
    seen_less = bookings_together(third, value, np.array([1, 1, 0.5]), stays, seed=3)
    assert (seen_less.apart_Q <= first.apart_Q).all()
    assert seen_less.apart_Q.sum() < first.apart_Q.sum()


def test_the_seed_alone_decides(crowd, crowd_stays, in_other_order):
    lists, chance = crowd
    other, chances = in_other_order(lists, chance)
    one = bookings_together(lists, chance, ALWAYS, crowd_stays, replicates=4, seed=1)
    again = bookings_together(other, chances, ALWAYS, crowd_stays, replicates=4, seed=1)
    two = bookings_together(lists, chance, ALWAYS, crowd_stays, replicates=4, seed=2)
    assert one.together_Q.tolist() == again.together_Q.tolist()
    assert one.apart_Q.tolist() == again.apart_Q.tolist()
    assert one.apart_Q.tolist() != two.apart_Q.tolist()


def test_replicates_differ(lists_of):
    booked = bookings_together(
        lists_of({0: [7]}), np.array([0.5]), ALWAYS, _stays((1, 2)), replicates=2_000
    )
    low, high = binom.interval(0.9999, 2_000, 0.5)
    assert low <= booked.apart_Q[0] * 2_000 <= high


def test_all_taken_no_lists_and_no_guests(lists_of):
    lists, stays = lists_of({0: [7], 1: [7]}), _stays((1, 3), (1, 3), (2, 4))
    taken = bookings_together(lists, np.zeros(2), ALWAYS, stays)
    assert (taken.apart_Q.tolist(), taken.together_Q.tolist()) == ([0, 0, 0], [0, 0, 0])
    assert taken.metrics()[1].scored.tolist() == [0, 0, 0]
    nobody = bookings_together(lists_of({}), np.empty(0), ALWAYS, _stays())
    assert nobody.apart_Q.tolist() == []


def test_bookings_and_losses_by_hand():
    booked = BookedTogether(apart_Q=np.array([0.8, 0.4, 0.0]), together_Q=np.array([0.8, 0.1, 0.0]))
    per_guests, lost = booked.metrics()
    assert per_guests.numerator.sum() / per_guests.denominator.sum() == pytest.approx(300)
    assert lost.numerator == pytest.approx([0, 0.3, 0])
    assert lost.denominator.sum() == pytest.approx(1.2)
    assert lost.scored.tolist() == [1, 1, 0]


def test_unsound_stays_and_settings_are_refused(lists_of):
    with pytest.raises(ValueError, match="query 1 ends before it begins"):
        _stays((1, 3), (3, 2))
    with pytest.raises(ValueError, match="one first and one end night"):
        Stays(first_night_Q=np.array([1, 2]), end_night_Q=np.array([3]))
    with pytest.raises(ValueError, match="replicates = 0: must be at least 1"):
        bookings_together(lists_of({}), np.empty(0), ALWAYS, _stays(), replicates=0)
    with pytest.raises(ValueError, match="query 1 of only 1"):
        bookings_together(lists_of({1: [7]}), np.ones(1), ALWAYS, _stays((1, 3)))


def test_lists_without_a_place_collide_with_nobody(lists_of):
    lists = Lists(model="m", query_R=np.array([1]), place_R=np.array([1]), listing_R=np.array([7]))
    booked = bookings_together(lists, np.ones(1), ALWAYS, _stays((1, 3), (1, 3)), replicates=5)
    assert booked.together_Q.tolist() == [0, 1]
