"""P(free) is learnt from the days before the test window, or left out with a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import DataError
from data.schema.tables import IMPRESSIONS
from data.schema.time import DAY_S
from data.simulator import SimulationConfig, write_simulation
from models.availability.availability_model import AvailabilityModel
from models.availability.config import AvailabilityConfig
from pipelines.candidates.catalogue import catalogue_of
from pipelines.candidates.eligible_pairs import eligible_pairs
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.run_context import RunContext
from pipelines.training import train_availability as module
from pipelines.training.train_availability import FOLDER, load_availability, train_availability

QUICK = AvailabilityConfig(rounds=10, shapes=(4.0, 1e9), fewest_shown=200, threads=1)

Learn = Callable[..., AvailabilityModel | None]


def home_at(root: Path) -> RunContext:
    return RunContext(home=Home(root), settings=load_settings(seed=7), console=Console())


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The impressions of a small simulated week."""
    root = Path(tmp_path_factory.mktemp("week"))
    write_simulation(SimulationConfig(searches=600, listings=160, seed=7), root / "week", "parquet")
    context = home_at(root / "home")
    ingest_logs(context, sorted((root / "week" / "log").glob("*.parquet")))
    return context.lake.scan(IMPRESSIONS.name).collect()


@pytest.fixture
def learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Learn:
    """What a log teaches before a day, by the quick settings."""
    monkeypatch.setattr(module, "config_of", lambda *_: QUICK)
    homes = iter(range(100))

    def learnt(impressions: pl.DataFrame, *, end_day: int) -> AvailabilityModel | None:
        context = home_at(tmp_path / str(next(homes)))
        context.lake.replace_all(IMPRESSIONS.name, impressions.lazy())
        return train_availability(context, "run", end_day=end_day)

    return learnt


def last_day(impressions: pl.DataFrame) -> int:
    return int(impressions["search_day"].max())  # type: ignore[arg-type]


def coefficients(model: AvailabilityModel | None) -> list[float]:
    assert model is not None
    return [float(b) for b in model.coefficients]


def test_the_model_is_kept_with_the_run(tmp_path: Path, log: pl.DataFrame) -> None:
    context = home_at(tmp_path)
    context.lake.replace_all(IMPRESSIONS.name, log.lazy())
    model = train_availability(context, "run", end_day=last_day(log) + 1)
    assert model is not None
    assert model.config == AvailabilityConfig(seed=7)
    kept = load_availability(context.home.runs / "run")
    assert coefficients(kept) == coefficients(model)
    assert load_availability(context.home.runs / "another") is None
    (context.home.runs / "run" / FOLDER / "availability.json").write_text("{}")
    with pytest.raises(DataError, match=r"availability model in .* cannot be loaded"):
        load_availability(context.home.runs / "run")


def test_nothing_of_the_test_window_or_later_is_learnt_from(
    log: pl.DataFrame, learn: Learn
) -> None:
    end = last_day(log) - 1
    is_later = pl.col("search_day") >= end
    before = learn(log.filter(~is_later), end_day=end)
    whole = learn(log, end_day=end)
    altered = learn(
        log.with_columns(
            stage=pl.when(is_later).then(3).otherwise("stage").cast(pl.Int8),
            book_day=pl.when(is_later).then("search_day").otherwise("book_day"),
            checkout_day=pl.col("checkout_day") + pl.when(is_later).then(9).otherwise(0),
            listing_occupancy_rate=pl.when(is_later).then(0.0).otherwise("listing_occupancy_rate"),
        ),
        end_day=end,
    )
    assert coefficients(before) == coefficients(whole) == coefficients(altered)
    assert coefficients(learn(log, end_day=end + 1)) != coefficients(whole)


def test_a_booking_of_the_last_day_is_not_known_before_the_test_window(
    log: pl.DataFrame, learn: Learn
) -> None:
    end = last_day(log)
    is_late = pl.col("book_day") >= end - 1
    assert log.filter(is_late, pl.col("search_day") < end).height > 0
    without = log.with_columns(
        stage=pl.when(is_late).then(1).otherwise("stage").cast(pl.Int8),
        book_day=pl.when(is_late).then(None).otherwise("book_day"),
    )
    assert coefficients(learn(without, end_day=end)) == coefficients(learn(log, end_day=end))


