"""Recommendations of a past day: made again, they are what they were on its morning."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from data.schema.tables import BOOKED
from features.labels import lower_labels
from pipelines.recommendation.recommend import recommended_on
from tests.pipelines.recommendation.worlds import Trained, table_of


def as_known_on(log: pl.DataFrame, morning: int) -> pl.DataFrame:
    """The log as it was on this morning: no later search, no outcome that came in later."""
    earlier = log.filter(pl.col("search_day") < morning)
    return lower_labels(earlier, morning)


def with_another_future(log: pl.DataFrame, morning: int) -> pl.DataFrame:
    """The whole log, in which all later searches show new listings, all of them booked."""
    later = log.filter(pl.col("search_day") >= morning).with_columns(
        stage=pl.lit(int(BOOKED)).cast(log.schema["stage"]),
        contact_day="search_day",
        book_day="search_day",
        listing_total_price=pl.col("listing_total_price") * 3,
        listing_person_capacity=pl.col("listing_person_capacity") + 5,
        listing_is_new=~pl.col("listing_is_new"),
        listing_occupancy_rate=1 - pl.col("listing_occupancy_rate"),
    )
    unheard_of = later.with_columns(
        id_listing=pl.concat_str(pl.lit("new "), "id_listing"),
        id_search=pl.concat_str(pl.lit("new "), "id_search"),
    )
    return pl.concat([unheard_of, log.filter(pl.col("search_day") < morning), later])


LARGE = {"whole_catalogue": 0, "proposals": 15}


def lists_of(
    trained: Trained,
    root: Path,
    log: pl.DataFrame,
    features: pl.DataFrame | None = None,
    *,
    is_large: bool,
) -> pl.DataFrame:
    """The rows of two days before the morning; default: with the features of the whole log."""
    context = trained.with_log(root / "home", log, features, **(LARGE if is_large else {}))
    return table_of(recommended_on(context, trained.run, trained.morning - 2))


@pytest.fixture(scope="module")
def then(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, pl.DataFrame]:
    """What the morning recommended, of the whole catalogue and (``True``) of proposals."""
    day = trained.morning - 2
    log, features = as_known_on(trained.impressions, day), trained.features_before(day)
    roots = {is_large: Path(tmp_path_factory.mktemp("then")) for is_large in (False, True)}
    return {
        is_large: lists_of(trained, root, log, features, is_large=is_large)
        for is_large, root in roots.items()
    }


def test_outcomes_of_the_past_came_in_later(trained: Trained) -> None:
    """Else the test below would prove less."""
    log, day = trained.impressions, trained.morning - 2
    both = as_known_on(log, day).join(log, on=["id_search", "id_listing"])
    assert both.filter(pl.col("stage") != pl.col("stage_right")).height > 0


@pytest.mark.parametrize("is_large", [False, True], ids=["whole catalogue", "proposals"])
def test_a_past_day_knows_nothing_of_what_came_later(
    trained: Trained, then: dict[bool, pl.DataFrame], tmp_path: Path, *, is_large: bool
) -> None:
    altered = with_another_future(trained.impressions, trained.morning - 2)
    again = lists_of(trained, tmp_path, altered, is_large=is_large)
    assert again.height > 300
    assert again.equals(then[is_large])


def test_the_same_day_is_another_where_the_log_until_then_is_another(
    trained: Trained, then: dict[bool, pl.DataFrame], tmp_path: Path
) -> None:
    """The check of the check."""
    day = trained.morning - 2
    is_eve = pl.col("search_day") == day - 1
    price = pl.col("listing_total_price") * pl.when(is_eve).then(1.5).otherwise(1.0)
    dearer = as_known_on(trained.impressions, day).with_columns(listing_total_price=price)
    assert not lists_of(trained, tmp_path, dearer, is_large=False).equals(then[False])
