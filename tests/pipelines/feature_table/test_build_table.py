"""The features table kept up to date: only what changed impressions can affect is built."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from data.errors import DataError
from data.schema.tables import FEATURES, IMPRESSIONS
from data.simulator import SimulationConfig, write_simulation
from features.build import build_features
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.feature_table import build_on_spark
from pipelines.feature_table.build_on_spark import SparkOptions
from pipelines.feature_table.build_table import build_features_table, feature_set_of
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.run_context import RunContext
from tests.features.worlds import differences

KEY = ["id_search", "id_listing"]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of a simulated week, one per day."""
    folder = tmp_path_factory.mktemp("week")
    summary = write_simulation(SimulationConfig(searches=400, seed=4), folder, "parquet")
    return sorted(summary.log.glob("*.parquet"))


def home_of(folder: Path, files: Sequence[Path]) -> RunContext:
    context = RunContext(home=Home(folder), settings=load_settings(seed=1), console=Console())
    ingest_logs(context, files)
    build_features_table(context)
    return context


def features_of(context: RunContext) -> pl.DataFrame:
    return context.lake.scan(FEATURES.name).sort(KEY).collect()


def test_the_table_holds_the_bits_of_a_build_of_everything(log: list[Path], tmp_path: Path) -> None:
    context = home_of(tmp_path, log)
    impressions = context.lake.scan(IMPRESSIONS.name)
    built = build_features(impressions, impressions, features=feature_set_of(context))
    stored = features_of(context)
    at_once = built.select(stored.columns).sort(KEY)
    assert differences(stored, at_once.cast(dict(stored.schema))) == []


def test_a_late_file_builds_its_day_and_the_later_ones_and_says_which(
    log: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = log[2]
    context = home_of(tmp_path / "late", [f for f in log if f != late])
    before = context.lake.fingerprints(FEATURES.name)
    ingest_logs(context, [late])
    capsys.readouterr()
    build_features_table(context)
    said = capsys.readouterr().out.replace("\n", " ")
    assert f"the impressions of {late.stem} changed; building {late.stem} to {log[6].stem}" in said
    assert "5 of 7 days" in said
    after = context.lake.fingerprints(FEATURES.name)
    stayed = {str(p[-1]) for p in before if after[p] == before[p]}
    assert stayed == {f.stem for f in log[:2]}
    on_time = home_of(tmp_path / "on_time", log)
    assert differences(features_of(context), features_of(on_time)) == []


def test_one_more_day_builds_that_day_alone(
    log: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = home_of(tmp_path, log[:6])
    before = context.lake.fingerprints(FEATURES.name)
    ingest_logs(context, [log[6]])
    capsys.readouterr()
    build_features_table(context)
    assert f"building {log[6].stem} (1 of 7 days)" in capsys.readouterr().out.replace("\n", " ")
    after = context.lake.fingerprints(FEATURES.name)
    assert {p: after[p] for p in before} == before


def test_building_again_changes_nothing(log: list[Path], tmp_path: Path) -> None:
    context = home_of(tmp_path, log[:2])
    version = context.lake.version(FEATURES.name)
    assert build_features_table(context) == version


def test_what_the_log_lacks_is_said_and_left_out(
    log: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poor = tmp_path / "poor.parquet"
    pl.read_parquet(log[0]).drop("listing_review_rating").write_parquet(poor)
    context = home_of(tmp_path / "home", [poor])
    assert "the log lacks listing_review_rating" in capsys.readouterr().out.replace("\n", " ")
    assert "listing_review_rating" not in feature_set_of(context).names


@pytest.mark.parametrize("lacking", ["pyspark", "java"])
def test_without_spark_or_java_the_message_says_what_to_install(
    lacking: str, log: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = home_of(tmp_path, log[:1])
    context.home.features_record.unlink()
    if lacking == "pyspark":
        monkeypatch.setattr(build_on_spark, "find_spec", lambda _: None)
    else:
        monkeypatch.setattr(build_on_spark, "find_spec", lambda _: object())
        monkeypatch.setattr(build_on_spark.shutil, "which", lambda _: None)
        monkeypatch.delenv("JAVA_HOME", raising=False)
    expected = "stayrank\\[spark\\]" if lacking == "pyspark" else "openjdk-17"
    with pytest.raises(DataError, match=expected):
        build_features_table(context, SparkOptions())


def test_days_that_a_redone_file_has_left_leave_the_table_and_those_that_it_got_are_built(
    tmp_path: Path,
) -> None:
    source, log = tmp_path / "own.toml", tmp_path / "log.csv"
    mapping = """name = "own"
time_format = "{}"
columns = {{ id_search = "s", id_listing = "l", label = "a", ts_search = "at", query_market = "m" }}
"""
    days = ("02/09/2026", "03/09/2026", "04/09/2026")
    log.write_text(
        "s,l,a,at,m\n" + "".join(f"S{n},L1,click,{d} 10:00,Rome\n" for n, d in enumerate(days))
    )
    context = RunContext(home=Home(tmp_path), settings=load_settings(seed=1), console=Console())
    source.write_text(mapping.format("%m/%d/%Y %H:%M"))
    ingest_logs(context, [log], str(source))
    build_features_table(context)
    source.write_text(mapping.format("day_first"))
    ingest_logs(context, [log], str(source), redo=True)
    build_features_table(context)
    expected = {("rome", date(2026, 9, day)) for day in (2, 3, 4)}
    assert set(context.lake.market_days(IMPRESSIONS.name)) == expected
    assert set(context.lake.market_days(FEATURES.name)) == expected
    calm = RunContext(home=Home(tmp_path / "c"), settings=load_settings(seed=1), console=Console())
    ingest_logs(calm, [log], str(source))
    build_features_table(calm)
    assert differences(features_of(context), features_of(calm)) == []
