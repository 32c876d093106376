"""Every feature is the same on Spark as on Polars, and as honest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from data.feature_set import FeatureSet
from data.ingest import ingest
from data.store import Lake
from features.build import available_features, build_features
from tests.features.test_leakage import time_of, with_another_future, world
from tests.features.worlds import differences, random_impressions

pytestmark = pytest.mark.slow
KEY = ["id_search", "id_listing"]
HISTORY = (
    "listing_past_impressions",
    "listing_past_clicks",
    "listing_past_contacts",
    "listing_past_bookings",
    "listing_hours_since_booking",
    "guest_past_searches",
    "guest_past_bookings",
    "guest_session_searches",
    "guest_saw_listing",
)
EXPEDIA = Path(__file__).parents[3] / "shared" / "data" / "expedia_2013"


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    sql = pytest.importorskip("pyspark.sql", reason="PySpark is not installed (extra `spark`)")
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", "2")
    session = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def there(
    log: pl.DataFrame, spark: Any, folder: Path, features: FeatureSet | None = None
) -> pl.DataFrame:
    """The features, by default every one, built on Spark."""
    folder.mkdir(parents=True, exist_ok=True)
    log.write_parquet(folder / "log.parquet")
    frame = nw.from_native(spark.read.parquet(str(folder / "log.parquet")))
    chosen = features or available_features(dict(nw.from_native(log).schema))
    built = build_features(frame, frame, features=chosen).collect("polars").to_native()
    return pl.DataFrame(built).sort(KEY)


def here(log: pl.DataFrame) -> pl.DataFrame:
    """The same on Polars."""
    native = build_features(log.lazy(), log.lazy()).to_native()
    assert isinstance(native, pl.LazyFrame)
    return native.collect().sort(KEY)


def unlike(left: pl.DataFrame, right: pl.DataFrame) -> dict[str, Any]:
    """Per column that differs, the first pair of values that does."""
    assert left.columns == right.columns
    return {
        name: pair
        for name in left.columns
        for pair in zip(left[name].to_list(), right[name].to_list(), strict=True)
        if not same(*pair)
    }


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
    return bool(left == right)


def test_spark_builds_every_column_of_polars(spark: Any, tmp_path: Path) -> None:
    log = random_impressions(1, searches=40)
    assert unlike(here(log), there(log, spark, tmp_path)) == {}


def test_spark_builds_every_column_of_real_impressions(spark: Any, tmp_path: Path) -> None:
    logs = sorted(EXPEDIA.glob("*.csv*")) if EXPEDIA.is_dir() else []
    sample = [path for path in logs if "rates" not in path.name]
    if not sample:
        pytest.skip(f"the Expedia sample is not at {EXPEDIA}")
    ingest([sample[0]], "expedia_2013", home=tmp_path / "home")
    impressions = Lake(tmp_path / "home").scan("impressions").collect()
    few = impressions.filter(pl.col("id_search").rank("dense") <= 60)
    assert few.height > 0
    assert unlike(here(few), there(few, spark, tmp_path / "spark")) == {}


def test_another_future_leaves_sparks_columns_bit_identical(spark: Any, tmp_path: Path) -> None:
    log, t = world(), time_of(0.6)
    history = available_features(log.columns).only(HISTORY)
    honest = there(log, spark, tmp_path / "honest", history)
    other = there(with_another_future(log, t, seed=3), spark, tmp_path / "other", history)
    first, second = (
        frame.filter(pl.col("search_s") <= t).select(*KEY, *HISTORY) for frame in (honest, other)
    )
    assert first.height > 0
    assert differences(first, second) == []
