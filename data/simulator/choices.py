"""Choice: what a guest with a known taste does with an impression, once it is examined.

Utility adds up price against budget, distance to the wished place, reviews, space, photos
and style. Click, contact, direct booking, the host's answer and completion are logits, of
which all but the host's answer rise with utility.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from data.simulator.availability import Calendar
from data.simulator.draws import Array
from data.simulator.geography import to_km
from data.simulator.guests import TASTES, Guests
from data.simulator.listings import Catalogue
from data.simulator.parameters import ChoiceParameters, load_world
from data.simulator.results import Shown, can_host
from data.simulator.retrieval import Retrieval
from data.simulator.scenario import Scenario, SimulationConfig
from data.simulator.searches import Queries

__all__ = [
    "Beside",
    "Offers",
    "Probabilities",
    "Taste",
    "after_booking",
    "beside_of",
    "examination",
    "from_normal",
    "offers_of",
    "probabilities",
    "taste_of",
]


@dataclass(frozen=True, kw_only=True)
class Offers:
    """What an impression offers to any guest, one entry per impression, float32.

    ``settings`` are the scenario's parameters of choice, the same for all impressions.
    ``plain`` is the part of the utility on which all guests agree; the ``*_base`` are the
    logits before utility; ``accept`` is P(host accepts | contacted); ``has_booked`` is 1
    where the guest has booked already.
    """

    settings: ChoiceParameters
    log_price: Array
    north_km: Array
    east_km: Array
    is_entire: Array
    quality: Array
    style_first: Array
    style_second: Array
    plain: Array
    click_base: Array
    contact_base: Array
    direct_base: Array
    accept: Array
    has_booked: Array

    def part(self, rows: slice | Array) -> Offers:
        """The offers of some impressions."""
        names = [field.name for field in fields(self) if field.name != "settings"]
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What an impression is held against in the scenario ``contrast``: means per search.

    Of ``Offers.log_price`` and ``Offers.quality``; NaN where a search shows nothing.
    """

    log_price: Array
    quality: Array


@dataclass(frozen=True, kw_only=True)
class Taste:
    """A guest's taste, arrays that broadcast against impressions."""

    log_budget: Array
    price_factor: Array
    distance_factor: Array
    wish_north_km: Array
    wish_east_km: Array
    entire: Array
    quality_factor: Array
    style_first: Array
    style_second: Array
    intent: Array


@dataclass(frozen=True, kw_only=True)
class Probabilities:
    """Of one examined impression: P(click), and the conditional steps after it.

    The steps are those of a guest who has not booked yet; ``has_booked`` is 1 for one
    who has, who never books again and hardly writes to a host.
    """

    click: Array
    direct_unless_booked: Array
    contact_unless_booked: Array
    accept_given_contact: Array
    complete_given_accept: Array
    has_booked: Array

    @property
    def direct_given_click(self) -> Array:
        """P(booked without a contact | clicked)."""
        chance: Array = self.direct_unless_booked * (1 - self.has_booked)
        return chance

    @property
    def contact_given_click(self) -> Array:
        """P(the host is contacted | clicked, not booked directly)."""
        rest = np.float32(load_world().choice.after_booking)
        chance: Array = self.contact_unless_booked * (1 - (1 - rest) * self.has_booked)
        return chance

    @property
    def contact(self) -> Array:
        """P(the host is contacted): only guests who do not book directly write first."""
        chance: Array = self.click * (1 - self.direct_given_click) * self.contact_given_click
        return chance

    @property
    def book_unless_booked(self) -> Array:
        """P(booked), directly or after the host accepted, by a guest who has not yet."""
        agreed = self.accept_given_contact * self.complete_given_accept
        direct = self.direct_unless_booked
        chance: Array = self.click * (direct + (1 - direct) * self.contact_unless_booked * agreed)
        return chance

    @property
    def book(self) -> Array:
        """P(booked)."""
        chance: Array = self.book_unless_booked * (1 - self.has_booked)
        return chance


def examination(position: Array, *, has_sponsored: bool = True) -> Array:
    """P(examined | position): a power of the rank, lower in the sponsored slots.

    ``has_sponsored``: false for a list none of whose places is sponsored.
    """
    settings = load_world().choice
    seen: Array = position.astype(np.float64) ** -settings.examination_power
    if not has_sponsored:
        return seen
    sponsored = np.isin(position, settings.sponsored_positions)
    return np.where(sponsored, seen * settings.sponsored_factor, seen)


