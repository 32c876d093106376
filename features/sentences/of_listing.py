"""Sentences of the features of the listing itself (:mod:`features.groups.listing`)."""

from __future__ import annotations

from features.sentences.amounts import STARS, TIMES, Amount, Counted
from features.sentences.sentence import (
    Sentence,
    Untold,
    above_others,
    at_least,
    below_others,
    between,
    every,
    is_true,
    is_word,
    to_others,
)
from features.sentences.wording import Beside, InParts, Plain

__all__ = ["CHEAPER", "SENTENCES"]

CHEAPER = Sentence(
    topic="price",
    when=below_others(0.9),
    number=to_others,
    words=InParts(
        en=("the price of the other stays here", "cheaper than the other stays here"),
        pt=("do preço das outras opções", "mais barata que as outras opções"),
    ),
)

_FOR_A_WEEK = at_least("query_nights", 7, when_unknown=True)
_FOR_A_MONTH = at_least("query_nights", 28, when_unknown=True)
_BY_SIZE_ALONE = "a large home is cheap by its size, which a small party has no use for"
_NEEDED = at_least("query_num_guests", 0.5, times_of="listing_person_capacity", when_unknown=True)


def _rated(en: str, pt: str) -> Sentence:
    return Sentence(
        topic="rating",
        # Marks begin at 1, but guests take less than 4 for a warning.
        when=every(between(4.0, 5.0), above_others(by=0.15)),
        words=Beside(amount=STARS, en=f"{en} {{}} of 5", pt=f"{pt} {{}} de 5"),
    )


def _more(topic: str, amount: Amount, en: str = "{}", pt: str = "{}") -> Sentence:
    return Sentence(
        topic=topic,
        when=above_others(times=1.25, by=1),
        words=Beside(amount=amount, en=en, pt=pt),
    )


def _sized(amount: Amount, en: str = "{}", pt: str = "{}", *, by: float = 1.0) -> Sentence:
    return Sentence(
        topic="size",
        when=every(above_others(by=by), _NEEDED),
        words=Beside(amount=amount, en=en, pt=pt),
    )


def _yes(topic: str, en: str, pt: str) -> Sentence:
    return Sentence(topic=topic, when=is_true, words=Plain(en=en, pt=pt))


def _discount(en: str, pt: str, *, is_factor: bool, length: str) -> Sentence:
    rule = _FOR_A_WEEK if length == "week" else _FOR_A_MONTH
    discounted = every(between(0.0, 0.98), below_others(0.98)) if is_factor else is_true
    return Sentence(topic="discount", when=every(discounted, rule), words=Plain(en=en, pt=pt))


_WEEK = ("a discount for a week or longer", "com desconto a partir de uma semana")
_MONTH = ("a discount for a month or longer", "com desconto a partir de um mês")

