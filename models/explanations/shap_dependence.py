"""What a model does as a whole: which features move its scores, and which way.

From SHAP values of a sample of rows, less their mean over each search: a feature that lifts
all results of a search alike has no part in their order.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.arrow_columns import Numbers, numbers
from models.explanations.lift import Contributions, ExplainedModel, over_the_search

__all__ = ["Dependence", "dependences", "global_importance"]

Dependence = dict[str, pa.Table]
"""Feature name → how its contribution moves with its value; see :func:`dependences`."""

MOST_CATEGORIES = 12


def global_importance(model: ExplainedModel, rows: pa.Table) -> pa.Table:
    """Mean absolute contribution of each feature within the searches of ``rows``.

    Columns ``feature``, ``meaning``, ``group`` and ``share`` (of all features together),
    best first.
    """
    return _importance(model, over_the_search(rows, model.contributions(rows)))


def dependences(
    model: ExplainedModel, rows: pa.Table, *, top: int = 8, bins: int = 12
) -> Dependence:
    """For the ``top`` features, the contribution at each value, averaged in bins.

    A table per feature, a row per bin (of about as many rows each) or category: ``value``
    (middle of the bin; null for categories), ``word`` (the category, or ``unknown``),
    ``mean``, ``low`` and ``high`` (10% and 90% quantile of the contribution), ``rows``.
    """
    lift_NF = over_the_search(rows, model.contributions(rows))
    most_important = _importance(model, lift_NF)["feature"].to_pylist()[:top]
    names, categories = model.features.names, model.features.categories
    return {
        name: _by_word(rows, name, lift_NF[:, names.index(name)])
        if name in categories
        else _by_value(rows, name, lift_NF[:, names.index(name)], bins)
        for name in most_important
    }


def _importance(model: ExplainedModel, lift_NF: Contributions) -> pa.Table:
    sizes = np.abs(lift_NF).mean(axis=0) if len(lift_NF) else np.zeros(lift_NF.shape[1])
    shares = sizes / max(float(sizes.sum()), 1e-300)
    order = np.argsort(-shares, kind="stable")
    features = [list(model.features)[i] for i in order]
    return pa.table(
        {
            "feature": pa.array([f.name for f in features], pa.string()),
            "meaning": pa.array([f.meaning for f in features], pa.string()),
            "group": pa.array([f.group for f in features], pa.string()),
            "share": shares[order],
        }
    )


def _by_value(rows: pa.Table, name: str, lift: Contributions, bins: int) -> pa.Table:
    values = numbers(rows, name)
    known = np.isfinite(values)
    summaries = [] if known.all() else [_summary(None, "unknown", lift[~known])]
    edges = _edges(values[known], bins)
    # A value on an edge belongs to the bin above; the last bin is closed.
    bin_of = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
    for number in np.unique(bin_of[known]):
        at = known & (bin_of == number)
        summaries.append(_summary(float(np.median(values[at])), None, lift[at]))
    return pa.Table.from_pylist(summaries, schema=_SCHEMA)


def _edges(known: Numbers, bins: int) -> Numbers:
    """Edges of bins with about as many rows each; fewer where values repeat."""
    return np.unique(np.quantile(known, np.linspace(0, 1, bins + 1))) if len(known) else known


def _by_word(rows: pa.Table, name: str, lift: Contributions) -> pa.Table:
    words = np.asarray([w or "unknown" for w in rows[name].cast(pa.string()).to_pylist()])
    distinct, counts = np.unique(words, return_counts=True)
    commonest = distinct[np.argsort(-counts, kind="stable")][:MOST_CATEGORIES]
    summaries = [_summary(None, str(word), lift[words == word]) for word in commonest]
    return pa.Table.from_pylist(summaries, schema=_SCHEMA)


def _summary(value: float | None, word: str | None, lift: Contributions) -> dict[str, object]:
    low, high = np.quantile(lift, [0.1, 0.9])
    return {
        "value": value,
        "word": word,
        "mean": float(lift.mean()),
        "low": float(low),
        "high": float(high),
        "rows": len(lift),
    }


_SCHEMA = pa.schema(
    [
        ("value", pa.float64()),
        ("word", pa.string()),
        ("mean", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("rows", pa.int64()),
    ]
)
