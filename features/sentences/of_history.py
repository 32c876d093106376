"""Sentences of what guests did before: all guests with a listing, and this guest.

Groups ``engagement``, ``guest_history`` and ``co_engagement``.
"""

from __future__ import annotations

from features.sentences.amounts import AGO, TIMES, Amount, Counted
from features.sentences.listed_rows import ListedRows, Numbers
from features.sentences.sentence import (
    Rule,
    Sentence,
    Untold,
    above_others,
    at_least,
    below_others,
    between,
    every,
    unless_seen,
)
from features.sentences.wording import Beside, InParts, OneOrMany, Plain, WithAmount

__all__ = ["SENTENCES"]

_ALIKE = Untold(because="the same for every result of a search")
_TWO_WEEKS_H = 14 * 24


def _counted(topic: str, amount: Amount, en: str, pt: str) -> Sentence:
    return Sentence(
        topic=topic,
        when=above_others(times=1.5, by=2),
        words=Beside(amount=amount, en=en, pt=pt),
    )


def _more_often(column: str, en: str, pt: str, *rules: Rule) -> Sentence:
    """A click rate, told without its number: it is smoothed.

    An unclicked listing has the rate of its room type, which may be above the others'.
    """
    return Sentence(
        topic="liked",
        when=every(
            above_others(times=1.25),
            at_least(column, 1.1, times_of="room_type_past_click_rate"),
            at_least("listing_past_clicks", 3),
            *rules,
        ),
        words=Plain(en=f"{en} look at it more often than at the others", pt=pt),
    )


def _more_often_like_you(column: str, en: str, pt: str) -> Sentence:
    """The same of searches like this one, where these differ from all searches.

    A listing without any is taken to be clicked in them as often as it is on the whole.
    """
    like_you = at_least(column, 1.2, times_of="listing_past_click_rate")
    return _more_often(column, en, f"mais vista do que as outras por {pt}", like_you)


_ENGAGEMENT: dict[str, Sentence | Untold] = {
    "listing_past_click_rate": _more_often(
        "listing_past_click_rate", "guests", "mais vista pelos hóspedes do que as outras"
    ),
    "listing_past_click_rate_party": _more_often_like_you(
        "listing_past_click_rate_party", "parties of your size", "grupos do tamanho do seu"
    ),
    "listing_past_click_rate_lead": _more_often_like_you(
        "listing_past_click_rate_lead",
        "guests who plan as far ahead",
        "quem planeja com a mesma antecedência",
    ),
    "listing_past_impressions": Untold(
        because="how often it was shown is our own doing", topic="liked"
    ),
    "listing_past_clicks": _counted("liked", TIMES, "looked at {} so far", "vista {} até agora"),
    "listing_past_contacts": _counted(
        "liked",
        Counted(("enquiry", "enquiries"), ("consulta", "consultas")),
        "{} to its host so far",
        "{} ao anfitrião até agora",
    ),
    "listing_past_bookings": Sentence(
        topic="booked",
        when=above_others(times=1.25, by=1),
        words=Beside(amount=TIMES, en="booked {} so far", pt="reservada {} até agora"),
    ),
    "listing_past_guests_clicked": _counted(
        "liked",
        Counted(("guest", "guests"), ("hóspede", "hóspedes"), none_pt="nenhum"),
        "{} looked at it",
        "vista por {}",
    ),
    "listing_past_contact_rate": Untold(because="a smoothed rate of few contacts", topic="liked"),
    "listing_past_book_rate": Untold(because="a smoothed rate of few bookings", topic="booked"),
    "listing_past_click_trend": Sentence(
        topic="liked",
        when=every(between(1.1, 1e9), above_others(by=0.1), at_least("listing_past_clicks", 5)),
        words=Plain(
            en="more guests than usual looked at it yesterday",
            pt="mais vista ontem do que de costume",
        ),
    ),
    "listing_hours_since_click": Sentence(
        topic="liked",
        when=every(between(0, 24), below_others(0.5)),
        words=WithAmount(amount=AGO, en="a guest looked at it {}", pt="vista por um hóspede {}"),
    ),
    "listing_hours_since_booking": Sentence(
        topic="booked",
        when=every(between(0, _TWO_WEEKS_H), below_others(0.8)),
        words=WithAmount(amount=AGO, en="last booked {}", pt="reservada pela última vez {}"),
    ),
    "cell_past_click_rate": Sentence(
        topic="neighbourhood",
        when=every(
            above_others(times=1.1),
            at_least("cell_past_click_rate", 1.1, times_of="room_type_past_click_rate"),
        ),
        words=Plain(
            en="in a part of town that guests look at more often",
            pt="em uma região que os hóspedes procuram mais",
        ),
    ),
    "cell_past_book_rate": Untold(because="a smoothed rate of few bookings", topic="neighbourhood"),
    "room_type_past_click_rate": Untold(because="of all homes of its kind", topic="room"),
}

