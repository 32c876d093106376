"""Words: which are one, which are two, and what a market is called that nobody listed."""

from __future__ import annotations

from itertools import combinations

import pytest

from data.readers.words import LONGEST_SLUG, KnownWords, market_slug, word_key

ONE_WORD = [
    ("Contacted Host", "contacted-host"),
    ("contacted_host", " CONTACTED  HOST "),
    ("Σαντορίνη", "ΣΑΝΤΟΡΊΝΗ"),
    ("ОДЕССА", "одесса"),
    ("ＴＯＫＹＯ", "tokyo"),
    ("Straße", "STRASSE"),
    ("São", "Sa\u0303o"),
    ("\u200fתל אביב", "תל אביב"),
    ("219.0", "219"),
    ("-0.0", "0"),
]
# all of them are different words, most with one slug under the old rule
ALL_DIFFERENT = [
    *("1", "-1", "+1", "1.5", "1 5", "1-5", "15", "A", "-A", "A+", "C", "C++", "C#", "zone -1"),
    *("zone 1", "København", "K-benhavn", "Kobenhavn", "東京", "Σαντορίνη", "Москва", "القاهرة"),
    *("Münster", "Munster", "край", "краи", "か", "が", "a" * 70, "a" * 71, "market", "दिल्ली"),
    *("São Paulo", "Sao Paulo", "sao_paulo__4304ef3141", "서울"),
]


@pytest.mark.parametrize(("one", "other"), ONE_WORD)
def test_spellings_of_one_word_have_one_key(one: str, other: str) -> None:
    assert word_key(one) == word_key(other)


def test_different_words_have_different_keys_and_different_folder_safe_slugs() -> None:
    assert len({word_key(word) for word in ALL_DIFFERENT}) == len(ALL_DIFFERENT)
    slugs = [market_slug(word) or "" for word in ALL_DIFFERENT]
    for (one, first), (other, second) in combinations(zip(ALL_DIFFERENT, slugs, strict=True), 2):
        assert first != second, (one, other)
    for slug in slugs:
        assert slug.isascii()
        assert slug.replace("_", "").isalnum()
        assert slug == slug.lower()
        assert len(slug) <= LONGEST_SLUG


@pytest.mark.parametrize(
    ("word", "slug"),
    [
        ("Rio de Janeiro", "rio_de_janeiro"),
        ("NEW-YORK", "new_york"),
        ("us-east-1", "us_east_1"),
        ("219", "219"),
        ("219.0", "219"),
        ("???", None),
        ("", None),
    ],
)
def test_word_of_plain_letters_and_digits_is_its_own_slug(word: str, slug: str | None) -> None:
    assert market_slug(word) == slug


def test_listed_word_is_found_without_accents_and_with_other_joins() -> None:
    words = KnownWords([("São Paulo", "sp"), ("København", "k"), ("Entire home/apt", "e")])
    for spelling in ("Sao Paulo", "sao_paulo", "SÃO-PAULO", "Saõ paulo"):
        assert words.meaning(spelling) == "sp"
    assert words.meaning("kobenhavn") == "k"
    assert words.meaning("Entire home, apt") == words.meaning("entire_home_apt") == "e"
    assert words.meaning("K-benhavn") is None


def test_listed_number_is_not_found_by_its_negative() -> None:
    words = KnownWords([("1", "one"), ("zone 1", "zone")])
    assert words.meaning("1.0") == "one"
    assert words.meaning("zone-1") == "zone"
    assert [words.meaning(word) for word in ("-1", "+1", "1.5", "zone -1", "(1)")] == [None] * 5


def test_accents_that_tell_two_listed_words_apart_are_not_dropped() -> None:
    words = KnownWords([("Munster", 1), ("Münster", 2)])
    assert [words.meaning(word) for word in ("MUNSTER", "MÜNSTER", "Munstér")] == [1, 2, None]


def test_marks_that_make_another_letter_are_never_dropped() -> None:
    words = KnownWords([("край", 1), ("が", 2)])
    assert [words.meaning(word) for word in ("КРАЙ", "краи", "が", "か")] == [1, None, 2, None]


def test_two_spellings_of_one_word_are_refused_naming_both() -> None:
    with pytest.raises(ValueError, match=r"'Contact-Host' \(clicked\) and 'contact host' \(booked"):
        KnownWords([("Contact-Host", "clicked"), ("contact host", "booked")])
    KnownWords([("Contact-Host", "clicked"), ("contact host", "clicked")])
