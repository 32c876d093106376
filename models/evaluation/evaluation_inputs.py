"""Optional inputs of an evaluation: probabilities, provenance, columns of segments and hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from models.evaluation.arranged_rows import ArrangedRows
from models.evaluation.arrays import Floats, Integers
from models.evaluation.diversity_metrics import unit_vectors
from models.evaluation.provenance import Provenance
from models.evaluation.segments import SegmentColumns, numbers
from models.ranking_order import group_codes
from models.recommender import Scores

__all__ = ["EvaluationInputs", "host_codes", "list_attributes"]


@dataclass(frozen=True, kw_only=True)
class EvaluationInputs:
    """What an evaluation can use beside rows and scores.

    Attributes:
        provenance: of data and models, for the panel beside the scorecard.
        probabilities: model → stage (``click``, ``contact``, ``book``) → P(the row reaches
            at least that stage), one per row, in the order of the rows.
        worth: what a click on each row is worth (``models.click_worth``), 0 where none came, in
            the order of the rows; ``None`` leaves the value DCG out.
        columns: which columns describe the segments.
        host_columns: columns that may name the host; the first one present is used.
    """

    provenance: Provenance = field(default_factory=Provenance)
    probabilities: Mapping[str, Mapping[str, Scores]] = field(default_factory=dict)
    worth: Scores | None = None
    columns: SegmentColumns = field(default_factory=SegmentColumns)
    host_columns: tuple[str, ...] = ("id_host", "x_id_host", "x_host_id")


def list_attributes(rows: pa.Table, arranged: ArrangedRows) -> dict[str, Floats]:
    """What the diversity of a list is measured in, as far as the columns are present.

    The attributes of :func:`models.evaluation.diversity_metrics.diversity_metrics`, arranged.
    """
    present = set(rows.column_names)
    attributes: dict[str, Floats] = {}
    if {"listing_lat", "listing_lng"} <= present:
        lat, lng = (numbers(rows, arranged, name) for name in ("listing_lat", "listing_lng"))
        attributes["distance_km"] = unit_vectors(lat, lng)
    if "listing_total_price" in present:
        price = numbers(rows, arranged, "listing_total_price")
        positive = np.where(price > 0, price, np.nan)
        attributes["log_price"] = np.log(positive)[:, None]
    if "listing_room_type" in present:
        attributes["room_type"] = _known_codes(rows, arranged, "listing_room_type")[:, None]
    return attributes


def host_codes(rows: pa.Table, arranged: ArrangedRows, columns: tuple[str, ...]) -> Integers | None:
    """Code of the host of each arranged row, -1 where null; ``None`` without such a column."""
    for name in columns:
        if name in rows.column_names:
            codes = _known_codes(rows, arranged, name)
            is_known = np.isfinite(codes)
            hosts = np.full(len(codes), -1, dtype=np.int64)
            # null had a code of its own: number the known ones anew, without a gap
            hosts[is_known] = np.unique(codes[is_known], return_inverse=True)[1]
            return hosts
    return None


def _known_codes(rows: pa.Table, arranged: ArrangedRows, name: str) -> Floats:
    """Code per arranged row, NaN for null."""
    values = rows[name].combine_chunks()
    is_known = np.asarray(values.is_valid())
    return np.where(is_known, group_codes(values), np.nan)[arranged.order]