_OF_SEARCH = (
    "guest_past_searches",
    "guest_past_clicks",
    "guest_past_contacts",
    "guest_past_bookings",
    "guest_hours_since_search",
    "guest_hours_since_click",
    "guest_session_searches",
    "guest_session_minutes",
    "guest_mean_clicked_price",
)


def _clicks(rows: ListedRows, name: str) -> Numbers:
    """How many clicks the guest made before: one home was looked at, or several."""
    del name
    return rows.number("guest_past_clicks")


def _taste(when: Rule, en: str, pt: tuple[str, str]) -> Sentence:
    """How the listing is like what the guest clicked, which it is not itself.

    ``en`` goes before "the homes you looked at", ``pt`` (of one home, of many) before "que você
    viu".
    """
    return Sentence(
        topic="taste",
        when=every(when, unless_seen),
        number=_clicks,
        words=OneOrMany(
            one=Plain(en=f"{en} the home you looked at", pt=f"{pt[0]} que você viu"),
            many=Plain(en=f"{en} the homes you looked at", pt=f"{pt[1]} que você viu"),
        ),
    )


_ANY_SIZE = 1e9

_GUEST: dict[str, Sentence | Untold] = {
    **dict.fromkeys(_OF_SEARCH, _ALIKE),
    "guest_price_to_clicked": Sentence(
        topic="price",
        when=every(between(0.0, 0.9), unless_seen),
        words=InParts(
            en=("the price of what you looked at", "cheaper than what you looked at"),
            pt=("do preço do que você viu antes", "mais barata do que as que você viu"),
        ),
    ),
    "guest_distance_to_clicked_km": _taste(
        every(between(0.0, 1.5), below_others(0.75)), "near", ("perto da", "perto das")
    ),
    "guest_capacity_less_clicked": _taste(
        between(-0.5, 0.5), "the size of", ("do tamanho da", "do tamanho das")
    ),
    "guest_rating_less_clicked": _taste(
        every(between(0.1, 5.0), above_others(by=0.1)),
        "rated higher than",
        ("mais bem avaliada que a", "mais bem avaliada que as"),
    ),
    "guest_room_type_click_share": Sentence(
        topic="taste",
        when=every(
            between(0.6, 1.0), above_others(by=0.1), at_least("guest_past_clicks", 2), unless_seen
        ),
        words=Plain(
            en="the kind of place that you mostly look at", pt="do tipo que você mais procura"
        ),
    ),
    "guest_saw_listing": Untold(because="having been shown says nothing for it", topic="seen"),
    "guest_clicked_listing": Sentence(
        topic="seen",
        when=between(1, _ANY_SIZE),
        words=WithAmount(amount=TIMES, en="you looked at it {}", pt="vista por você {}"),
    ),
    "guest_contacted_listing": Sentence(
        topic="seen",
        when=between(1, _ANY_SIZE),
        words=Plain(en="you wrote to its host", pt="você já falou com o anfitrião"),
    ),
    "guest_hours_since_listing_click": Sentence(
        topic="seen",
        when=between(0, _ANY_SIZE),
        words=WithAmount(amount=AGO, en="you looked at it {}", pt="vista por você {}"),
    ),
    "guest_clicks_similarity": _taste(
        every(between(0.05, 1.0), above_others(by=0.05)),
        "like",
        ("parecida com a", "parecida com as"),
    ),
}

SENTENCES: dict[str, Sentence | Untold] = {**_ENGAGEMENT, **_GUEST}
