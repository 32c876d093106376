"""P(free) learnt on a made-up world whose free nights are known, from what was shown alone."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from models.availability.availability_model import (
    AvailabilityModel,
    OccupancyRows,
    typical_stays,
)
from models.availability.config import AvailabilityConfig
from models.availability.detection import (
    DetectionRows,
    detection_probabilities,
    known_pairs_factor,
)
from models.availability.night_evidence import NightEvidence
from models.availability.stays import Booked, DatedSearches, Listings, ShownStays, StayLog

DAY, DAY_S, NIGHTS, LISTINGS = 100, 86_400, 20, 120
CONFIG = AvailabilityConfig(rounds=15, min_rows_per_leaf=50, shapes=(4.0, 16.0, 1e9))


class World:
    """Listings with free and taken nights; each search shows a free one with its own chance."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.listings = Listings(
            market_L=np.zeros(LISTINGS, dtype=np.int64),
            occupancy_L=rng.uniform(0.1, 0.9, LISTINGS),
            attributes_LA=np.zeros((LISTINGS, 0)),
            fewest_L=np.full(LISTINGS, np.nan),
            most_L=np.full(LISTINGS, np.nan),
        )
        self.free = rng.random((LISTINGS, NIGHTS + 5)) > self.listings.occupancy_L[:, None]
        self.often = rng.uniform(0.05, 0.4, LISTINGS)
        searches = 2_400
        self.checkin = rng.integers(0, NIGHTS, searches)
        self.length = rng.integers(1, 4, searches)
        # three days: two mornings of evidence, the third is learnt from
        self.second = np.sort(rng.integers((DAY - 2) * DAY_S, (DAY + 1) * DAY_S, searches))
        self.is_free = np.stack(
            [
                np.all([self.free[:, c + n] for n in range(length)], axis=0)
                for c, length in zip(self.checkin, self.length, strict=True)
            ]
        )
        self.shown = self.is_free & (rng.random(self.is_free.shape) < self.often)

    def log(self) -> StayLog:
        search, listing = np.nonzero(self.shown)
        none = np.zeros(0, dtype=np.int64)
        checkin, checkout = DAY + self.checkin, DAY + self.checkin + self.length
        return StayLog(
            shown=ShownStays(
                listing_R=listing,
                checkin_R=checkin[search],
                checkout_R=checkout[search],
                second_R=self.second[search],
            ),
            searches=DatedSearches(
                market_S=np.zeros(len(checkin), dtype=np.int64),
                checkin_S=checkin,
                checkout_S=checkout,
                second_S=self.second,
            ),
            booked=Booked(listing_B=none, checkin_B=none, checkout_B=none, known_B=none),
        )

    def evidence(self, log: StayLog) -> NightEvidence:
        return NightEvidence.of(log, self.listings, first_night=DAY, nights=NIGHTS + 5)

    def pairs(self) -> tuple[Any, Any, Any, Any]:
        """Search and listing of all pairs of the third day, and their stay."""
        today = np.flatnonzero(self.second >= DAY * DAY_S)
        search, listing = np.repeat(today, LISTINGS), np.tile(np.arange(LISTINGS), len(today))
        checkin = DAY + self.checkin[search]
        return search, listing, checkin, checkin + self.length[search]


@cache
def world() -> World:
    return World(3)


@cache
def rows() -> OccupancyRows:
    made, log = world(), world().log()
    search, listing, checkin, checkout = made.pairs()
    stay = (listing, checkin, checkout)
    morning, whole = made.evidence(log.before(DAY * DAY_S)), made.evidence(log)
    expected, times = whole.expected_and_seen(*stay)
    was_shown = made.shown[search, listing]
    return OccupancyRows(
        inputs_PD=morning.inputs(*stay),
        detection=DetectionRows(
            inputs_PD=np.log(morning.rate_L[listing])[:, None],
            search_P=search - search.min(),
            was_shown_P=was_shown,
            weight_P=np.ones(len(search)),
            is_anchor_P=morning.is_covered(*stay),
            expected_P=expected - morning.rate_L[listing],
            seen_P=times - was_shown,
        ),
    )


@cache
def model() -> AvailabilityModel:
    return AvailabilityModel.fit([rows()], CONFIG)


def predicted(fitted: AvailabilityModel) -> tuple[Any, Any]:
    """P(free) on the morning of the third day, and whether it is."""
    search, listing, checkin, checkout = world().pairs()
    morning = world().evidence(world().log().before(DAY * DAY_S))
    free = fitted.probabilities(morning, listing, checkin, checkout)
    return free, world().is_free[search, listing]


