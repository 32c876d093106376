"""The worlds that do not flatter a model: each has the quality that it is named for."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import spearmanr

from data.simulator import SCENARIOS, SimulationConfig, simulate
from data.simulator.catalogue_truth import CatalogueTruth
from data.simulator.choices import Offers, Probabilities, examination, probabilities, taste_of
from data.simulator.outcomes import Dice, Steps, steps_of
from data.simulator.parameters import ChoiceParameters
from data.simulator.prices import Quote
from data.simulator.results import Shown
from data.simulator.searches import Queries
from data.simulator.tables import LABELS
from tests.data.simulator.conftest import Array, Week, simulated_week

WORLDS = ("sparse", "clickbait", "strong_tastes", "contrast")
SEARCHES = 6_000
README = Path(__file__).parents[3] / "data" / "README.md"


@cache
def week_of(scenario: str) -> Week:
    return simulated_week(searches=SEARCHES, seed=21, scenario=scenario, with_position=True)


def search_of(week: Week) -> Array:
    codes: Array = np.unique(week.of("id_search"), return_inverse=True)[1]
    return codes


def listing_shares(week: Week) -> tuple[Array, Array]:
    """P(click) and P(book | click) of each listing that was shown 20 times or more."""
    listing = np.unique(week.of("id_listing"), return_inverse=True)[1]
    shown = np.bincount(listing)
    click, book = (
        np.bincount(listing, weights=week.of(f"p_{stage}_taste")) for stage in ("click", "book")
    )
    often = shown >= 20
    return (click / shown)[often], (book / click)[often]


def share_of_oracle(week: Week, score: Array, k: int = 10) -> float:
    """DCG@k of the true P(book) in this order, from chance (0) to the oracle (1)."""

    def dcg(by: Array) -> float:
        search = search_of(week)
        order = np.lexsort((-by, search))
        starts = np.flatnonzero(np.diff(search[order], prepend=-1))
        place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
        discount = np.where(place < k, 1 / np.log2(place + 2), 0.0)
        return float((discount * week.of("p_book_taste")[order]).sum())

    chance = dcg(np.random.default_rng(0).random(len(score)))
    return (dcg(score) - chance) / (dcg(week.of("p_book_taste")) - chance)


# all worlds


def test_the_readme_has_each_scenario_with_its_sentence() -> None:
    lines = README.read_text().splitlines()
    rows = [f"| `{name}` | {scenario.meaning} |" for name, scenario in SCENARIOS.items()]
    assert [line for line in lines if line in rows] == rows


@pytest.mark.parametrize("scenario", WORLDS)
def test_same_seed_gives_the_same_bytes_on_any_number_of_threads(scenario: str) -> None:
    def tables(seed: int, threads: int) -> list[pa.Table]:
        config = SimulationConfig(
            searches=400, seed=seed, scenario=scenario, threads=threads, searches_per_chunk=50
        )
        chunks = list(simulate(config))
        return [
            pa.concat_tables([chunk.log for chunk in chunks]),
            pa.concat_tables([chunk.truth for chunk in chunks]),
        ]

    first = tables(9, 1)
    assert tables(9, 3) == first
    assert tables(8, 1) != first


@pytest.mark.parametrize("scenario", WORLDS)
def test_rates_of_the_funnel_stay_near_those_of_the_ordinary_week(scenario: str) -> None:
    """So that a figure of one world is about its structure, not about how much happens in it."""
    label = week_of(scenario).of("label")
    clicked, contacted = label != "impressed", ~np.isnat(week_of(scenario).of("ds_contact"))
    assert 0.035 < clicked.mean() < 0.065
    assert 0.03 < contacted.sum() / clicked.sum() < 0.08
    assert 0.3 < ((label == "booked") & contacted).sum() / contacted.sum() < 0.6


@pytest.mark.parametrize("scenario", ["sparse", "clickbait", "strong_tastes"])
def test_clicks_are_as_many_as_the_truth_promises(scenario: str) -> None:
    week = week_of(scenario)
    promised = week.of("p_click_taste") * examination(week.of("position"))
    clicked = week.of("label") != "impressed"
    assert abs(clicked.sum() - promised.sum()) < 4 * np.sqrt(promised.sum())


# a pair's worth against the truth table


@cache
def truth_of(scenario: str) -> tuple[Week, CatalogueTruth]:
    """400 searches with few listings, in `sparse` with all, and the world that they left."""
    listings = None if scenario == "sparse" else 300
    config = SimulationConfig(searches=400, listings=listings, seed=5, scenario=scenario)
    week = simulated_week(searches=400, listings=listings, seed=5, scenario=scenario)
    stage = pa.array([LABELS.index(label) for label in week.log["label"].to_pylist()], pa.int8())
    return week, CatalogueTruth(config, week.log.append_column("stage", stage))


@cache
def shown_of(scenario: str) -> tuple[Queries, Array, Array]:
    """All searches as they were asked; search and listing of each row of the log."""
    week, world = truth_of(scenario)
    ids, first, search = np.unique(week.of("id_search"), return_index=True, return_inverse=True)
    asked = {
        name: week.of(f"query_{name}")[first].astype(float)
        for name in ("radius", "price_min", "price_max")
    }
    assert (np.diff(search) >= 0).all()
    queries = world.queries(pa.table({"id_search": ids}), asked)
    return queries, search, world.listings(week.truth["id_listing"])


@pytest.mark.parametrize("scenario", WORLDS)
def test_what_was_shown_is_worth_what_the_truth_table_says(scenario: str) -> None:
    week, world = truth_of(scenario)
    queries, search, listing = shown_of(scenario)
    pairs = world.worth(queries, search, listing, shown=(search, listing))
    can = pairs.is_free & ~world.has_booked[queries.guest[search]]
    assert can.sum() > 2_000
    assert np.array_equal(pairs.taste[can], week.of("p_book_taste")[can])


@pytest.mark.parametrize("scenario", WORLDS)
def test_observables_of_what_was_shown_are_those_of_the_truth_table(scenario: str) -> None:
    """In first searches, in which all tastes weigh alike."""
    week, world = truth_of(scenario)
    queries, search, listing = shown_of(scenario)
    nodes = world.config.choice.taste_nodes
    equal = np.full((nodes, len(queries)), 1 / nodes)
    pairs = world.worth(queries, search, listing, weights=equal, shown=(search, listing))
    assert pairs.observables is not None
    can = pairs.is_free & (queries.ordinal[search] == 0)
    can &= ~world.has_booked[queries.guest[search]]
    assert can.sum() > 200
    told = week.of("p_book_observables")[can]
    assert np.allclose(pairs.observables[can], told, rtol=1e-4, atol=1e-9)


# sparse


@pytest.mark.parametrize("searches", [1, 5_000, 5_000_000])
def test_sparse_has_the_full_catalogues_whatever_the_searches(searches: int) -> None:
    full = SimulationConfig(searches=searches, scenario="sparse").listings_per_market()
    assert full == (29_011, 42_000)


def test_listings_that_are_asked_for_count_in_sparse_too() -> None:
    asked = SimulationConfig(searches=50, scenario="sparse", listings=700).listings_per_market()
    assert sum(asked) == 700


def test_a_listing_of_sparse_is_shown_a_handful_of_times() -> None:
    often, seldom = (
        np.median(np.unique(week_of(name).of("id_listing"), return_counts=True)[1])
        for name in ("default", "sparse")
    )
    assert seldom <= 5
    assert often > 10 * seldom


# clickbait


def test_listings_that_earn_clicks_earn_bookings_and_in_clickbait_they_do_not() -> None:
    assert spearmanr(*listing_shares(week_of("default"))).statistic > 0.3
    assert spearmanr(*listing_shares(week_of("clickbait"))).statistic < -0.2


def test_the_true_order_of_clicks_is_a_poor_order_of_bookings_in_clickbait() -> None:
    ordinary, bait = (
        share_of_oracle(week_of(name), week_of(name).of("p_click_taste"))
        for name in ("default", "clickbait")
    )
    assert bait < 0.7 * ordinary


def offered(scenario: str, **changed: Array) -> Probabilities:
    """The steps of what was shown, with some columns of the catalogue changed."""
    _, world = truth_of(scenario)
    queries, search, listing = shown_of(scenario)
    own = world.catalogue
    world.catalogue = replace(own, **changed)
    try:
        offers = world._offers(queries, search, listing)
    finally:
        world.catalogue = own
    return probabilities(offers, taste_of(offers.settings, world.guests, queries, search))


def given_click(chances: Probabilities) -> Array:
    share: Array = chances.book_unless_booked / chances.click
    return share


@pytest.mark.parametrize("scenario", ["default", "clickbait"])
def test_more_appeal_means_more_clicks_and_in_clickbait_fewer_bookings(scenario: str) -> None:
    _, world = truth_of(scenario)
    before, after = (offered(scenario, appeal=world.catalogue.appeal + more) for more in (0.0, 1.0))
    hosts = before.accept_given_contact > 0
    assert (after.click > before.click).all()
    sign = 1 if scenario == "default" else -1
    assert (sign * (given_click(after) - given_click(before))[hosts] > 0).all()


def test_more_stars_move_bookings_more_and_clicks_as_before_in_clickbait() -> None:
    """On the scale of logits, on which utility adds."""
    moved = {}
    for scenario in ("default", "clickbait"):
        _, world = truth_of(scenario)
        chances = [
            offered(scenario, rating=np.full_like(world.catalogue.rating, stars))
            for stars in (4.5, 4.9)
        ]
        moved[scenario] = [
            float(np.mean(np.diff([_logit(getattr(c, name)) for c in chances], axis=0)))
            for name in ("click", "contact_unless_booked")
        ]
    assert moved["clickbait"][0] == pytest.approx(moved["default"][0], rel=0.1)
    assert moved["clickbait"][1] > 1.5 * moved["default"][1]


def _logit(chance: Array) -> Array:
    wide = chance.astype(np.float64)
    return np.asarray(np.log(wide / (1 - wide)))


# strong_tastes


def explained_within_searches(week: Week) -> float:
    """How much of the click's logit under taste the observables explain, within searches."""
    search = search_of(week)

    def centred(given: str) -> Array:
        # a choice that is certain has no logit in float32
        logit = _logit(week.of(f"p_click_{given}").clip(1e-5, 1 - 1e-5))
        centre: Array = np.bincount(search, weights=logit) / np.bincount(search)
        return logit - centre[search]

    return float(np.corrcoef(centred("taste"), centred("observables"))[0, 1] ** 2)


