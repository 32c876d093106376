"""All sentences, and how a list of rows is told with them in one language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from data.schema.language import Language
from features.sentences import of_history, of_listing, of_search
from features.sentences.listed_rows import ListedRows, Mask
from features.sentences.sentence import Sentence, Untold

__all__ = ["SENTENCES", "Sentences", "TellableRows"]

SENTENCES: dict[str, Sentence | Untold] = {
    **of_listing.SENTENCES,
    **of_search.SENTENCES,
    **of_history.SENTENCES,
}
"""By feature. What is not here (extra columns of a mapping) is never told."""


class Sentences:
    """The sentences in a language; what :func:`models.explanations.reasons.reasons_in_words` asks.

    >>> rows = pa.table({"id_search": ["s", "s", "s"], "listing_num_books_90day": [9, 2, 3]})
    >>> told = Sentences("en").of(rows)
    >>> told.may_say("listing_num_books_90day").tolist()
    [True, False, False]
    >>> told.say("listing_num_books_90day", np.array([0]))
    ['booked 9 times in 90 days (others: 3)']
    """

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def topic(self, feature: str) -> str:
        """Features of one topic are one reason; the feature's own name where it has no topic."""
        entry = SENTENCES.get(feature)
        return entry.topic or feature if entry is not None else feature

    def of(self, rows: pa.Table) -> TellableRows:
        """The rows of whole lists, to be told in this language."""
        return TellableRows(ListedRows(rows), self.language, SENTENCES)


class TellableRows:
    """What may be said of each row of whole lists, and the words."""

    def __init__(
        self, rows: ListedRows, language: Language, sentences: Mapping[str, Sentence | Untold]
    ) -> None:
        self._rows, self._language, self._sentences = rows, language, sentences

    def may_say(self, feature: str) -> Mask:
        """Of which rows the feature may be told; shape (rows,)."""
        entry = self._sentences.get(feature)
        if not isinstance(entry, Sentence) or feature not in self._rows.rows.column_names:
            return np.zeros(self._rows.rows.num_rows, dtype=bool)
        return np.asarray(entry.when(self._rows, feature), dtype=bool)

    def say(self, feature: str, at: np.ndarray[Any, Any]) -> list[str]:
        """The sentence of the feature for each of these rows, of which it may be told."""
        entry = self._sentences[feature]
        if not isinstance(entry, Sentence):
            raise ValueError(f"feature {feature} is never told: {entry.because}")
        numbers, others = entry.number(self._rows, feature)[at], self._rows.others(feature)[at]
        pairs = zip(numbers.tolist(), others.tolist(), strict=True)
        if isinstance(entry.words, dict):
            words = self._rows.words(feature)
            said = [entry.words[words[row] or ""] for row in at.tolist()]
            return [s.text(self._language, *pair) for s, pair in zip(said, pairs, strict=True)]
        return [entry.words.text(self._language, *pair) for pair in pairs]
