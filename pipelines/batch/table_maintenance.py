"""Check the tables for damage before a batch; drop what is old, of tables and files, after it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from data.errors import DataError
from data.lake.checksums import damaged_files, remember_files
from data.lake.known_tables import IRREPLACEABLE
from data.lake.lock import lake_lock
from data.lake.retention import drop_old_versions, merge_small_files
from data.schema.tables import FEATURES, INGESTS, RECOMMENDATIONS, TABLES
from pipelines.batch.history import drop_old_history
from pipelines.batch.journal import Batch
from pipelines.batch.retention import drop_old_files
from pipelines.recommendation.published_pointer import read_published

__all__ = ["check_tables", "maintain_tables"]


def check_tables(batch: Batch) -> Mapping[str, Any]:
    """Compare every table's files with the checksums that the last batch remembered.

    A damaged ``features`` table is removed, so that the next stage builds it again. Raises
    ``DataError`` naming the file where the table is ``IRREPLACEABLE``.
    """
    context, warnings = batch.context, []
    for table in TABLES:
        damaged = damaged_files(context.lake, table.name)
        if damaged and table.name in IRREPLACEABLE:
            raise DataError(
                f"{damaged[0]}. The table {table.name} cannot be trusted; restore the lake from "
                "a back-up (docs/operations.md). The last recommendations stay published"
            )
        if damaged and table.name == FEATURES.name:
            shutil.rmtree(context.lake.path(table.name), ignore_errors=True)
            context.home.features_record.unlink(missing_ok=True)
        warnings += damaged
    for warning in warnings:
        context.console.say(f"warning: {warning}")
    return {"warnings": warnings}


def maintain_tables(batch: Batch) -> Mapping[str, Any]:
    """Drop what ``[keep]`` and ``batch.keep_days`` say, and remember the checksums of new files.

    The version of ``recommendations`` that is published stays, however old.
    """
    context, dropped = batch.context, {}
    history = drop_old_history(context, batch.day)
    published = read_published(context.home)
    with lake_lock(context.home.root, wait_s=context.settings.batch.wait_s):
        merge_small_files(context.lake, INGESTS.name)
        for table in TABLES:
            is_published = published is not None and table.name == RECOMMENDATIONS.name
            dropped[table.name] = drop_old_versions(
                context.lake,
                table.name,
                keep_days=context.settings.batch.keep_days,
                keep_versions=(published.version,) if published and is_published else (),
            )
            remember_files(context.lake, table.name)
    return {"dropped": dropped, "history": history, "files": drop_old_files(batch)}