def test_the_guests_own_taste_is_most_of_the_choice_in_strong_tastes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With tastes enough that the gap is what is unknown, and not the error of the integral."""
    choice = vars(SimulationConfig)["choice"].fget

    def with_more_nodes(config: SimulationConfig) -> ChoiceParameters:
        found: ChoiceParameters = replace(choice(config), taste_nodes=256)
        return found

    monkeypatch.setattr(SimulationConfig, "choice", property(with_more_nodes))
    gap, explained = {}, {}
    for scenario in ("default", "strong_tastes"):
        week = simulated_week(searches=3_000, seed=22, scenario=scenario)
        explained[scenario] = explained_within_searches(week)
        gap[scenario] = 1 - share_of_oracle(week, week.of("p_book_observables"))
    assert gap["strong_tastes"] > gap["default"] + 0.08
    assert explained["default"] > 0.4
    assert explained["strong_tastes"] < 0.3


def test_strong_tastes_widen_what_guests_differ_in_and_no_weight_that_they_share() -> None:
    ordinary, strong = (
        SimulationConfig(searches=1, scenario=name).choice for name in ("default", "strong_tastes")
    )
    spreads = ("entire_taste_sd", "style_weight", "price_taste_sd", "distance_taste_sd")
    for name in (*spreads, "quality_taste_sd"):
        assert getattr(strong, name) > 1.5 * getattr(ordinary, name)
    same = {name: getattr(ordinary, name) for name in (*spreads, "quality_taste_sd")}
    assert replace(strong, **same) == ordinary


# contrast: beside others


def test_a_pair_is_worth_more_beside_dear_and_poorly_rated_ones() -> None:
    """And in the ordinary week it does not matter what it stands beside."""
    for scenario, matters in (("contrast", True), ("default", False)):
        _, world = truth_of(scenario)
        queries, search, listing = shown_of(scenario)
        of_search = np.flatnonzero(search == np.argmax(np.bincount(search)))
        pairs = search[of_search], listing[of_search]
        offers = world._offers(queries, *pairs)
        for by, sign in ((offers.log_price, 1), (offers.quality, -1)):
            order = np.argsort(sign * by, kind="stable")
            halves = order[: len(order) // 2], order[len(order) // 2 :]
            low, high = (
                world.worth(queries, *pairs, shown=(pairs[0][half], pairs[1][half])).taste
                for half in halves
            )
            if matters:
                assert _contrast_alone(offers, by, halves, (low, high))
            else:
                assert np.array_equal(low, high)


def _contrast_alone(
    offers: Offers, by: Array, halves: tuple[Array, Array], worth: tuple[Array, Array]
) -> bool:
    """Held against the other half, all pairs are worth more or all less: by both contrasts."""
    changes = SCENARIOS["contrast"]
    low, high = halves
    lost = changes.price_contrast * (
        offers.log_price[high].mean() - offers.log_price[low].mean()
    ) - changes.rating_contrast * (offers.quality[high].mean() - offers.quality[low].mean())
    can = worth[0] > 0
    assert can.any()
    assert abs(lost) > 0.1
    return bool((np.sign(worth[1] - worth[0])[can] == np.sign(lost)).all())


def test_a_pair_that_was_never_shown_is_held_against_all_that_its_search_allows() -> None:
    _, world = truth_of("contrast")
    queries = shown_of("contrast")[0].rows(np.arange(30))
    (every,) = world.pairs(queries)
    free = every.is_free
    against_free = (every.search[free], every.listing[free])
    some = np.arange(0, len(every.search), 7)
    pairs = every.search[some], every.listing[some]
    alone = world.worth(queries, *pairs)
    assert (alone.taste > 0).sum() > 30
    assert np.array_equal(alone.taste, every.taste[some])
    assert np.array_equal(alone.taste, world.worth(queries, *pairs, shown=against_free).taste)
    parts = list(world.pairs(queries, at_once=1))
    assert len(parts) == 30
    assert np.array_equal(np.concatenate([part.taste for part in parts]), every.taste)


def test_what_was_shown_stood_beside_better_than_all_that_its_search_allows() -> None:
    """The results are ordered: held against them, most rows are worth less."""
    _, world = truth_of("contrast")
    queries, search, listing = shown_of("contrast")
    against_all = world.worth(queries, search, listing).taste
    against_shown = world.worth(queries, search, listing, shown=(search, listing)).taste
    can = against_all > 0
    assert (against_shown[can] < against_all[can]).mean() > 0.6


def test_a_search_of_which_nothing_is_known_is_held_against_nothing() -> None:
    _, world = truth_of("contrast")
    queries, search, listing = shown_of("contrast")
    first = search == search[0]
    none = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    worth = world.worth(queries, search[first], listing[first], shown=none)
    assert np.isfinite(worth.taste).all()
    assert (worth.taste > 0).any()


# contrast: the cascade


def steps(stop_after_click: float | None, stop: list[float]) -> Steps:
    """Two searches of four places, all of them clicked; the host of the first's third contacted."""
    rows = 8
    ones = np.ones(rows, dtype=np.float32)
    contacts = np.array([0, 0, 1, 0, 0, 0, 0, 0], dtype=np.float32)
    chances = Probabilities(
        click=ones,
        direct_unless_booked=0 * ones,
        contact_unless_booked=contacts,
        accept_given_contact=ones,
        complete_given_accept=ones,
        has_booked=0 * ones,
    )
    shown = Shown(
        search=np.repeat([0, 1], 4),
        listing=np.arange(rows),
        position=np.array([1, 2, 3, 4, 4, 3, 2, 1], dtype=np.int32),
        is_random_order=np.zeros(rows, dtype=bool),
        propensity=np.full(rows, np.nan),
        price=Quote(total=ones, shown_per_night=ones, felt_per_night=ones),
    )
    never = np.zeros(rows, dtype=np.float32)
    dice = Dice(
        click=never,
        direct=never,
        contact=never,
        accept=never,
        complete=never,
        stop=np.array(stop, dtype=np.float32),
    )
    return steps_of(chances, shown, dice, stop_after_click)


