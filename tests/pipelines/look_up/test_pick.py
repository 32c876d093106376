"""What to pick from."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from data.schema.tables import RECOMMENDATIONS
from pipelines.look_up.pick import day_asked, guests_to_pick
from pipelines.run_context import RunContext
from tests.pipelines.recommendation.worlds import Trained


def test_guests_with_a_list_are_picked_from_of_each_market_alike(recommended: RunContext) -> None:
    guests = guests_to_pick(recommended, most=4)
    rows = recommended.lake.scan(RECOMMENDATIONS.name).select("id_user", "market").collect()
    markets = rows.filter(pl.col("id_user").is_in(guests["guest"].tolist())).unique()
    assert markets["market"].value_counts()["count"].to_list() == [2, 2]
    assert guests["searches"].min() >= 1
    assert guests["latest search"].str.contains("guest").all()
    assert (
        day_asked(recommended)
        == recommended.lake.scan(RECOMMENDATIONS.name).head(1).collect()["ds"][0]
    )


def test_without_recommendations_there_is_nobody_to_pick(trained: Trained, tmp_path: Path) -> None:
    context = trained.with_log(tmp_path / "home", trained.impressions)
    assert guests_to_pick(context).empty
    assert (
        day_asked(context).toordinal() == pl.Series([trained.morning]).cast(pl.Date)[0].toordinal()
    )
