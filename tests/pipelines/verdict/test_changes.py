"""After a day: a real difference from the day before, in one sentence and in parts."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from data.lake.store import Lake
from data.schema.tables import IMPRESSIONS, QUALITY, RECOMMENDATIONS
from pipelines.config.home import Home
from pipelines.monitoring.measures import Measure, as_frame
from pipelines.training.run_record import RunRecord
from pipelines.verdict.changes import changes_since
from tests.pipelines.evaluation.made_up_scorecard import made_up_scorecard

YESTERDAY, TODAY = date(2026, 1, 26), date(2026, 1, 27)
SUNDAY = YESTERDAY - timedelta(days=1)


@pytest.fixture
def context(tmp_path: Path) -> Any:
    home = Home(tmp_path)
    home.runs.mkdir()
    return SimpleNamespace(home=home, lake=Lake(tmp_path))


def record(name: str = "1") -> RunRecord:
    return RunRecord(
        name=name,
        parent="p",
        children={},
        models=("ranker",),
        left_out={},
        windows={},
        tables={},
        seed=0,
        tuned=(),
    )


def recommended(context: Any, day: date, ranker: str, **guests: str) -> None:
    """``ann="xyz"``: Ann's list is x, y, z."""
    rows = [
        {"id_user": guest, "id_listing": listing, "rank": place}
        for guest, listings in guests.items()
        for place, listing in enumerate(listings, start=1)
    ]
    frame = pl.DataFrame(rows).with_columns(
        pl.col("rank").cast(pl.Int32),
        id_search=pl.col("id_user"),
        market=pl.lit("rio"),
        ds=pl.lit(day),
        ranker_version=pl.lit(ranker),
    )
    context.lake.replace_partitions(RECOMMENDATIONS.name, frame, [("rio", day)])


def searched(context: Any, **searches: int) -> None:
    days = {"sunday": SUNDAY, "monday": YESTERDAY}
    frames = [
        pl.DataFrame({"id_search": [f"{name} {n}" for n in range(number)]}).with_columns(
            market=pl.lit("rio"), ds_search=pl.lit(days[name])
        )
        for name, number in searches.items()
    ]
    context.lake.replace_all(IMPRESSIONS.name, pl.concat(frames))


def flagged(context: Any, *names: tuple[str, date]) -> None:
    measures = [
        Measure(market="rio", ds=day, kind="psi", name=name, value=1.0, high=0.1, is_flagged=True)
        for name, day in names
    ]
    context.lake.replace_all(QUALITY.name, as_frame(measures))


def test_lists_models_data_and_drift_of_a_day_stand_beside_the_day_before(context: Any) -> None:
    recommended(context, YESTERDAY, "3", ann="xyzq", bob="xy")
    recommended(context, TODAY, "4", ann="xyzw", dora="x")
    searched(context, sunday=20, monday=30)
    flagged(context, ("price", SUNDAY), ("price", YESTERDAY), ("rating", YESTERDAY))
    changes = changes_since(context, record(), made_up_scorecard(("value_dcg_at_10",)))
    assert changes.sentence.text == (
        "since the recommendations of 2026-01-26 25% of the places in the first ten changed, 1 "
        "guest came and 1 went; made by version 4, before by version 3; 30 searches of "
        "2026-01-26 came in (20 the day before); 1 measure newly out of limits, 0 back inside"
    )
    assert [title for title, _ in changes.parts] == [
        "Recommendations, since the recommendations of 2026-01-26",
        "Models",
        "Data",
        "Drift and data quality",
    ]
    drift = dict(changes.parts)["Drift and data quality"]
    assert drift[1] == "newly out of limits: the distribution of rating in Rio"


def test_a_day_without_a_change_says_so(context: Any) -> None:
    recommended(context, YESTERDAY, "3", ann="xy")
    recommended(context, TODAY, "3", ann="xy")
    searched(context, sunday=20)
    changes = changes_since(context, record(), made_up_scorecard(("value_dcg_at_10",)))
    assert changes.sentence.text == (
        "since the recommendations of 2026-01-26, no list changed; made by version 3, as before; "
        "no newer searches came in"
    )


def test_the_first_run_has_nothing_to_compare_with(context: Any) -> None:
    recommended(context, TODAY, "1", ann="xy")
    changes = changes_since(context, record(), made_up_scorecard(("value_dcg_at_10",)))
    assert changes.sentence.text.startswith("this is the first run of this home")
    assert changes.parts == ()
