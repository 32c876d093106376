"""Spark itself gives the bits of one machine, whatever its partitions, and knows no future.

The arithmetic of its workers is tested without it: the engine ``partitions of a cluster``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import polars as pl
import pytest

from data.ingest import ingest
from data.lake.store import Lake
from data.schema.feature_set import FeatureSet
from features import build_on_spark as job
from features.all_features import available_features
from pipelines.feature_table.build_on_spark import spark_session
from tests.features.engines import AT_ONCE, KEY
from tests.features.futures import KINDS, with_another_future
from tests.features.test_leakage import leaks, time_of, world
from tests.features.without_spark import build_on_session
from tests.features.worlds import FIRST_DAY, differences, random_impressions, skewed_impressions

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
EXPEDIA = ROOT / "shared" / "data" / "expedia_2013"


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """A session as ``stayrank features --engine spark`` begins it; its workers run this code."""
    pytest.importorskip("pyspark.sql", reason="PySpark is not installed (extra `spark`)")
    with pytest.MonkeyPatch.context() as patch:
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        with spark_session("local[2]") as session:
            session.sparkContext.setLogLevel("ERROR")
            yield session


class Cluster:
    """Builds logs on a Spark session."""

    def __init__(self, session: Any, folder: Path) -> None:
        self._session, self._folder = session, folder

    def build(
        self,
        log: pl.DataFrame,
        features: FeatureSet | None = None,
        since_day: int | None = None,
        *,
        parts: int,
    ) -> pl.DataFrame:
        """The features, where guests, listings and searches are in so many parts."""
        folder = self._folder / uuid4().hex
        folder.mkdir()
        rows = -(-log.height // parts) or 1
        with (
            patch.object(job, "_ROWS_PER_PART", rows),
            patch.object(job, "_ROWS_PER_FAMILY_PART", rows),
        ):
            built = build_on_session(self._session, log, features, since_day, folder)
        return built.sort(KEY)


@pytest.fixture(scope="module")
def cluster(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    return Cluster(spark, tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def honest(cluster: Cluster) -> pl.DataFrame:
    """The small world's features, as Spark builds them."""
    return cluster.build(world(), parts=2)


def test_spark_gives_the_bits_of_a_build_at_once(honest: pl.DataFrame) -> None:
    assert differences(honest, AT_ONCE.build(world())) == []


def test_another_future_leaves_every_feature_bit_identical_on_spark(
    honest: pl.DataFrame, cluster: Cluster
) -> None:
    t = time_of(0.5)
    other = with_another_future(world(), t, 3, KINDS)
    assert leaks(honest, cluster.build(other, parts=1), t) == []


def test_the_last_days_of_a_skewed_log_hold_the_bits_of_the_whole_build(cluster: Cluster) -> None:
    log, since_day = skewed_impressions(5), FIRST_DAY + 2
    alone = cluster.build(log, since_day=since_day, parts=5)
    assert alone.height > 0
    whole = AT_ONCE.build(log).filter(pl.col("search_day") >= since_day)
    assert differences(alone, whole) == []


def test_features_without_a_past_need_no_sums(cluster: Cluster) -> None:
    log = random_impressions(31, searches=10)
    features = available_features(log.columns).only(["query_nights", "in_search_price_rank"])
    built = cluster.build(log, features, parts=2)
    assert differences(built, AT_ONCE.build(log, features)) == []


def test_a_log_of_one_row_is_built(cluster: Cluster) -> None:
    log = random_impressions(31, searches=2).head(1)
    assert differences(cluster.build(log, parts=2), AT_ONCE.build(log)) == []


def test_spark_gives_the_bits_of_real_impressions(cluster: Cluster, tmp_path: Path) -> None:
    logs = sorted(EXPEDIA.glob("*.csv*")) if EXPEDIA.is_dir() else []
    sample = [path for path in logs if "rates" not in path.name]
    if not sample:
        pytest.skip(f"the Expedia sample is not at {EXPEDIA}")
    ingest([sample[0]], "expedia_2013", home=tmp_path / "home")
    impressions = Lake(tmp_path / "home").scan("impressions").collect()
    few = impressions.filter(pl.col("id_search").rank("dense") <= 60)
    assert few.height > 0
    features = available_features(dict(few.schema))
    built = cluster.build(few, features, parts=2)
    assert differences(built, AT_ONCE.build(few, features)) == []
