"""What is simulated: the settings of one run, and the named scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any, Self

from data.close_names import did_you_mean
from data.ranges import AT_LEAST_0, Range, refuse_outside
from data.schema.time import day_number
from data.simulator.parameters import ChoiceParameters, load_world

__all__ = [
    "DAYS",
    "SCENARIOS",
    "Scenario",
    "SimulationConfig",
    "carnival_day",
]

DAYS = 7
MOST_SEARCHES = 50_000_000
LISTINGS_PER_SEARCH = 0.2
FEWEST_LISTINGS = 600
TASTE_SPREADS = (
    "entire_taste_sd",
    "style_weight",
    "price_taste_sd",
    "distance_taste_sd",
    "quality_taste_sd",
)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """How a named world differs from the default one.

    Attributes:
        meaning: one sentence for people.
        intent_shift: added to the logits of contact and direct booking.
        click_shift: added to the logit of a click.
        searches_factor: multiplies the searches per guest.
        new_market: index of a market launched this week, ``None`` for none.
        new_market_shares: its share of the guests who begin on each day of the log.
        launched_new_share: share of its listings without any past.
        price_shock_day: day of the log (from 0) from which prices are shocked.
        price_shock_log: mean and spread of the shock on log price.
        carnival_share_factor: multiplies the share of trips for Carnival.
        carnival_price_factor: multiplies the Carnival surcharge.
        full_catalogue: as many listings as the real catalogues, whatever the searches.
        taste_factor: multiplies the spreads of the guests' own tastes.
        earlier_search_weight: what an earlier search tells of the taste in the truth given
            observables, as a share of the present one; ``None`` as in the ordinary week.
        bait_click: weight of a listing's bait (photos, appeal, a low price before the fee)
            added to the logit of a click, and not to the utility.
        bait_regret: weight of the same bait taken from the logits of contact and direct booking.
        substance: weight of rating, reviews and cleaning fee added to those two logits.
        price_contrast: utility lost per unit of log price above the mean of the search.
        rating_contrast: utility gained per star of rating above the mean of the search.
        stop_after_click: P(looks no further | clicked); who has contacted a host or booked
            never looks further. ``None``: guests look at all places, whatever they found.
    """

    meaning: str
    intent_shift: float = 0.0
    click_shift: float = 0.0
    searches_factor: float = 1.0
    new_market: int | None = None
    new_market_shares: tuple[float, ...] = ()
    launched_new_share: float = 0.9
    price_shock_day: int | None = None
    price_shock_log: tuple[float, float] = (0.0, 0.0)
    carnival_share_factor: float = 1.0
    carnival_price_factor: float = 1.0
    full_catalogue: bool = False
    taste_factor: float = 1.0
    earlier_search_weight: float | None = None
    bait_click: float = 0.0
    bait_regret: float = 0.0
    substance: float = 0.0
    price_contrast: float = 0.0
    rating_contrast: float = 0.0
    stop_after_click: float | None = None

    @property
    def has_bait(self) -> bool:
        """Whether clicks are earned by other things than bookings."""
        return bool(self.bait_click or self.bait_regret or self.substance)

    @property
    def has_contrast(self) -> bool:
        """Whether an impression is held against the others beside it."""
        return bool(self.price_contrast or self.rating_contrast)


SCENARIOS: dict[str, Scenario] = {
    "default": Scenario(meaning="an ordinary week of both markets"),
    "bookers_oversampled": Scenario(
        meaning="guests who came to book: few searches each, many bookings, as in contest logs",
        intent_shift=2.6,
        click_shift=0.25,
        searches_factor=0.25,
    ),
    "cold_market": Scenario(
        meaning="São Paulo launched this week: new listings, and searches that grow by the day",
        new_market=1,
        new_market_shares=(0.08, 0.12, 0.16, 0.20, 0.25, 0.30, 0.34),
    ),
    "drift": Scenario(
        meaning="prices jump on day 5, each listing's by its own amount",
        price_shock_day=4,
        price_shock_log=(0.30, 0.15),
    ),
    "carnival": Scenario(
        meaning="most of Rio is searched for Carnival, at Carnival prices",
        carnival_share_factor=6.0,
        carnival_price_factor=1.3,
    ),
    "sparse": Scenario(
        meaning="the full catalogue of both markets, so that a listing is shown a handful of times",
        full_catalogue=True,
    ),
    "clickbait": Scenario(
        meaning="photos and low headline prices earn clicks; fee, rating and reviews bookings",
        click_shift=-0.7,
        intent_shift=1.5,
        bait_click=1.0,
        bait_regret=1.5,
        substance=1.5,
    ),
    "strong_tastes": Scenario(
        meaning="the guest's own taste is most of the choice, so that its history is worth much",
        click_shift=-0.5,
        intent_shift=-0.2,
        taste_factor=2.0,
    ),
    "contrast": Scenario(
        meaning="price and rating count beside the others shown; who has found looks no further",
        intent_shift=-0.25,
        earlier_search_weight=0.65,
        price_contrast=0.7,
        rating_contrast=2.5,
        stop_after_click=0.3,
    ),
}


def carnival_day(after: date) -> date:
    """The first Carnival Friday on or after a date: 51 days before Easter.

    Easter by the anonymous Gregorian computus (Meeus, Astronomical Algorithms, ch. 8).

    >>> carnival_day(date(2026, 1, 19))
    datetime.date(2026, 2, 13)
    """
    for year in (after.year, after.year + 1):
        friday = _easter(year) - timedelta(days=51)
        if friday >= after:
            return friday
    raise AssertionError("a Carnival lies in every two years")


def _easter(year: int) -> date:
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


_RANGES = {
    "searches": Range(at_least=1, at_most=MOST_SEARCHES),
    "seed": AT_LEAST_0,
    "listings": Range(at_least=100, at_most=500_000),
    "results_per_search": Range(at_least=2, at_most=50),
    "searches_per_chunk": Range(at_least=1, at_most=100_000),
    "threads": Range(at_least=1, at_most=64),
}


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """Settings of one simulated week; raises ``ValueError`` on a setting that cannot be.

    Attributes:
        searches: number of searches in the log, over both markets and seven days.
        seed: the same seed and settings give the same bytes.
        scenario: a name in :data:`SCENARIOS`.
        listings: listings of both markets together; ``None`` scales them with the
            searches, so that a small log still holds a history of each listing, up to
            the full catalogues (the scenario ``sparse`` always takes these).
        results_per_search: most listings shown in one search.
        start: first day of the log.
        with_position: add ``position``, ``is_random_order`` and ``propensity``.
        searches_per_chunk: searches simulated at a time; bounds the memory, and is part
            of the world: another value is another draw of it.
        threads: threads at work; the result is the same for any number.
    """

    searches: int
    seed: int = 0
    scenario: str = "default"
    listings: int | None = None
    results_per_search: int = 20
    start: date = date(2026, 1, 19)
    with_position: bool = False
    searches_per_chunk: int = 10_000
    threads: int = 2

    def __post_init__(self) -> None:
        if self.scenario not in SCENARIOS:
            meant, known = did_you_mean(self.scenario, SCENARIOS), ", ".join(SCENARIOS)
            raise ValueError(f"unknown scenario {self.scenario!r}{meant}; known are {known}")
        refuse_outside(self, _RANGES)
        if not date(2000, 1, 1) <= self.start <= date(2099, 12, 1):
            raise ValueError(f"start = {self.start}: must be from 2000-01-01 to 2099-12-01")

    def to_dict(self) -> dict[str, Any]:
        """For JSON; :meth:`of_dict` reads it."""
        return {**asdict(self), "start": self.start.isoformat()}

    @classmethod
    def of_dict(cls, saved: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` gave; raises ``ValueError`` or ``TypeError`` where it cannot be."""
        return cls(**{**saved, "start": date.fromisoformat(saved["start"])})

    @property
    def first_day(self) -> int:
        """First day of the log, days since 1970."""
        return day_number(self.start)

    @property
    def changes(self) -> Scenario:
        """What the scenario changes in the ordinary week."""
        return SCENARIOS[self.scenario]

    @property
    def choice(self) -> ChoiceParameters:
        """The parameters of choice, with what the scenario changes in them."""
        settings, changes = load_world().choice, self.changes
        earlier = changes.earlier_search_weight
        return replace(
            settings,
            **{name: getattr(settings, name) * changes.taste_factor for name in TASTE_SPREADS},
            earlier_search_weight=settings.earlier_search_weight if earlier is None else earlier,
        )

    def listings_per_market(self) -> tuple[int, ...]:
        """Listings of each market, in the proportions of the real catalogues."""
        full = [market.listings for market in load_world().markets]
        total = self.listings
        if total is None:
            scaled = max(FEWEST_LISTINGS, round(self.searches * LISTINGS_PER_SEARCH))
            total = sum(full) if self.changes.full_catalogue else min(sum(full), scaled)
        return tuple(max(1, round(total * n / sum(full))) for n in full)
