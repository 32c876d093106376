"""A finished home in Python: frames, the champion, one search scored, and a light import."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.errors import DataError
from pipelines.analysis import FinishedHome, open_home
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import CHAMPION, RANKER_MODEL
from pipelines.training.run_record import read_record

ROOT = Path(__file__).parents[3]
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "in_python.md")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
# Seconds each, and none is needed to open a home.
HEAVY = ("torch", "mlflow", "lightgbm", "sklearn", "scipy", "matplotlib", "prefect", "pandas")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(finished: tuple[RunContext, str]) -> Iterator[FinishedHome]:
    """The small home with a champion; one that the gate did not make is taken away again."""
    context, run = finished
    versions = context.tracking.versions
    was_there = versions.at(RANKER_MODEL, CHAMPION) is not None
    if not was_there:
        ranker = versions.of_run(RANKER_MODEL, read_record(context.home, run).children["ranker"])
        assert ranker is not None
        versions.set_alias(RANKER_MODEL, CHAMPION, ranker)
    before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    yield open_home(context.home.root)
    if not was_there:
        versions.delete_alias(RANKER_MODEL, CHAMPION)
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def test_recommendations_scorecard_and_tables_are_pandas_frames(home: FinishedHome) -> None:
    assert {"id_user", "id_listing", "rank", "reasons"} <= set(home.recommendations.columns)
    assert home.recommendations.groupby(["id_user", "id_search"])[
        "rank"
    ].is_monotonic_increasing.all()
    ranker = home.scorecard.query("model == 'ranker' and segment == 'all'")
    assert len(ranker) > 10
    assert (ranker["value"].notna() & ranker["is_too_few"].isin([True, False])).all()
    tables = home.tables.set_index("table")
    assert tables.loc["impressions", "rows"] == tables.loc["features", "rows"]
    assert list(home.table("quality", ["market", "ds"]).columns) == ["market", "ds"]


def test_unknown_table_column_and_search_are_refused_by_name(home: FinishedHome) -> None:
    with pytest.raises(DataError, match="has no table nothing; it has impressions"):
        home.table("nothing")
    with pytest.raises(DataError, match="has no column nothing; it has"):
        home.table("quality", ["nothing"])
    with pytest.raises(DataError, match="the features table has no search nothing"):
        home.search_rows("nothing")


def test_champion_takes_rows_of_the_features_table_as_they_are(home: FinishedHome) -> None:
    import mlflow

    rows = home.search_rows()
    champion = mlflow.pyfunc.load_model(f"models:/{RANKER_MODEL}@{CHAMPION}")
    ranked = champion.predict(rows)
    assert sorted(ranked["id_listing"]) == sorted(rows["id_listing"])
    assert ranked["rank"].tolist() == list(range(1, len(rows) + 1))
    judged = home.table("scores").query("model == 'ranker'")
    both = ranked.merge(judged, on=["id_search", "id_listing"], suffixes=("", "_judged"))
    assert len(both) == len(rows)
    assert both["score"].to_numpy() == pytest.approx(both["score_judged"].to_numpy())
    # As other libraries hand them over, or with what the model can do without.
    for same in (rows.astype("object"), rows.convert_dtypes(), rows.assign(extra=object())):
        pd.testing.assert_frame_equal(champion.predict(same), ranked)
    assert len(champion.predict(rows.drop(columns="listing_review_rating"))) == len(rows)
    for wrong in (rows.drop(columns="id_listing"), rows.assign(query_search_hour="late")):
        with pytest.raises(mlflow.MlflowException) as refused:
            champion.predict(wrong)
        assert len(str(refused.value)) < 150


def test_home_without_champion_says_so(home: FinishedHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(home.context.tracking.versions), "at", lambda *_: None)
    with pytest.raises(DataError, match=r"has no champion.*stayrank promote --why"):
        home.champion()


def programs() -> list[Any]:
    """The Python of the documents that opens a home, each as a test's parameter."""
    blocks = [(path, block) for path in DOCUMENTS for block in PYTHON.findall(path.read_text())]
    return [pytest.param(b, id=f"{p.name}-{n}") for n, (p, b) in enumerate(blocks) if "home" in b]


@pytest.mark.parametrize("program", programs())
def test_python_of_the_documents_runs_as_printed(program: str, home: FinishedHome) -> None:
    assert 'open_home("data/home")' in program
    own = program.replace('"data/home"', repr(str(home.context.home.root)))
    names: dict[str, Any] = {}
    exec(own, names)  # noqa: S102  # the documents' own lines
    assert isinstance(names["home"], FinishedHome)


def test_opening_a_home_imports_nothing_heavy(finished: tuple[RunContext, str]) -> None:
    program = (
        "import sys\nfrom pipelines.analysis import open_home\nopen_home(sys.argv[1])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    words = [sys.executable, "-c", program, str(finished[0].home.root)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
