"""The words of a mapping: which spellings mean which label, and which market.

Both raise ``ValueError``, naming the two, where spellings of different meanings are one word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from data.readers.words import KnownWords, word_key

__all__ = ["label_words", "market_words"]

_USUAL_LABELS = {
    "impressed": ("impressed", "impression", "impress"),
    "clicked": ("clicked", "click"),
    "contacted": ("contacted", "contact", "contact_host", "contacted_host", "host_contacted"),
    "booked": ("booked", "booking", "book"),
}


def label_words(own: Mapping[str, Iterable[str]]) -> KnownWords[str]:
    """A mapping's spellings of the labels and the usual ones.

    A usual spelling that the mapping lists under another label goes with that one.
    """
    listed = [(word, label) for label, words in own.items() for word in words]
    taken = {word_key(word) for word, _ in listed}
    usual = [(word, label) for label, words in _USUAL_LABELS.items() for word in words]
    return KnownWords([*listed, *(pair for pair in usual if word_key(pair[0]) not in taken)])


def market_words(spellings: Mapping[str, Iterable[str]]) -> KnownWords[str]:
    """The spellings of all markets by slug; each slug is a spelling of its own market."""
    return KnownWords((word, name) for name, own in spellings.items() for word in (name, *own))