def test_the_order_of_the_rows_does_not_matter(log: pl.DataFrame, learn: Learn) -> None:
    end = last_day(log) + 1
    shuffled = log.sample(fraction=1, shuffle=True, seed=3)
    assert coefficients(learn(shuffled, end_day=end)) == coefficients(learn(log, end_day=end))


@pytest.mark.parametrize("case", ["no columns", "only nulls", "no row"])
def test_a_log_without_dates_says_so(
    case: str, log: pl.DataFrame, learn: Learn, capsys: pytest.CaptureFixture[str]
) -> None:
    dates = [name for name in log.columns if name.startswith("check") or "query_check" in name]
    bare = {
        "no columns": log.drop(dates),
        "only nulls": log.with_columns(pl.lit(None, log.schema[n]).alias(n) for n in dates),
        "no row": log.head(0),
    }[case]
    assert learn(bare, end_day=last_day(log) + 1) is None
    assert "availability: left out; the log has no dated searches" in capsys.readouterr().out


def test_one_day_alone_has_no_morning_to_learn_from(
    log: pl.DataFrame, learn: Learn, capsys: pytest.CaptureFixture[str]
) -> None:
    day = last_day(log)
    assert learn(log.filter(pl.col("search_day") == day), end_day=day + 1) is None
    assert "left out; no day with dated searches follows another day" in capsys.readouterr().out


def test_two_days_are_enough(log: pl.DataFrame, learn: Learn) -> None:
    """The first is what is known in the morning of the second; a third adds to both."""
    day = last_day(log)
    two, three = (
        learn(log.filter(pl.col("search_day") > day - n), end_day=day + 1) for n in (2, 3)
    )
    assert two is not None
    assert three is not None
    assert 0 < two.pairs < 0.75 * three.pairs


def test_too_few_rows_are_said_and_left_out(
    log: pl.DataFrame, learn: Learn, capsys: pytest.CaptureFixture[str]
) -> None:
    few = log.filter(pl.col("id_search").str.ends_with("7"))
    assert learn(few, end_day=last_day(log) + 1) is None
    assert "are too few to learn which nights are free (200 are needed)" in capsys.readouterr().out


def test_a_market_that_is_new_on_the_day_is_passed_over(log: pl.DataFrame, learn: Learn) -> None:
    day = last_day(log)
    is_new = (pl.col("search_day") == day) & (pl.col("market") == "sao_paulo")
    renamed = log.with_columns(market=pl.when(is_new).then(pl.lit("paraty")).otherwise("market"))
    found = learn(renamed, end_day=day + 1)
    assert coefficients(found) == coefficients(learn(log.filter(~is_new), end_day=day + 1))
    only_new = log.with_columns(
        market=pl.when(pl.col("search_day") == day).then(pl.lit("paraty")).otherwise("market")
    )
    without = log.filter(pl.col("search_day") < day)
    found = learn(only_new, end_day=day + 1)
    assert coefficients(found) == coefficients(learn(without, end_day=day + 1))


def test_searches_for_stays_that_have_passed_stop_nothing(log: pl.DataFrame, learn: Learn) -> None:
    day = last_day(log)
    is_today = pl.col("search_day") == day
    passed = log.with_columns(
        checkin_day=pl.when(is_today).then(day - 20).otherwise("checkin_day").cast(pl.Int32),
        checkout_day=pl.when(is_today).then(day - 18).otherwise("checkout_day").cast(pl.Int32),
    )
    assert np.isfinite(coefficients(learn(passed, end_day=day + 1))).all()