def test_it_tells_free_from_taken_without_having_seen_either() -> None:
    free, truth = predicted(model())
    ranks, positives = rankdata(free), int(truth.sum())
    above = ranks[truth].sum() - positives * (positives + 1) / 2
    assert above / (positives * (len(truth) - positives)) > 0.97


def test_it_is_calibrated_in_the_large() -> None:
    free, truth = predicted(model())
    order = np.argsort(free)
    for part in np.array_split(order, 5):
        assert abs(free[part].mean() - truth[part].mean()) < 0.08


def test_the_same_seed_gives_the_same_coefficients() -> None:
    again = AvailabilityModel.fit([rows()], replace(CONFIG, threads=1))
    assert again.coefficients.tolist() == model().coefficients.tolist()


def test_what_is_saved_predicts_the_same(tmp_path: Path) -> None:
    model().save(tmp_path)
    loaded = AvailabilityModel.load(tmp_path)
    assert np.array_equal(predicted(loaded)[0], predicted(model())[0])
    (tmp_path / "availability.json").write_text("{}")
    with pytest.raises(ValueError, match=r"availability\.json"):
        AvailabilityModel.load(tmp_path)


def test_too_few_shown_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        AvailabilityModel.fit([rows()], replace(CONFIG, fewest_shown=10**6))


def test_without_a_pair_known_to_be_free_nothing_is_learnt() -> None:
    detection = replace(rows().detection, is_anchor_P=np.zeros(len(rows().inputs_PD), dtype=bool))
    with pytest.raises(ValueError, match="known to be free"):
        detection_probabilities(detection, CONFIG)


def test_detection_finds_how_often_free_listings_are_shown() -> None:
    search, listing, _, _ = world().pairs()
    chance, _ = detection_probabilities(rows().detection, replace(CONFIG, rounds=60))
    shown, anchor = world().shown[search, listing], rows().detection.is_anchor_P
    assert abs(chance[anchor].mean() - shown[anchor].mean()) < 0.01
    # no search showed a third of the free pairs before: they are inferred
    free = world().is_free[search, listing]
    assert abs(chance[free].mean() / shown[free].mean() - 1) < 0.2


def test_the_factor_draws_the_never_seen_down() -> None:
    factor = known_pairs_factor(4.0, np.array([0.0, 0.0, 8.0]), np.array([0.0, 4.0, 4.0]))
    assert factor.tolist() == [1.0, 0.5, 1.5]


def test_typical_stays_keep_their_distance_from_the_day() -> None:
    searches = DatedSearches(
        market_S=np.array([0, 1]),
        checkin_S=np.array([DAY + 3, DAY + 9]),
        checkout_S=np.array([DAY + 5, DAY + 10]),
        second_S=np.array([DAY * DAY_S + 5, (DAY + 2) * DAY_S]),
    )
    stays = typical_stays(searches, 3, DAY + 30, seed=0)
    assert [(checkin.tolist(), checkout.tolist()) for checkin, checkout in stays] == [
        ([DAY + 33], [DAY + 35]),
        ([DAY + 37], [DAY + 38]),
        ([], []),
    ]


def test_a_market_without_dated_searches_has_no_prior() -> None:
    none = np.zeros(0, dtype=np.int64)
    seen = world().evidence(world().log())
    assert np.isnan(model().of_typical_stays(seen, [(none, none)])).all()


def test_the_prior_of_a_dateless_search_is_the_mean_of_typical_stays() -> None:
    seen = world().evidence(world().log())
    checkin, checkout = np.array([DAY + 1, DAY + 8]), np.array([DAY + 2, DAY + 10])
    prior = model().of_typical_stays(seen, [(checkin, checkout)])
    both = model().probabilities(seen, np.array([5, 5]), checkin, checkout)
    assert np.isclose(prior[5], both.mean())


def test_a_prior_counts_stays_that_the_listing_does_not_take_as_taken() -> None:
    picky = replace(world().listings, fewest_L=np.full(LISTINGS, 3.0))
    seen = NightEvidence.of(world().log(), picky, first_night=DAY, nights=NIGHTS + 5)
    prior = model().of_typical_stays(seen, [(np.array([DAY + 1]), np.array([DAY + 3]))])
    assert prior.tolist() == [0.0] * LISTINGS


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"shapes": ()}, {"penalty": -1.0}])
def test_unsound_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        AvailabilityConfig(**wrong)
