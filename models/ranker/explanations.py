"""Why this listing: the features that lift a row above the others of its search.

SHAP values of the trees (Lundberg & Lee 2017, computed exactly by LightGBM) say how much
each feature moves a score from the mean of the training rows. What moves all results of a
search alike explains nothing about their order, so the search's mean is taken off each.
What the model does as a whole is in :mod:`models.ranker.shap_dependence`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from data.schema.feature_set import Feature, FeatureSet
from models.arrow_columns import Codes
from models.ranker import Contributions, Ranker
from models.ranking_order import group_codes, tie_keys

__all__ = ["explain", "over_the_search", "reasons_in_words"]


def explain(ranker: Ranker, rows: pa.Table, *, top: int = 3) -> pa.Table:
    """The ``top`` features that speak for each row, compared with the others of its search.

    ``rows`` hold whole searches or candidate lists. Returns one row per row and reason:
    ``id_search``, ``id_listing``, ``reason`` (1 is the strongest), ``feature`` and
    ``lift`` (score gained over the mean of the search); reasons with no lift are left out.
    """
    _check(top)
    lift_NF = over_the_search(rows, ranker.contributions(rows))
    top = min(top, lift_NF.shape[1])
    best_NK = np.argsort(-lift_NF, axis=1, kind="stable")[:, :top]
    lift = np.take_along_axis(lift_NF, best_NK, axis=1).ravel()
    at = np.repeat(np.arange(rows.num_rows), top)
    names = np.asarray(ranker.features.names, dtype=object)
    table = pa.table(
        {
            "id_search": rows["id_search"].take(pa.array(at)),
            "id_listing": rows["id_listing"].take(pa.array(at)),
            "reason": pa.array(np.tile(np.arange(1, top + 1), rows.num_rows).astype(np.int32)),
            "feature": pa.array(names[best_NK.ravel()], pa.string()),
            "lift": pa.array(lift),
        }
    )
    return table.filter(pa.array(lift > 0))


def reasons_in_words(ranker: Ranker, rows: pa.Table, *, top: int = 3) -> pa.Array:
    """What speaks for each row, in the data dictionary's words, strongest first.

    One text per row, such as ``earlier clicks: 14; price: 320 price per night``; null
    where nothing lifts the row. Features made of the same columns say one thing between
    them: their lifts are added up, and the strongest speaks. ``rows`` hold whole searches
    or lists.
    """
    _check(top)
    lift_NF = over_the_search(rows, ranker.contributions(rows))
    families = _families(ranker.features)
    lift_NG = np.stack([lift_NF[:, columns].sum(axis=1) for columns in families], axis=1)
    speaker_NG = np.stack([c[lift_NF[:, c].argmax(axis=1)] for c in families], axis=1)
    best_NK = np.argsort(-lift_NG, axis=1, kind="stable")[:, :top]
    speaks_NK = np.take_along_axis(lift_NG, best_NK, axis=1) > 0
    said_NK = _said(ranker.features, rows, np.take_along_axis(speaker_NG, best_NK, axis=1))
    texts = [
        "; ".join(text for text, speaks in zip(said, flags, strict=True) if speaks) or None
        for said, flags in zip(said_NK.tolist(), speaks_NK.tolist(), strict=True)
    ]
    return pa.array(texts, pa.string())


def over_the_search(rows: pa.Table, contribution_NF: Contributions) -> Contributions:
    """The contributions less their mean over each row's search."""
    groups = group_codes(rows["id_search"])
    if not len(groups):
        return contribution_NF
    # Added up in an order of the ids' own, so that the given order cannot show.
    order = np.lexsort((tie_keys(rows), groups))
    sizes = np.bincount(groups)
    means = [np.bincount(groups[order], column[order]) / sizes for column in contribution_NF.T]
    return np.asarray(contribution_NF - np.stack(means, axis=1)[groups])


def _check(top: int) -> None:
    if top < 1:
        raise ValueError(f"top is at least 1; found {top}")


def _families(features: FeatureSet) -> list[Codes]:
    """Columns of the features that are made of the same columns of the log."""
    members: dict[tuple[str, ...], list[int]] = {}
    for place, feature in enumerate(features):
        family = (feature.group, *(feature.needs or (feature.name,)))
        members.setdefault(family, []).append(place)
    return [np.asarray(places, dtype=np.int64) for places in members.values()]


def _said(features: FeatureSet, rows: pa.Table, speaker_NK: Codes) -> np.ndarray[Any, Any]:
    """The sentence of each row's speaking features; shape as ``speaker_NK``."""
    said_NK = np.full(speaker_NK.shape, "", dtype=object)
    for place, feature in enumerate(features):
        at_row, at_reason = np.nonzero(speaker_NK == place)
        if len(at_row):
            values = rows[feature.name].take(pa.array(at_row)).to_pylist()
            said_NK[at_row, at_reason] = [_sentence(feature, value) for value in values]
    return said_NK


def _sentence(feature: Feature, value: Any) -> str:
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
