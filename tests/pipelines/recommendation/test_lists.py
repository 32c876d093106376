"""Lists made by hand: what places each row, and what it costs the guest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from data.schema.time import DAY_S
from models.reranking.new_listing_exposure import ExposurePolicy
from pipelines.config.settings import RecommendationSettings
from pipelines.recommendation.day_availability import DayAvailability
from pipelines.recommendation.first_cut import Candidates
from pipelines.recommendation.lists import PLACED_BY, MadeLists, examined_places, make_lists
from pipelines.recommendation.scores import ScoredCandidates

DAY = 20_000
OWN_ORDER = RecommendationSettings(allocation=False, exposure=False)
TOGETHER = RecommendationSettings(exposure=False, night_capacity=0.5)
NO_HELP = ExposurePolicy()

# (query, listing, score) of a contender
Row = tuple[int, int, float]


@dataclass(frozen=True, kw_only=True)
class Day:
    """Contenders by query, and what is known of them.

    Attributes:
        rows: by query and listing.
        nights: of each query, nights after the day of check-in and check-out; ``None`` = dateless.
        free: P(free) of each row; NaN = unknown; by default sure.
        new: the listings that are new.
    """

    rows: Sequence[Row]
    nights: Sequence[tuple[int, int] | None]
    free: Sequence[float] | None = None
    new: frozenset[int] = frozenset()

    def lists(
        self, settings: RecommendationSettings, exposure: ExposurePolicy = NO_HELP
    ) -> MadeLists:
        return make_lists(self._scored(), self._availability(), exposure, settings)

    def _scored(self) -> ScoredCandidates:
        query, listing, score = (np.array(column) for column in zip(*self.rows, strict=True))
        # A candidate that is no contender stands before each of them: places must be translated.
        both = np.repeat(np.arange(len(query)), 2)
        is_contender = np.tile([False, True], len(query))
        free = np.ones(len(query)) if self.free is None else np.asarray(self.free)
        candidates = Candidates(
            query_C=query[both],
            listing_C=np.where(is_contender, listing[both], 1_000 + listing[both]),
            availability_C=np.where(is_contender, free[both], 1.0),
            cut_C=np.zeros(len(both)),
            was_seen_C=np.zeros(len(both), dtype=bool),
        )
        features = pa.table(
            {
                "id_search": [f"s{q}" for q in query],
                "id_listing": [f"l{at}" for at in listing],
                "listing_is_new": [int(at) in self.new for at in listing],
                "listing_room_type": [f"room {at % 2}" for at in listing],
            }
        )
        score_C = np.where(is_contender, score[both], 0.9)
        return ScoredCandidates(candidates, score_C, is_contender, features)

    def _availability(self) -> DayAvailability:
        stays = [
            (-1, -1) if stay is None else (DAY + stay[0], DAY + stay[1]) for stay in self.nights
        ]
        checkin, checkout = (np.array(days, dtype=np.int64) for days in zip(*stays, strict=True))
        is_dateless = np.array([stay is None for stay in self.nights])
        return DayAvailability(
            morning_s=DAY * DAY_S,
            checkin_Q=checkin,
            checkout_Q=checkout,
            is_dated_Q=~is_dateless,
            is_dateless_Q=is_dateless,
            model=None,
            seen=None,
            prior_L=np.ones(2_000),
        )


def places(day: Day, made: MadeLists) -> dict[int, list[int]]:
    """The listings of each query's list, best first; the rows must come in that order."""
    found: dict[int, list[int]] = {}
    for row, place in zip(made.contender_R.tolist(), made.place_R.tolist(), strict=True):
        query, listing, _ = day.rows[row]
        found.setdefault(query, []).append(listing)
        assert place == len(found[query])
    return found


def placed(made: MadeLists) -> list[str]:
    return [PLACED_BY[at] for at in made.placed_by_R]


def test_places_are_examined_as_dcg_discounts_them() -> None:
    assert examined_places(3).tolist() == pytest.approx([1, 0.6309, 0.5], abs=1e-4)


