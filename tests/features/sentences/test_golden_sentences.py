"""Sentences as they are read, of the first row of a small list."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features.sentences.every_sentence import Sentences


def first_of(name: str, values: list[Any], **columns: list[Any]) -> tuple[str | None, str | None]:
    """What is said of the first row of one list, in English and Portuguese."""
    rows = pa.table({"id_search": ["s"] * len(values), name: values, **columns})
    said = []
    for telling in (Sentences("en"), Sentences("pt")):
        told = telling.of(rows)
        said.append(told.say(name, np.array([0]))[0] if told.may_say(name)[0] else None)
    return said[0], said[1]


@pytest.mark.parametrize(
    ("name", "values", "english", "portuguese"),
    [
        (
            "listing_nightly_price",
            [100.0, 200.0, 210.0],
            "half the price of the other stays here",
            "metade do preço das outras opções",
        ),
        (
            "listing_total_price",
            [67.0, 100.0, 100.0],
            "a third cheaper than the other stays here",
            "um terço mais barata que as outras opções",
        ),
        (
            "market_price_to_comparable",
            [0.3, 1.0],
            "less than half the price of similar stays nearby",
            "menos da metade do preço de acomodações parecidas por perto",
        ),
        (
            "fit_price_to_filter_max",
            [0.8, 1.0],
            "20% below your price limit",
            "20% abaixo do seu limite de preço",
        ),
        (
            "fit_distance_km",
            [1.234, 4.4, 4.6],
            "1.2 km from where you searched (others: 4.5 km)",
            "a 1,2 km de onde você buscou (outras: 4,5 km)",
        ),
        (
            "fit_distance_km",
            [0.31, None, 12.6],
            "300 m from where you searched (others: 13 km)",
            "a 300 m de onde você buscou (outras: 13 km)",
        ),
        (
            "listing_review_rating",
            [4.94, 4.6, None, 4.6],
            "rated 4.9 of 5 (others: 4.6)",
            "nota 4,9 de 5 (outras: 4,6)",
        ),
        (
            "listing_review_count",
            [1234, 20, 40],
            "1,234 reviews (others: 30)",
            "1.234 avaliações (outras: 30)",
        ),
        (
            "listing_review_count",
            [1, 0],
            "1 review (most others: none)",
            "1 avaliação (a maioria das outras: nenhuma)",
        ),
        (
            "listing_num_books_90day",
            [9, 2, 3],
            "booked 9 times in 90 days (others: 3)",
            "reservada 9 vezes em 90 dias (outras: 3)",
        ),
        (
            "listing_num_books_90day",
            [1, 0, 0],
            "booked once in 90 days (most others: none)",
            "reservada uma vez em 90 dias (a maioria das outras: nenhuma)",
        ),
        (
            "listing_instant_bookable",
            [True, False, None],
            "you can book at once, without asking the host",
            "reserva na hora, sem esperar o anfitrião responder",
        ),
        (
            "listing_room_type",
            ["entire_home", "private_room"],
            "an entire home to yourself",
            "o espaço inteiro só para você",
        ),
        (
            "listing_num_bathrooms",
            [1.5, 1.0],
            "1.5 bathrooms (others: 1)",
            "1,5 banheiro (outras: 1)",
        ),
        (
            "guest_hours_since_listing_click",
            [50.0],
            "you looked at it 2 days ago",
            "vista por você há 2 dias",
        ),
        (
            "guest_hours_since_listing_click",
            [1.5],
            "you looked at it 1 hour ago",
            "vista por você há 1 hora",
        ),
        (
            "guest_hours_since_listing_click",
            [0.2],
            "you looked at it less than an hour ago",
            "vista por você há menos de uma hora",
        ),
        (
            "guest_hours_since_listing_click",
            [400.0],
            "you looked at it 2 weeks ago",
            "vista por você há 2 semanas",
        ),
        (
            "in_search_price_rank",
            [1, 2, 3],
            "no other result is cheaper",
            "nenhuma outra opção é mais barata",
        ),
    ],
)
def test_what_a_guest_reads(
    name: str, values: list[Any], english: str | None, portuguese: str | None
) -> None:
    assert first_of(name, values) == (english, portuguese)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("listing_nightly_price", [210.0, 200.0, 100.0]),  # dearer
        ("listing_nightly_price", [195.0, 200.0]),  # hardly cheaper
        ("listing_nightly_price", [0.0, 0.0]),  # nothing to compare with
        ("listing_nightly_price", [None, 200.0]),
        ("listing_nightly_price", [100.0, None]),
        ("listing_nightly_price", [100.0]),
        ("fit_distance_km", [0.05, 0.2]),  # all of them are there
        ("listing_review_rating", [3.9, 3.1]),  # better than worse
        ("listing_review_rating", [4.7, 4.65]),
        ("listing_instant_bookable", [False, True]),
        ("listing_instant_bookable", [True, True, True]),
        ("listing_room_type", ["shared_room", "entire_home"]),
        ("listing_room_type", ["7", "entire_home"]),
        ("listing_property_type", ["4", "5"]),
        ("listing_is_new", [True, False]),
        ("in_search_price_rank", [1, 1, 1]),  # all cost the same
        ("guest_saw_listing", [9, 0]),
    ],
)
def test_what_does_not_speak_for_a_listing_is_not_said(name: str, values: list[Any]) -> None:
    assert first_of(name, values) == (None, None)


def test_one_home_and_several_are_told_apart() -> None:
    near = ("guest_clicks_similarity", [0.8, 0.1])
    one = first_of(*near, guest_past_clicks=[1, 1])
    assert one == ("like the home you looked at", "parecida com a que você viu")
    several = first_of(*near, guest_past_clicks=[3, 3])
    assert several == ("like the homes you looked at", "parecida com as que você viu")


def test_a_home_is_not_like_itself() -> None:
    assert first_of("guest_clicks_similarity", [0.8, 0.1], guest_clicked_listing=[1, 0])[0] is None
    assert first_of("guest_clicks_similarity", [0.8, 0.1], guest_clicked_listing=[0, 1])[0]


def test_a_weeks_discount_is_no_reason_for_a_weekend() -> None:
    discount = ("listing_weekly_discount", [True, False])
    assert first_of(*discount, query_nights=[2, 2])[0] is None
    assert first_of(*discount, query_nights=[7, 7])[0] == "a discount for a week or longer"
    assert first_of(*discount, query_nights=[None, None])[0]


def test_more_room_than_twice_the_party_is_no_reason() -> None:
    capacity = ("listing_person_capacity", [6, 2])
    assert first_of(*capacity, query_num_guests=[2, 2])[0] is None
    assert first_of(*capacity, query_num_guests=[5, 5])[0] == "room for 6 guests (others: 2)"


def test_a_rate_that_is_that_of_the_room_type_is_no_liking() -> None:
    rate = ("listing_past_click_rate", [0.2, 0.1])
    prior = {"room_type_past_click_rate": [0.2, 0.1]}
    assert first_of(*rate, listing_past_clicks=[9, 9], **prior)[0] is None
    prior = {"room_type_past_click_rate": [0.1, 0.1]}
    assert first_of(*rate, listing_past_clicks=[1, 9], **prior)[0] is None
    liked = first_of(*rate, listing_past_clicks=[9, 9], **prior)
    assert liked[0] == "guests look at it more often than at the others"


@pytest.mark.parametrize(
    ("times", "english", "portuguese"),
    [
        (1.6, None, None),
        (2.2, "twice as many reviews", "o dobro das avaliações"),
        (2.9, "3 times as many reviews", "3 vezes as avaliações"),
    ],
)
def test_reviews_are_multiples_of_those_of_the_results(
    times: float, english: str | None, portuguese: str | None
) -> None:
    said = first_of("in_search_reviews_to_median", [times], listing_review_count=[50])
    beside = (" as the other results", " das outras opções")
    expected = (english and english + beside[0], portuguese and portuguese + beside[1])
    assert said == expected
    assert first_of("in_search_reviews_to_median", [times], listing_review_count=[2])[0] is None


def test_lists_are_told_apart_whatever_the_order_of_the_rows() -> None:
    rows = pa.table(
        {
            "id_search": ["b", "a", "b", "a"],
            "listing_nightly_price": [100.0, 100.0, 80.0, 200.0],
        }
    )
    told = Sentences("en").of(rows)
    assert told.may_say("listing_nightly_price").tolist() == [False, True, True, False]
    assert told.say("listing_nightly_price", np.array([1, 2])) == [
        "half the price of the other stays here",
        "20% cheaper than the other stays here",
    ]
