from __future__ import annotations

from pathlib import Path

from features.data_dictionary import data_dictionary

COMMITTED = Path(__file__).parents[2] / "docs" / "data_dictionary.md"


def test_committed_data_dictionary_is_current() -> None:
    assert COMMITTED.read_text() == data_dictionary(), (
        "run: python -m features.data_dictionary > docs/data_dictionary.md"
    )


def test_each_feature_shows_its_sentence_or_why_it_has_none() -> None:
    document = data_dictionary()
    price = next(x for x in document.splitlines() if x.startswith("| `market_price_to_comparable`"))
    assert "| half the price of similar stays nearby; a third cheaper than similar" in price
    property_type = next(x for x in document.splitlines() if "| property type |" in x)
    assert "(a code without words)" in property_type
    reviews = next(x for x in document.splitlines() if "| number of reviews | …" in x)
    assert "… reviews (others: …)" in reviews
