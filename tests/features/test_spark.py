"""Every feature is the same on Spark as on Polars, and as honest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import hypothesis.strategies as st
import narwhals as nw
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from data.ingest import ingest
from data.lake.store import Lake
from features.all_features import available_features
from features.build import build_features
from pipelines.feature_table.build_on_spark import spark_session
from tests.features.test_leakage import (
    ALL_GROUPS,
    KINDS,
    SOME_KINDS,
    time_of,
    with_another_future,
    world,
)
from tests.features.worlds import differences

pytestmark = pytest.mark.slow
KEY = ["id_search", "id_listing"]
EXPEDIA = Path(__file__).parents[3] / "shared" / "data" / "expedia_2013"


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """A session as ``stayrank features --engine spark`` begins it."""
    pytest.importorskip("pyspark.sql", reason="PySpark is not installed (extra `spark`)")
    with spark_session("local[2]") as session:
        session.sparkContext.setLogLevel("ERROR")
        session.conf.set("spark.sql.shuffle.partitions", "2")
        yield session


@pytest.fixture(scope="module")
def honest(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The small world's features, as Spark builds them."""
    return there(world(), spark, tmp_path_factory.mktemp("honest"))


def there(log: pl.DataFrame, spark: Any, folder: Path) -> pl.DataFrame:
    """Every feature, built on Spark."""
    file = folder / f"{uuid4().hex}.parquet"
    log.write_parquet(file)
    frame = nw.from_native(spark.read.parquet(str(file)))
    built = build_features(frame, frame).collect("polars").to_native()
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


def test_spark_builds_every_column_of_polars(honest: pl.DataFrame) -> None:
    assert unlike(here(world()), honest) == {}


def test_spark_builds_every_column_of_real_impressions(spark: Any, tmp_path: Path) -> None:
    logs = sorted(EXPEDIA.glob("*.csv*")) if EXPEDIA.is_dir() else []
    sample = [path for path in logs if "rates" not in path.name]
    if not sample:
        pytest.skip(f"the Expedia sample is not at {EXPEDIA}")
    ingest([sample[0]], "expedia_2013", home=tmp_path / "home")
    impressions = Lake(tmp_path / "home").scan("impressions").collect()
    few = impressions.filter(pl.col("id_search").rank("dense") <= 60)
    assert few.height > 0
    assert unlike(here(few), there(few, spark, tmp_path)) == {}


@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # each example takes Spark half a minute
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(share=st.floats(0.3, 0.9), seed=st.integers(0, 10_000), kinds=SOME_KINDS)
@example(share=0.5, seed=3, kinds=set(KINDS))
def test_another_future_leaves_every_group_bit_identical_on_spark(
    share: float, seed: int, kinds: set[str], honest: pl.DataFrame, spark: Any, tmp_path: Path
) -> None:
    t = time_of(share)
    other = there(with_another_future(world(), t, seed, kinds), spark, tmp_path)
    first, second = (frame.filter(pl.col("search_s") <= t) for frame in (honest, other))
    assert first.height > 0
    leaks = {
        group: differences(first.select(*KEY, *names), second.select(*KEY, *names))
        for group, names in names_of_groups().items()
    }
    assert set(leaks) == set(ALL_GROUPS)
    assert {group: columns for group, columns in leaks.items() if columns} == {}


def names_of_groups() -> dict[str, list[str]]:
    chosen = available_features(world().columns)
    return {group: [f.name for f in chosen if f.group == group] for group in chosen.groups}