SENTENCES: dict[str, Sentence | Untold] = {
    "listing_nightly_price": CHEAPER,
    "listing_total_price": CHEAPER,
    "listing_price_per_guest": Untold(because=_BY_SIZE_ALONE, topic="price"),
    "listing_price_per_bedroom": Untold(because=_BY_SIZE_ALONE, topic="price"),
    "listing_cleaning_fee": Sentence(
        topic="cleaning fee",
        when=below_others(0.8),
        words=Plain(
            en="a lower cleaning fee than the other stays here",
            pt="taxa de limpeza menor que a das outras opções",
        ),
    ),
    "listing_cleaning_fee_share": Untold(
        because="a fee is told as a fee, not as a share", topic="cleaning fee"
    ),
    "listing_beds_per_guest": Sentence(
        topic="size",
        when=every(between(1.0, 100.0), above_others(by=0.1)),
        words=Plain(en="a bed for each guest", pt="uma cama para cada hóspede"),
    ),
    "listing_bathrooms_per_guest": Sentence(
        topic="size",
        when=above_others(times=1.25),
        words=Plain(
            en="more bathrooms for its size than the other stays here",
            pt="mais banheiros para o seu tamanho que as outras opções",
        ),
    ),
    "listing_sub_rating_spread": Untold(
        because="how far marks lie apart says neither good nor bad", topic="rating"
    ),
    "listing_value_gap": Untold(because="a difference of two marks", topic="rating"),
    "listing_location_gap": Untold(because="a difference of two marks", topic="rating"),
    "listing_bookings_per_day": Untold(because="told as bookings in 90 days", topic="booked"),
    "listing_weekly_price_factor": _discount(*_WEEK, is_factor=True, length="week"),
    "listing_monthly_price_factor": _discount(*_MONTH, is_factor=True, length="month"),
    "listing_weekly_discount": _discount(*_WEEK, is_factor=False, length="week"),
    "listing_monthly_discount": _discount(*_MONTH, is_factor=False, length="month"),
    "listing_lat": Untold(because="a coordinate", topic="neighbourhood"),
    "listing_lng": Untold(because="a coordinate", topic="neighbourhood"),
    "listing_review_rating": _rated("rated", "nota"),
    "listing_review_count": _more(
        "reviews", Counted(("review", "reviews"), ("avaliação", "avaliações"))
    ),
    "listing_location_rating": _rated("location rated", "localização com nota"),
    "listing_cleanliness_rating": _rated("cleanliness rated", "limpeza com nota"),
    "listing_checkin_rating": _rated("check-in rated", "check-in com nota"),
    "listing_value_rating": _rated("value for money rated", "custo-benefício com nota"),
    "listing_communication_rating": _rated(
        "the host's communication rated", "comunicação do anfitrião com nota"
    ),
    "listing_accuracy_rating": _rated("just as described: rated", "fiel ao anúncio: nota"),
    "listing_property_type": Untold(because="a code without words"),
    "listing_room_type": Sentence(
        topic="room",
        when=is_word("entire_home", "private_room", "hotel_room"),
        words={
            "entire_home": Plain(
                en="an entire home to yourself", pt="o espaço inteiro só para você"
            ),
            "private_room": Plain(en="a private room", pt="um quarto privativo"),
            "hotel_room": Plain(en="a hotel room", pt="um quarto de hotel"),
        },
    ),
    "listing_num_beds": _sized(Counted(("bed", "beds"), ("cama", "camas"))),
    "listing_num_bedrooms": _sized(
        Counted(("bedroom", "bedrooms"), ("quarto", "quartos"), none_pt="nenhum")
    ),
    "listing_num_bathrooms": _sized(
        Counted(
            ("bathroom", "bathrooms"), ("banheiro", "banheiros"), none_pt="nenhum", halves=True
        ),
        by=0.5,
    ),
    "listing_person_capacity": _sized(
        Counted(("guest", "guests"), ("hóspede", "hóspedes"), none_pt="nenhum"),
        en="room for {}",
        pt="espaço para {}",
    ),
    "listing_has_pro_pictures": _yes("photos", "professional photos", "fotos profissionais"),
    "listing_is_new": Untold(because="told where a policy gives a new home its place"),
    "listing_instant_bookable": _yes(
        "booking at once",
        "you can book at once, without asking the host",
        "reserva na hora, sem esperar o anfitrião responder",
    ),
    "listing_num_recent_reservations": _more(
        "booked", TIMES, en="booked {} lately", pt="reservada {} recentemente"
    ),
    "listing_num_books_90day": _more(
        "booked", TIMES, en="booked {} in 90 days", pt="reservada {} em 90 dias"
    ),
    "listing_occupancy_rate": Sentence(
        topic="booked",
        when=every(between(0.3, 1.0), above_others(times=1.25, by=0.1)),
        words=Plain(
            en="booked on more nights than the other stays here",
            pt="mais noites reservadas que as outras opções",
        ),
    ),
    "listing_minimum_nights": Sentence(
        topic="length of stay",
        when=every(
            between(1, 1),
            below_others(0.67),
            lambda rows, _: ~(rows.number("query_nights") > 2),
        ),
        words=Plain(en="takes stays of a single night", pt="aceita estadias de uma noite só"),
    ),
    "listing_maximum_nights": Untold(
        because="a limit that hardly any stay comes near", topic="length of stay"
    ),
}
