"""Every feature is the same on Spark as on Polars."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from data.feature_set import FeatureSet
from features.build import ALL_FEATURES, available_features, build_features
from tests.features.worlds import random_impressions

pytestmark = pytest.mark.slow
KEY = ["id_search", "id_listing"]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    sql = pytest.importorskip("pyspark.sql", reason="PySpark is not installed (extra `spark`)")
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", "2")
    session = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    yield session
    session.stop()


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
    return bool(left == right)


@pytest.mark.parametrize("group", tuple(dict.fromkeys(f.group for f in ALL_FEATURES)))
def test_spark_builds_the_columns_of_polars(group: str, spark: Any, tmp_path: Path) -> None:
    log = random_impressions(1, searches=40)
    log.write_parquet(tmp_path / "log.parquet")
    wanted = FeatureSet(tuple(f for f in available_features(log.columns) if f.group == group))
    frame = nw.from_native(spark.read.parquet(str(tmp_path / "log.parquet")))
    there = build_features(frame, frame, features=wanted).collect("polars").to_native().sort(KEY)
    native = build_features(log.lazy(), log.lazy(), features=wanted).to_native()
    assert isinstance(native, pl.LazyFrame)
    here = native.collect().sort(KEY)
    unlike = {
        name: pair
        for name in wanted.names
        for pair in zip(here[name].to_list(), there[name].to_list(), strict=True)
        if not same(*pair)
    }
    assert unlike == {}
