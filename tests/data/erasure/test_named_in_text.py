"""Which texts name a guest, where an id may be a number or a word that stands for anything."""

from __future__ import annotations

import html
import json

import pytest

from data.erasure.guest import Guest
from data.erasure.named_in_text import NamedInText


def _names(guest: str, text: str, **known: frozenset[str]) -> bool:
    return NamedInText(Guest(ids=frozenset({guest}), **known))(text)


@pytest.mark.parametrize(
    "text",
    [
        "guest {} asked",
        "user {}: seen",
        "id_user={}",
        "guest_id: {}",
        '{{"id_user": "{}"}}',
        "guest '{}'",
        "guest ({})",
        "nulled 1 in id_user: too long, first in line 7 ('{}')",
        '"{{\\"id_user\\": \\"{}\\"}}"',
    ],
)
@pytest.mark.parametrize("guest", ["381", "7", "maria", "U1234567", "é", "-12"])
def test_a_text_that_says_guest_before_an_id_names_the_guest(text: str, guest: str) -> None:
    assert _names(guest, text.format(guest))


@pytest.mark.parametrize(
    "text",
    [
        "381 rows",
        "took 0.381 s",
        "listing 381",
        "381 guests",
        "searches per guest: 381",
        "recommended for 381 guests of rio",
        "threshold=381.5",
        "guest 3815 asked",
        "guest 1,381 asked",
        "guest 381.5",
        "id_search=381",
    ],
)
def test_the_digits_of_an_id_are_a_number_everywhere_else(text: str) -> None:
    assert not _names("381", text)


@pytest.mark.parametrize("text", ["daily 2026-01-20: done", "the daily starts", "daily"])
def test_a_word_is_a_word(text: str) -> None:
    assert not _names("daily", text)


@pytest.mark.parametrize("text", ["U123 asked", "my-U12", "U12-b", "xU12"])
def test_an_id_inside_a_longer_one_is_another(text: str) -> None:
    assert not _names("U12", text)


@pytest.mark.parametrize("guest", ['a"1', "b\\2", "c&3<", "naïve-1", "x/y 1"])
def test_an_id_is_known_in_the_spelling_of_every_format(guest: str) -> None:
    for text in (guest, json.dumps(guest), html.escape(guest), repr(guest)):
        assert _names(guest, f"seen {text} today")


def test_a_search_of_the_guest_names_the_guest_where_it_cannot_be_a_number() -> None:
    assert _names("381", "search simS12 failed", searches=frozenset({"simS12"}))
    assert not _names("381", "4711 rows", searches=frozenset({"4711"}))
