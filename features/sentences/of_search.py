"""Sentences of the features that compare a listing with the search, the results and the market.

Groups ``query``, ``fit``, ``in_search`` and ``market``.
"""

from __future__ import annotations

from features.sentences.amounts import KM
from features.sentences.of_listing import CHEAPER
from features.sentences.sentence import (
    Sentence,
    Untold,
    above_others,
    at_least,
    below_others,
    between,
    every,
    is_true,
)
from features.sentences.wording import Beside, InParts, InTimes, Plain

__all__ = ["SENTENCES"]

_ALIKE = Untold(because="the same for every result of a search")
_SPREAD = "standard deviations"
_BEST = "how far it is from the best speaks against it"


def _yes(topic: str, en: str, pt: str) -> Sentence:
    return Sentence(topic=topic, when=is_true, words=Plain(en=en, pt=pt))


def _first(topic: str, en: str, pt: str) -> Sentence:
    """The best of the results, though not when most are as good."""
    return Sentence(
        topic=topic,
        when=every(between(1, 1), below_others(0.67)),
        words=Plain(en=f"no other result is {en}", pt=f"nenhuma outra opção {pt}"),
    )


_QUERY = (
    "query_nights",
    "query_lead_time_days",
    "query_is_dateless",
    "query_checkin_weekday",
    "query_checkin_month",
    "query_weekend_nights",
    "query_stay_holidays",
    "query_carnival_nights",
    "query_search_hour",
    "query_search_weekday",
    "query_num_guests",
    "query_num_children",
    "query_num_infants",
    "query_child_share",
    "query_price_min",
    "query_price_max",
    "query_price_filter_width",
    "query_radius",
    "query_center_lat",
    "query_center_lng",
)

_FIT: dict[str, Sentence | Untold] = {
    "fit_spare_capacity": Sentence(
        topic="size",
        when=every(between(0, 1), below_others(0.5)),
        words=Plain(en="the size that you are looking for", pt="do tamanho que você procura"),
    ),
    "fit_party_share_of_capacity": Untold(because="told as the right size", topic="size"),
    "fit_spare_beds": Sentence(
        topic="size",
        when=every(between(0, 100), above_others(by=1), at_least("query_num_guests", 2)),
        words=Plain(en="a bed for each of you", pt="uma cama para cada um de vocês"),
    ),
    "fit_price_per_searching_guest": CHEAPER,
    "fit_nights_above_minimum": Untold(
        because="how far a stay is above a limit", topic="length of stay"
    ),
    "fit_nights_below_maximum": Untold(
        because="how far a stay is below a limit", topic="length of stay"
    ),
    "fit_is_within_nights": _yes(
        "length of stay",
        "takes stays as long as yours",
        "aceita estadias da duração que você procura",
    ),
    "fit_price_to_filter_max": Sentence(
        topic="price",
        when=every(between(0.0, 0.9), below_others(0.9)),
        words=InParts(
            en=("of your price limit", "below your price limit"),
            pt=("do seu limite de preço", "abaixo do seu limite de preço"),
        ),
    ),
    "fit_price_above_filter_min": Untold(because="a lower limit asks for more", topic="price"),
    "fit_distance_km": Sentence(
        topic="place",
        when=every(below_others(0.75), lambda rows, name: rows.others(name) >= 0.3),
        words=Beside(amount=KM, en="{} from where you searched", pt="a {} de onde você buscou"),
    ),
    "fit_distance_to_radius": Untold(because="told in kilometres", topic="place"),
    "fit_is_inside_radius": _yes(
        "place", "inside the area that you searched", "dentro da área que você buscou"
    ),
}

_IN_SEARCH: dict[str, Sentence | Untold] = {
    "in_search_price_rank": _first("price", "cheaper", "é mais barata"),
    "in_search_rating_rank": _first("rating", "rated higher", "tem nota maior"),
    "in_search_reviews_rank": _first("reviews", "reviewed more often", "tem mais avaliações"),
    "in_search_distance_rank": _first("place", "nearer", "fica mais perto"),
    "in_search_occupancy_rank": _first(
        "booked", "booked on more nights", "tem mais noites reservadas"
    ),
    **{
        f"in_search_{of}_z": Untold(because=_SPREAD, topic=topic)
        for of, topic in (
            ("price", "price"),
            ("rating", "rating"),
            ("reviews", "reviews"),
            ("distance", "place"),
            ("occupancy", "booked"),
        )
    },
    "in_search_price_to_median": Sentence(
        topic="price",
        when=between(0.0, 0.9),
        words=InParts(
            en=("the price of the other results", "cheaper than the other results"),
            pt=("do preço das outras opções", "mais barata que as outras opções"),
        ),
    ),
    "in_search_rating_to_median": Untold(because="a ratio of marks", topic="rating"),
    "in_search_reviews_to_median": Sentence(
        topic="reviews",
        when=every(between(1.75, 1e9), at_least("listing_review_count", 5)),
        words=InTimes(
            en=("as many reviews as the other results",) * 2,
            pt=("das avaliações das outras opções", "as avaliações das outras opções"),
        ),
    ),
    "in_search_distance_to_median": Sentence(
        topic="place",
        when=between(0.0, 0.8),
        words=InParts(
            en=(
                "as far from where you searched as the other results",
                "nearer to where you searched than the other results",
            ),
            pt=(
                "da distância das outras até onde você buscou",
                "mais perto de onde você buscou que as outras",
            ),
        ),
    ),
    "in_search_occupancy_to_median": Sentence(
        topic="booked",
        when=between(1.25, 1e9),
        words=Plain(
            en="booked on more nights than the other results",
            pt="mais noites reservadas que as outras opções",
        ),
    ),
    **{
        f"in_search_{of}_to_best": Untold(because=_BEST, topic=topic)
        for of, topic in (
            ("price", "price"),
            ("rating", "rating"),
            ("reviews", "reviews"),
            ("distance", "place"),
            ("occupancy", "booked"),
        )
    },
    "in_search_results": _ALIKE,
    "in_search_room_type_share": Untold(because="a rare kind is not a good kind", topic="room"),
    "in_search_dominated_by": Sentence(
        topic="best in all",
        when=lambda rows, name: (rows.number(name) == 0) & (rows.others(name) > 0),
        words=Plain(
            en="no other result is cheaper, nearer and better rated at once",
            pt="nenhuma outra é mais barata, mais perto e mais bem avaliada ao mesmo tempo",
        ),
    ),
}

_MARKET: dict[str, Sentence | Untold] = {
    "market_searches_24h": _ALIKE,
    "market_checkin_share": _ALIKE,
    "market_center_searches_24h": _ALIKE,
    "cell_listings": Untold(because="how many homes lie near is no merit", topic="neighbourhood"),
    "cell_impressions_per_listing": Untold(
        because="how often homes are shown is our own doing", topic="neighbourhood"
    ),
    "market_comparable_price": Untold(
        because="what similar homes cost is no trait of this one", topic="price"
    ),
    "market_price_to_comparable": Sentence(
        topic="price",
        when=between(0.0, 0.9),
        words=InParts(
            en=("the price of similar stays nearby", "cheaper than similar stays nearby"),
            pt=(
                "do preço de acomodações parecidas por perto",
                "mais barata que acomodações parecidas por perto",
            ),
        ),
    ),
}

SENTENCES: dict[str, Sentence | Untold] = {
    **dict.fromkeys(_QUERY, _ALIKE),
    **_FIT,
    **_IN_SEARCH,
    **_MARKET,
}