def test_without_policies_each_list_is_in_the_order_of_score_times_availability() -> None:
    day = Day(
        rows=[(0, 1, 0.1), (0, 2, 0.3), (0, 3, 0.2), (2, 1, 0.2), (2, 5, 0.1)],
        nights=[(1, 2)] * 3,
        # 0.1, 0.06, unknown and hence 0.2
        free=[1.0, 0.2, np.nan, 0.1, 0.9],
    )
    made = day.lists(OWN_ORDER)
    assert places(day, made) == {0: [3, 1, 2], 2: [5, 1]}
    assert placed(made) == ["score"] * 5
    assert made.kept_R.tolist() == [1.0] * 5
    assert made.allocation is None


def test_the_first_of_each_list_are_kept_and_equal_worth_goes_by_listing() -> None:
    day = Day(rows=[(0, 4, 0.1), (0, 5, 0.1), (0, 9, 0.2), (1, 4, 0.3)], nights=[None, None])
    made = day.lists(OWN_ORDER.model_copy(update={"top": 2}))
    assert places(day, made) == {0: [9, 4], 1: [4]}


def test_a_list_longer_than_the_contenders_holds_all_of_them() -> None:
    day = Day(rows=[(0, 1, 0.03), (0, 2, 0.02), (1, 1, 0.01)], nights=[(1, 2), (3, 4)])
    for settings in (OWN_ORDER, TOGETHER):
        made = day.lists(settings.model_copy(update={"top": 50}))
        assert places(day, made) == {0: [1, 2], 1: [1]}
        assert placed(made) == ["score"] * 3


def contested(nights: Sequence[tuple[int, int] | None]) -> Day:
    """Two guests want listing 0; the first would be nearly as well off with listing 1.

    At the first place of a list each would book it with 0.28, of which a night has room for 0.5.
    """
    rows = [(0, 0, 0.10), (0, 1, 0.09), (1, 0, 0.10), (1, 2, 0.02)]
    return Day(rows=rows, nights=nights)


def test_a_night_that_two_want_is_left_to_the_one_who_would_lose_more() -> None:
    day = contested([(5, 7), (6, 8)])
    one = TOGETHER.model_copy(update={"top": 1})
    made = day.lists(one)
    assert places(day, made) == {0: [1], 1: [0]}
    assert placed(made) == ["spread", "score"]
    # The first guest's ten best are 1, 0 in place of 0, 1; the second's are as they were.
    second = 1 / np.log2(3)
    kept = (0.09 + 0.10 * second) / (0.10 + 0.09 * second)
    assert made.kept_R.tolist() == pytest.approx([kept, 1.0])
    prices = made.allocation.prices
    # Both want night 6 of listing 0, counted from the day.
    assert list(zip(prices.listing_M, prices.night_M, strict=True)) == [(0, 6)]
    assert places(day, day.lists(one.model_copy(update={"allocation": False}))) == {0: [0], 1: [0]}


@pytest.mark.parametrize(
    "nights", [[(5, 6), (6, 7)], [None, None]], ids=["other nights", "dateless"]
)
def test_guests_who_take_no_night_from_each_other_keep_their_own_order(
    nights: Sequence[tuple[int, int] | None],
) -> None:
    day = contested(nights)
    made = day.lists(TOGETHER)
    assert places(day, made) == {0: [0, 1], 1: [0, 2]}
    assert placed(made) == ["score"] * 4
    assert len(made.allocation.prices) == 0


def test_what_moves_within_the_list_is_still_placed_by_its_score() -> None:
    day = contested([(5, 7), (6, 8)])
    made = day.lists(TOGETHER.model_copy(update={"top": 2}))
    assert places(day, made) == {0: [1, 0], 1: [0, 2]}
    assert placed(made) == ["score"] * 4