def offers_of(
    config: SimulationConfig,
    world: tuple[Catalogue, Retrieval, Calendar],
    queries: Queries,
    shown: Shown,
    beside: Beside | None = None,
) -> Offers:
    """What the impressions of a chunk offer to guests who have not booked yet.

    ``beside``: what each search's impressions are held against where the scenario has a
    contrast; ``None``: against one another.
    """
    catalogue, retrieval, calendar = world
    settings = config.choice
    listing, search = shown.listing, shown.search
    rating = catalogue.rating[listing]
    rated = np.where(np.isnan(rating), settings.unrated_rating, rating)
    lead = (queries.checkin - queries.day)[search]
    soon = np.exp(-lead / 30.0)
    contact = (
        config.changes.intent_shift
        + settings.lead_intent * soon
        + settings.dateless_contact * ~queries.is_dated[search]
    )
    columns = {
        "log_price": np.log(shown.price.felt_per_night),
        "north_km": retrieval.north_km[listing],
        "east_km": retrieval.east_km[listing],
        "is_entire": catalogue.room_type[listing] == 0,
        "quality": (rated - settings.rating_anchor).clip(-1.5, 0.3),
        "style_first": catalogue.style[listing, 0],
        "style_second": catalogue.style[listing, 1],
        "plain": _plain(settings, catalogue, listing, queries.party[search])
        + config.changes.click_shift,
        "click_base": np.full(len(listing), settings.click_intercept),
        "contact_base": settings.contact_intercept + contact,
        "direct_base": _direct_base(settings, catalogue, queries, shown) + contact,
        "has_booked": np.zeros(len(listing)),
        "accept": _accept(settings, catalogue, listing, lead)
        * can_host(catalogue, calendar, queries, (search, listing)),
    }
    offers = Offers(
        settings=settings,
        **{name: column.astype(np.float32) for name, column in columns.items()},
    )
    if config.changes.has_bait:
        offers = _with_bait(config.changes, offers, catalogue, listing)
    if config.changes.has_contrast:
        offers = _with_contrast(config.changes, offers, search, beside)
    return offers


def beside_of(offers: Offers, search: Array, searches: int) -> Beside:
    """What the impressions of each search come to; ``search``: of each impression."""
    count = np.bincount(search, minlength=searches)
    count = np.where(count > 0, count, np.nan)
    price, quality = (
        np.bincount(search, weights=of, minlength=searches) / count
        for of in (offers.log_price, offers.quality)
    )
    return Beside(log_price=price, quality=quality)


def _with_bait(changes: Scenario, offers: Offers, catalogue: Catalogue, listing: Array) -> Offers:
    """What earns clicks costs bookings: the guest who came for it does not find it."""
    settings = offers.settings
    looks = settings.photos_weight * catalogue.pro_pictures + (
        settings.appeal_weight * catalogue.appeal
    )
    log_price = np.log(catalogue.price)
    usual = np.bincount(catalogue.market, weights=log_price) / np.bincount(catalogue.market)
    bait = (looks - (log_price - usual[catalogue.market]))[listing]
    fee = np.nan_to_num(catalogue.cleaning_fee / catalogue.price)[listing]
    substance = (
        settings.rating_weight * offers.quality
        + _trust(settings, catalogue, listing)
        - settings.price_weight * np.log1p(fee)
    )
    later = (changes.substance * substance - changes.bait_regret * bait).astype(np.float32)
    return replace(
        offers,
        click_base=offers.click_base + (changes.bait_click * bait).astype(np.float32),
        contact_base=offers.contact_base + later,
        direct_base=offers.direct_base + later,
    )


def _with_contrast(
    changes: Scenario, offers: Offers, search: Array, beside: Beside | None
) -> Offers:
    """Dear and good are what is dearer and better than what stands beside it."""
    if beside is None:
        beside = beside_of(offers, search, int(search.max(initial=-1)) + 1)
    contrast = changes.rating_contrast * (offers.quality - beside.quality[search])
    contrast -= changes.price_contrast * (offers.log_price - beside.log_price[search])
    # nothing beside it: nothing that it could be held against
    return replace(offers, plain=offers.plain + np.nan_to_num(contrast).astype(np.float32))


def after_booking(offers: Offers, has_booked: Array) -> Offers:
    """The same offers with ``has_booked`` set, per impression."""
    return replace(offers, has_booked=has_booked.astype(np.float32))


