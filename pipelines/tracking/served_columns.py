"""Which columns the two registered models read, and which of them rows may lack."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.types as pt

from data.schema.tables import CARRIED
from models.funnel.funnel_model import FunnelModel
from pipelines.tracking.served_rows import ColumnKind, IfAbsent, ServedColumn

__all__ = ["ranker_columns", "tower_columns"]

# Without these a row is no candidate of a search.
IDENTITY = ("id_search", "id_listing", "market")
PRICE = "listing_total_price"
NEVER_NULL = "never null"
# Of the columns that are carried along, those that a model may read when it serves: outcomes are
# known only afterwards.
KNOWN_WHEN_SERVING = (*IDENTITY, "id_user", "search_s", "local_s", "search_day")


def ranker_columns(model: FunnelModel) -> tuple[ServedColumn, ...]:
    """What the ranker reads of a row.

    A feature that may be null is null where the rows lack it; one that never is must be there.
    What compares a row with the other results is read only where the model keeps it, and may be
    absent as a whole.
    """
    neutral = {f.name for f in model.features} - {f.name for f in model.features_read}
    columns = [ServedColumn(name=n, kind="category", if_absent="refused") for n in IDENTITY]
    for feature in model.features:
        if feature.name in IDENTITY or (feature.name in neutral and not _keeps(model)):
            continue
        is_needed = feature.null.startswith(NEVER_NULL) and feature.name not in neutral
        unneeded: IfAbsent = "left_out" if feature.name in neutral else "unknown"
        columns.append(
            ServedColumn(
                name=feature.name,
                kind=feature.kind,
                if_absent="refused" if is_needed else unneeded,
            )
        )
    if model.config.order_by != "bookings" and PRICE not in model.features.names:
        columns.append(ServedColumn(name=PRICE, kind="number", if_absent="refused"))
    return tuple(columns)


def tower_columns(schema: pa.Schema) -> tuple[ServedColumn, ...]:
    """What the two-tower reads of a row of this schema: numbers, places, categories and ids."""
    return tuple(
        ServedColumn(name=name, kind=kind, if_absent="refused" if name in IDENTITY else "unknown")
        for name, kind in _readable(schema)
    )


def _keeps(model: FunnelModel) -> bool:
    return model.fitted is not None and model.fitted.keeps_in_search


def _readable(schema: pa.Schema) -> Iterator[tuple[str, ColumnKind]]:
    unknown = set(CARRIED) - set(KNOWN_WHEN_SERVING)
    for field in schema:
        if field.name in unknown or pt.is_date(field.type):
            continue
        if pt.is_boolean(field.type):
            yield field.name, "boolean"
        elif pt.is_integer(field.type) or pt.is_floating(field.type):
            yield field.name, "number"
        else:
            yield field.name, "category"