def test_all_shown_pairs_are_learnt_from_and_sampled_unshown_ones_stand_for_the_rest(
    log: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = last_day(log) - 1
    every = module._day(log.lazy(), day, QUICK)
    monkeypatch.setattr(module, "_UNSHOWN_A_DAY", 600)
    some = module._day(log.lazy(), day, QUICK)
    assert every is not None
    assert some is not None
    catalogue = catalogue_of(log.lazy().filter(pl.col("search_day") < day))
    rng = np.random.default_rng((QUICK.seed, day))
    searches = module._searches_of(log.lazy(), day, rng)
    pairs = sum(len(block) for block in eligible_pairs(searches, catalogue))
    assert len(every.inputs_PD) == pairs
    assert (every.detection.weight_P == 1).all()
    assert len(some.inputs_PD) < 0.6 * pairs
    assert some.detection.was_shown_P.sum() == every.detection.was_shown_P.sum()
    assert abs(some.detection.weight_P.sum() / pairs - 1) < 0.08
    assert (some.detection.weight_P[some.detection.was_shown_P] == 1).all()
    # nearly all that a search of that day showed is among the pairs that it allows
    shown = log.filter(pl.col("search_day") == day, pl.col("checkin_day").is_not_null())
    known = shown.join(catalogue, on=["market", "id_listing"], how="semi")
    assert 0.9 < every.detection.was_shown_P.sum() / known.height <= 1


def nights_of(rows: pl.DataFrame) -> list[int]:
    """The nights of all stays of these rows, as often as they come."""
    nights = pl.int_ranges("checkin_day", "checkout_day")
    return rows.select(night=nights).explode("night")["night"].to_list()


def test_what_other_searches_tell_of_a_pair_leaves_out_its_own_and_those_of_its_day(
    log: pl.DataFrame,
) -> None:
    """Night by night: anchors are proved by earlier or by later days, sightings are of all."""
    day = last_day(log) - 2
    found = module._day(log.lazy(), day, QUICK)
    assert found is not None
    catalogue = catalogue_of(log.lazy().filter(pl.col("search_day") < day))
    rng = np.random.default_rng((QUICK.seed, day))
    searches = module._searches_of(log.lazy(), day, rng)
    blocks = list(eligible_pairs(searches, catalogue))
    search = np.concatenate([block.query_P for block in blocks])
    listing = np.concatenate([block.listing_P for block in blocks])
    dated = log.filter(pl.col("checkin_day").is_not_null())
    shown, anchors = found.detection.was_shown_P, found.detection.is_anchor_P
    some = [np.flatnonzero(rows)[::9] for rows in (shown & anchors, shown & ~anchors, anchors)]
    assert min(map(len, some)) > 2
    for pair in np.concatenate([*some, np.flatnonzero(~shown & ~anchors)[::40]]):
        asked = searches.row(int(search[pair]), named=True)
        stay = range(asked["checkin_day"], asked["checkout_day"])
        own = dated.filter(
            id_listing=catalogue["id_listing"][int(listing[pair])], market=asked["market"]
        )
        earlier, later = (
            set(nights_of(own.filter(rows)))
            for rows in (pl.col("search_day") < day, pl.col("search_day") > day)
        )
        assert anchors[pair] == (earlier.issuperset(stay) or later.issuperset(stay))
        of_others = nights_of(own.filter(pl.col("id_search") != asked["id_search"]))
        seen = sum(of_others.count(night) for night in stay) / len(stay)
        assert np.isclose(found.detection.seen_P[pair], seen)


def test_more_searches_than_are_wanted_are_sampled(
    log: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SEARCHES_A_DAY", 9)
    found = module._day(log.lazy(), last_day(log), QUICK)
    assert found is not None
    assert np.unique(found.detection.search_P).tolist() == list(range(9))


def test_a_morning_knows_nothing_of_its_day(log: pl.DataFrame) -> None:
    """The inputs of a day's pairs are the same whatever its searches, and later ones, showed."""
    day = last_day(log) - 2
    morning = log.filter(pl.col("search_s") < day * DAY_S)
    of_day = log.filter(pl.col("search_day") == day)
    honest = module._day(log.lazy(), day, QUICK)
    blind = module._day(pl.concat([morning, of_day.unique("id_search")]).lazy(), day, QUICK)
    assert honest is not None
    assert blind is not None
    assert np.array_equal(honest.inputs_PD, blind.inputs_PD)
    assert honest.detection.was_shown_P.sum() > 5 * blind.detection.was_shown_P.sum()
    assert honest.detection.is_anchor_P.sum() > blind.detection.is_anchor_P.sum()