@pytest.mark.parametrize(
    ("stop_after_click", "clicked"),
    [
        (None, [1, 1, 1, 1, 1, 1, 1, 1]),
        # the contact at the third place ends the first search
        (0.0, [1, 1, 1, 0, 1, 1, 1, 1]),
        # the dice .4 at the second place of both: the other search's rows are in another order
        (0.5, [1, 1, 0, 0, 0, 0, 1, 1]),
        (1.0, [1, 0, 0, 0, 0, 0, 0, 1]),
    ],
)
def test_who_has_found_looks_no_further(stop_after_click: float | None, clicked: list[int]) -> None:
    found = steps(stop_after_click, [0.9, 0.4, 0.9, 0.1, 0.1, 0.9, 0.4, 0.9])
    assert found.clicked.astype(int).tolist() == clicked
    contacted = [0, 0, int(clicked[2]), 0, 0, 0, 0, 0]
    assert found.contacted.astype(int).tolist() == contacted
    assert found.completed.astype(int).tolist() == contacted


def rows_below_a_contact(week: Week) -> Array:
    """Whether each row stands below the first place that led to a contact or a booking."""
    search, position = search_of(week), week.of("position")
    has_found = np.isin(week.of("label"), ("contact host", "booked"))
    last = np.full(search.max() + 1, 99)
    np.minimum.at(last, search[has_found], position[has_found])
    below: Array = position > last[search]
    return below