def _plain(settings: ChoiceParameters, catalogue: Catalogue, listing: Array, party: Array) -> Array:
    rooms = np.maximum(catalogue.bedrooms[listing], 1)
    crowding = np.maximum(party / (2.0 * rooms) - 1, 0)
    spare = np.minimum(np.maximum(rooms - party / 2.0, 0), 2)
    return (
        _trust(settings, catalogue, listing)
        - settings.crowding_weight * crowding
        + settings.spare_room_weight * spare
        + settings.photos_weight * catalogue.pro_pictures[listing]
        + settings.appeal_weight * catalogue.appeal[listing]
    )


def _trust(settings: ChoiceParameters, catalogue: Catalogue, listing: Array) -> Array:
    """What the number of reviews adds to the utility."""
    known: Array = -np.expm1(-catalogue.reviews[listing] / settings.reviews_scale)
    return settings.reviews_weight * known


def _direct_base(
    settings: ChoiceParameters, catalogue: Catalogue, queries: Queries, shown: Shown
) -> Array:
    """Only a dated search of an instant-bookable listing can book directly."""
    can = catalogue.instant[shown.listing] & queries.is_dated[shown.search]
    return np.where(can, settings.direct_intercept, -np.inf)


def _accept(settings: ChoiceParameters, catalogue: Catalogue, listing: Array, lead: Array) -> Array:
    logit = (
        settings.accept_intercept
        + settings.accept_occupancy * catalogue.occupancy[listing]
        + settings.accept_new * catalogue.is_new[listing]
        + settings.accept_instant * catalogue.instant[listing]
        + settings.accept_short_lead * (lead <= 1)
    )
    return 1 / (1 + np.exp(-logit))


def taste_of(settings: ChoiceParameters, guests: Guests, queries: Queries, search: Array) -> Taste:
    """The hidden taste of each impression's guest."""
    guest = queries.guest
    normal = dict(zip(TASTES, guests.taste[guest].T, strict=True))
    north, east = to_km(queries.market, guests.wish_lat[guest], guests.wish_lng[guest])
    columns = {
        "log_budget": guests.log_budget[guest],
        "wish_north_km": north,
        "wish_east_km": east,
        **from_normal(settings, normal),
    }
    return Taste(**{name: column.astype(np.float32)[search] for name, column in columns.items()})


def from_normal(settings: ChoiceParameters, normal: dict[str, Array]) -> dict[str, Array]:
    """Tastes in their own units from standard normal ones; factors have mean one."""

    def factor(name: str, spread: float) -> Array:
        return np.exp(spread * normal[name] - spread**2 / 2)

    return {
        "price_factor": factor("price_sensitivity", settings.price_taste_sd),
        "distance_factor": factor("distance_sensitivity", settings.distance_taste_sd),
        "entire": settings.entire_weight + settings.entire_taste_sd * normal["entire_home"],
        "quality_factor": factor("quality", settings.quality_taste_sd),
        "style_first": settings.style_weight * normal["style_first"],
        "style_second": settings.style_weight * normal["style_second"],
        "intent": settings.intent_sd * normal["intent"],
    }


def probabilities(offers: Offers, taste: Taste) -> Probabilities:
    """Each step's probability for offers and tastes of shapes that broadcast."""
    settings = offers.settings
    gap = offers.log_price - taste.log_budget
    money = np.maximum(gap, np.float32(settings.price_kink) * gap) * taste.price_factor
    way = np.hypot(offers.north_km - taste.wish_north_km, offers.east_km - taste.wish_east_km)
    way = np.log1p(way / np.float32(settings.distance_scale_km)) * taste.distance_factor
    utility = (
        offers.plain
        - np.float32(settings.price_weight) * money
        - np.float32(settings.distance_weight) * way
        + offers.is_entire * taste.entire
        + np.float32(settings.rating_weight) * offers.quality * taste.quality_factor
        + offers.style_first * taste.style_first
        + offers.style_second * taste.style_second
    )
    contact = offers.contact_base + np.float32(settings.contact_slope) * utility + taste.intent
    direct = offers.direct_base + np.float32(settings.direct_slope) * utility + taste.intent
    complete = (
        np.float32(settings.complete_intercept) + np.float32(settings.complete_slope) * utility
    )
    return Probabilities(
        click=_logistic(offers.click_base + utility),
        direct_unless_booked=_logistic(direct),
        contact_unless_booked=_logistic(contact),
        accept_given_contact=offers.accept,
        complete_given_accept=_logistic(complete),
        has_booked=offers.has_booked,
    )


def _logistic(logit: Array) -> Array:
    # float32 overflows to infinity for logits below -88: clipped, the answer is 0 all the same
    return 1 / (1 + np.exp(-np.maximum(logit, np.float32(-60))))
