"""``features``: the features table, on this machine or on Spark."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.app import STEPS_PANEL, HomeOption, SettingsOption, app, context_of

__all__ = ["features"]


class Engine(StrEnum):
    """What computes the features; the columns are the same."""

    POLARS = "polars"
    SPARK = "spark"


@app.command(rich_help_panel=STEPS_PANEL)
def features(
    home: HomeOption = None,
    settings: SettingsOption = None,
    engine: Annotated[
        Engine, typer.Option("--engine", help="polars: this machine; spark: a cluster.")
    ] = Engine.POLARS,
    spark_master: Annotated[
        str, typer.Option("--spark-master", help="Where Spark runs, such as spark://host:7077.")
    ] = "local[*]",
    spark_staging: Annotated[
        Path | None,
        typer.Option(
            "--spark-staging",
            help="Folder that driver and workers both reach. Default: the home.",
            show_default=False,
        ),
    ] = None,
    spark_archives: Annotated[
        str | None,
        typer.Option(
            "--spark-archives",
            help="Environment for the workers, such as stayrank.tar.gz#environment.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Bring the features table up to date with the impressions, day by day.

    Only days that changed impressions can affect are built again.

    Example: stayrank features --home data/home --engine spark --spark-master spark://host:7077
    """
    from pipelines.feature_table.build_on_spark import SparkOptions
    from pipelines.feature_table.build_table import build_features_table

    on_spark = None
    if engine is Engine.SPARK:
        on_spark = SparkOptions(master=spark_master, staging=spark_staging, archives=spark_archives)
    build_features_table(context_of(home, settings, None), on_spark)
