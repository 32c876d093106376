"""Why this listing: the features that lift a row above the others of its search.

The contributions of each feature, less their mean over the search, are those of
:mod:`models.explanations.lift`; what the model does as a whole is in
:mod:`models.explanations.shap_dependence`.

Legend: N rows, F features, G families of features, K reasons per row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from data.schema.feature_set import Feature, FeatureSet
from models.arrow_columns import Codes
from models.explanations.lift import ExplainedModel, over_the_search

__all__ = ["reasons_in_words"]

_NONE = -1  # in the place of a feature: nothing lifts the row


def reasons_in_words(model: ExplainedModel, rows: pa.Table, *, top: int = 3) -> pa.Array:
    """What speaks for each row, in the data dictionary's words, strongest first.

    One text per row, such as ``earlier clicks: 14; price: 320 price per night``; null
    where nothing lifts the row. Features made of the same columns of the log count as one
    reason: their lifts are added up, and the one with the largest lift gives the words.
    ``rows`` hold whole searches or whole candidate lists, and may lack features that the model
    does not read when scoring; those are no reasons. Raises ``ValueError`` where
    ``top`` is below 1.
    """
    if top < 1:
        raise ValueError(f"top is at least 1; found {top}")
    lift_NF = over_the_search(rows, model.contributions(rows))
    # The model holds them at one value: they tell no row from another, but for rounding.
    lift_NF[:, [name not in rows.column_names for name in model.features.names]] = 0.0
    families = _feature_families(model.features)
    lift_NG = np.stack([lift_NF[:, columns].sum(axis=1) for columns in families], axis=1)
    strongest_NG = np.stack([c[lift_NF[:, c].argmax(axis=1)] for c in families], axis=1)
    best_NK = np.argsort(-lift_NG, axis=1, kind="stable")[:, :top]
    lifts_NK = np.take_along_axis(lift_NG, best_NK, axis=1) > 0
    reason_NK = np.where(lifts_NK, np.take_along_axis(strongest_NG, best_NK, axis=1), _NONE)
    words_NK = _words(model.features, rows, reason_NK)
    texts = [
        "; ".join(words for words, lifts in zip(row, is_lifted, strict=True) if lifts) or None
        for row, is_lifted in zip(words_NK.tolist(), lifts_NK.tolist(), strict=True)
    ]
    return pa.array(texts, pa.string())


def _feature_families(features: FeatureSet) -> list[Codes]:
    """The places of the features that are made of the same columns of the log, family by family.

    ``listing_nightly_price`` and ``listing_total_price`` would otherwise give one reason twice.
    """
    members: dict[tuple[str, ...], list[int]] = {}
    for place, feature in enumerate(features):
        family = (feature.group, *(feature.needs or (feature.name,)))
        members.setdefault(family, []).append(place)
    return [np.asarray(places, dtype=np.int64) for places in members.values()]


def _words(features: FeatureSet, rows: pa.Table, feature_NK: Codes) -> np.ndarray[Any, Any]:
    """Meaning and value of the features at these places, in their shape; empty for none."""
    words_NK = np.full(feature_NK.shape, "", dtype=object)
    for place, feature in enumerate(features):
        at_row, at_reason = np.nonzero(feature_NK == place)
        if len(at_row):
            values = rows[feature.name].take(pa.array(at_row)).to_pylist()
            words_NK[at_row, at_reason] = [_in_words(feature, value) for value in values]
    return words_NK


def _in_words(feature: Feature, value: Any) -> str:
    if value is None:
        return f"{feature.meaning}: unknown"
    if feature.kind == "boolean":
        return f"{feature.meaning}: {'yes' if value else 'no'}"
    if feature.kind == "category":
        return f"{feature.meaning}: {str(value).replace('_', ' ')}"
    if feature.unit == "share":
        return f"{feature.meaning}: {value:.2%}"
    number = f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
    return f"{feature.meaning}: {number} {feature.unit}".rstrip()
