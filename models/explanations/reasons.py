"""Why this listing: the traits that lift a row above the others of its search, in sentences.

The contributions of each feature, less their mean over the search, are those of
:mod:`models.explanations.lift`; what the model does as a whole is in
:mod:`models.explanations.shap_dependence`. The words come from outside (``features.sentences``).
Example, one row:

=====================  =====  =========  ====================================================
feature                topic  lift       said
=====================  =====  =========  ====================================================
nightly price          price  +0.3       half the price of the other stays here
price z-score          price  +0.4       never told; its topic is price, of +0.7 together
distance               place  +0.5       800 m from where you searched (others: 3.2 km)
reviews                trust  +0.9       nothing: it has fewer than the others
=====================  =====  =========  ====================================================

Legend: N rows, F features, T topics, K reasons per row.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from models.arrow_columns import Codes
from models.explanations.lift import Contributions, ExplainedModel, over_the_search

Mask = np.ndarray[Any, np.dtype[np.bool_]]

__all__ = ["MARK_BETWEEN", "Tellable", "Telling", "reasons_in_words"]

MARK_BETWEEN = "; "
"""What stands between the reasons of a row."""

_NONE = -1  # in the place of a feature: nothing that may be said lifts the row
_LEAST = 1e-9  # a lift that is more than rounding


class Tellable(Protocol):
    """The rows of whole lists, of which something may be said."""

    def may_say(self, feature: str) -> Mask:
        """Of which rows the feature speaks for the listing in a person's eyes; shape (rows,)."""
        ...

    def say(self, feature: str, at: Codes) -> list[str]:
        """The sentence of each of these rows."""
        ...


class Telling(Protocol):
    """Sentences by feature, in one language."""

    def topic(self, feature: str) -> str:
        """Features of one topic are one reason."""
        ...

    def of(self, rows: pa.Table) -> Tellable:
        """The rows, to be told."""
        ...


def reasons_in_words(
    model: ExplainedModel,
    rows: pa.Table,
    telling: Telling,
    *,
    top: int = 3,
    explained: Mask | None = None,
) -> pa.Array:
    """What speaks for each row, strongest first.

    One text per row, such as ``half the price of the other stays here; professional photos``;
    null where nothing that may be said lifts the row. Features of a topic count as one reason:
    their lifts are added up, and of those that may be said and lift the row themselves the one
    with the largest lift gives the words. Raises ``ValueError`` where ``top`` is below 1.

    Args:
        model: what gave the rows their places.
        rows: whole searches or whole candidate lists. They may lack features that the model
            does not read when scoring; those are no reasons.
        telling: the words.
        top: most reasons of a row.
        explained: the rows that get reasons, by default all. The sentences compare them with all
            rows of their list; contributions, which take most of the time, are computed of them
            alone.
    """
    if top < 1:
        raise ValueError(f"top is at least 1; found {top}")
    at = np.arange(rows.num_rows) if explained is None else np.flatnonzero(explained)
    names = model.features.names
    own = rows.take(pa.array(at))
    lift_NF = over_the_search(own, model.contributions(own))
    # The model holds them at one value: they tell no row from another, but for rounding.
    lift_NF[:, [name not in rows.column_names for name in names]] = 0.0
    tellable = telling.of(rows)
    may_say_NF = np.stack([tellable.may_say(name)[at] for name in names], axis=1)
    best_NK = _strongest(lift_NF, may_say_NF, _places_by_topic(names, telling), top)
    words_NK = np.full(best_NK.shape, "", dtype=object)
    for place in np.unique(best_NK[best_NK != _NONE]):
        at_row, at_reason = np.nonzero(best_NK == place)
        words_NK[at_row, at_reason] = tellable.say(names[place], at[at_row])
    texts = np.full(rows.num_rows, None, dtype=object)
    texts[at] = [MARK_BETWEEN.join(filter(None, row)) or None for row in words_NK.tolist()]
    return pa.array(texts.tolist(), pa.string())


def _places_by_topic(names: tuple[str, ...], telling: Telling) -> list[Codes]:
    """The places of the features that tell one thing, topic by topic."""
    members: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        members.setdefault(telling.topic(name), []).append(place)
    return [np.asarray(places, dtype=np.int64) for places in members.values()]


def _strongest(lift_NF: Contributions, may_say_NF: Mask, topics: list[Codes], top: int) -> Codes:
    """Places of the features that give the words, best topic first; shape (rows, reasons)."""
    said_NF = np.where(may_say_NF & (lift_NF > _LEAST), lift_NF, -np.inf)
    speaker_NT = np.stack([p[said_NF[:, p].argmax(axis=1)] for p in topics], axis=1)
    lift_NT = np.stack([lift_NF[:, places].sum(axis=1) for places in topics], axis=1)
    is_said_NT = np.isfinite(np.take_along_axis(said_NF, speaker_NT, axis=1))
    is_reason_NT = is_said_NT & (lift_NT > _LEAST)
    order_NK = np.argsort(np.where(is_reason_NT, -lift_NT, np.inf), axis=1, kind="stable")[:, :top]
    best_NK = np.where(is_reason_NT, speaker_NT, _NONE)
    return np.asarray(np.take_along_axis(best_NK, order_NK, axis=1))