def test_a_place_kept_for_a_new_listing_is_called_exposure() -> None:
    day = Day(
        rows=[(0, 1, 0.4), (0, 2, 0.3), (0, 3, 0.2), (1, 1, 0.4), (1, 3, 0.5)],
        nights=[None, None],
        new=frozenset({3}),
    )
    settings = OWN_ORDER.model_copy(update={"exposure": True, "top": 2})
    made = day.lists(settings, ExposurePolicy(floor=0.5, k=2))
    assert places(day, made) == {0: [1, 3], 1: [3, 1]}
    # The second guest's list has it in the first place by itself.
    assert placed(made) == ["score", "exposure", "score", "score"]
    second, third = examined_places(3)[1:]
    best = 0.4 + 0.3 * second + 0.2 * third
    assert made.kept_R[0] == pytest.approx((0.4 + 0.2 * second + 0.3 * third) / best)
    assert made.kept_R[2] == 1.0
    off = day.lists(settings.model_copy(update={"exposure": False}), ExposurePolicy(floor=0.5, k=2))
    assert places(day, off) == {0: [1, 2], 1: [3, 1]}


def test_a_bonus_lifts_a_new_listing_in_the_order_of_logarithms() -> None:
    # log 0.4, log 0.2, log 0.1: the deviation is log 2 × √(2/3) = 0.566
    day = Day(rows=[(0, 1, 0.4), (0, 2, 0.2), (0, 3, 0.1)], nights=[None], new=frozenset({3}))
    settings = OWN_ORDER.model_copy(update={"exposure": True})
    assert places(day, day.lists(settings, ExposurePolicy(bonus=1.2)))[0] == [1, 2, 3]
    made = day.lists(settings, ExposurePolicy(bonus=1.3))
    assert places(day, made)[0] == [1, 3, 2]
    assert placed(made) == ["score", "exposure", "score"]


def test_a_bonus_counts_in_the_scores_whatever_others_want() -> None:
    # A night that thirty want makes listing 0 worth next to nothing to the first guest: its
    # logarithm lies far below the others, and must not make the bonus of listing 3 larger.
    rows: list[Row] = [(0, 0, 0.03), (0, 1, 0.04), (0, 2, 0.02), (0, 3, 0.01)]
    nights: list[tuple[int, int] | None] = [(5, 6)]
    for _ in range(30):
        rows.append((len(nights), 0, 0.9))
        nights.append((5, 6))
    settings = TOGETHER.model_copy(update={"exposure": True, "top": 4})
    day = Day(rows=rows, nights=nights, new=frozenset({3}))
    made = day.lists(settings, ExposurePolicy(bonus=0.5))

    assert places(day, made)[0][:3] == [1, 2, 3]
    # log 0.04, 0.03, 0.02, 0.01: a deviation of 0.52, and log 0.02 lies 1.3 of them above log 0.01
    lifted = day.lists(settings, ExposurePolicy(bonus=1.4))
    assert places(day, lifted)[0][:3] == [1, 3, 2]


def test_what_takes_more_from_others_than_it_brings_stands_last_under_a_bonus_too() -> None:
    # Twenty guests want each of the three nights of listing 0, and ten each of listing 1.
    rows: list[Row] = [(0, 0, 0.10), (0, 1, 0.09), (0, 2, 0.01)]
    nights: list[tuple[int, int] | None] = [(5, 8)]
    for night in (5, 6, 7):
        for listing, guests in ((0, 20), (1, 10)):
            for _ in range(guests):
                rows.append((len(nights), listing, 0.3))
                nights.append((night, night + 1))
    day = Day(rows=rows, nights=nights)
    settings = TOGETHER.model_copy(update={"exposure": True, "top": 3})

    plain = day.lists(settings)
    worth = plain.allocation.worth_GK[0]
    assert worth[0] < worth[1] < 0 < worth[2]
    assert places(day, plain)[0] == [2, 1, 0]
    # No listing is new: the policy has nothing to move.
    assert places(day, day.lists(settings, ExposurePolicy(bonus=0.1)))[0] == [2, 1, 0]


def test_diversity_spreads_the_kinds_of_room() -> None:
    day = Day(rows=[(0, 2, 0.5), (0, 4, 0.4), (0, 5, 0.1)], nights=[None])
    made = day.lists(OWN_ORDER.model_copy(update={"diversity": 5.0}))
    assert places(day, made)[0] == [2, 5, 4]
