"""Markets as people write them; in tables they are slugs."""

from __future__ import annotations

__all__ = ["market_in_words"]

# Slugs have no accents; of the two markets that are simulated, one has.
_ACCENTED = {"sao_paulo": "São Paulo"}
_SMALL_WORDS = {"da", "das", "de", "del", "do", "dos", "e"}


def market_in_words(slug: str) -> str:
    """A market's slug for a person.

    The digest that keeps two markets of one slug apart stays, in brackets.

    >>> market_in_words("rio_de_janeiro"), market_in_words("sao_paulo")
    ('Rio de Janeiro', 'São Paulo')
    >>> market_in_words("new_york__4304ef3141"), market_in_words("unknown")
    ('New York (4304ef3141)', 'Unknown')
    """
    name, _, digest = slug.partition("__")
    words = name.split("_")
    spelled = " ".join(
        word if word in _SMALL_WORDS and place else word[:1].upper() + word[1:]
        for place, word in enumerate(words)
    )
    spelled = _ACCENTED.get(name, spelled) or slug
    return f"{spelled} ({digest})" if digest else spelled