def test_nothing_is_clicked_below_a_contact_and_in_the_ordinary_week_much_is() -> None:
    for scenario, happens in (("contrast", False), ("default", True)):
        week = week_of(scenario)
        below = rows_below_a_contact(week)
        assert below.sum() > 500
        assert (week.of("label")[below] != "impressed").any() == happens


def test_clicks_of_a_cascade_are_those_that_the_truth_promises_of_what_is_examined() -> None:
    """Down to a search's first click nobody can have stopped; right below a click as many look
    on as do not stop there."""
    week = week_of("contrast")
    search, position, label = search_of(week), week.of("position"), week.of("label")
    clicked = label != "impressed"
    promised = week.of("p_click_taste") * examination(position)
    first = np.full(search.max() + 1, 99)
    np.minimum.at(first, search[clicked], position[clicked])
    until = position <= first[search]
    assert abs((clicked - promised)[until].sum()) < 4 * np.sqrt(promised[until].sum())
    order = np.lexsort((position, search))
    above, below = order[:-1], order[1:]
    below = below[(search[above] == search[below]) & (label[above] == "clicked")]
    left, stop = (
        clicked[below].sum() / promised[below].sum(),
        SCENARIOS["contrast"].stop_after_click,
    )
    assert stop is not None
    assert left == pytest.approx(1 - stop, abs=4 / np.sqrt(promised[below].sum()))
    assert left < 1
