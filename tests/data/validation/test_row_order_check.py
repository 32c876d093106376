"""The suggestion: made for rows in the order shown, and for no order that a table may have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.simulator import SimulationConfig, write_simulation
from data.sources import mapping as mapping_module
from data.validation import row_order_check
from data.validation.row_order_check import check_row_order

SEARCHES, RESULTS = 150, 12
BUILT_IN = Path(mapping_module.__file__).parent
SAMPLE = Path(__file__).parents[3].parent / "shared" / "data" / "expedia_2013/search_results.csv"


def _shown(seed: int, searches: int = SEARCHES) -> pl.DataFrame:
    """Searches in the order shown, where a place is clicked with probability 1 / (1 + place)."""
    rng = np.random.default_rng(seed)
    search, place = np.divmod(np.arange(searches * RESULTS), RESULTS)
    is_clicked = rng.random(len(place)) < 1 / (2 + place)
    return pl.DataFrame(
        {
            "source_id": "f",
            "id_search": [f"S{s}" for s in search],
            "id_listing": [f"L{i}" for i in rng.permutation(len(place))],
            "stage": (is_clicked * rng.choice([1, 1, 3], len(place))).astype(np.int8),
            "listing_total_price": rng.uniform(50, 900, len(place)).round(2),
            "listing_review_rating": rng.uniform(3, 5, len(place)),
        }
    )


def _shuffled(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The rows in a random order within and across searches."""
    return frame.sample(fraction=1, shuffle=True, seed=seed)


@pytest.fixture
def check(tmp_path: Path):
    """The check of rows in the order of the frame, staged in two parts."""

    def run(frame: pl.DataFrame, *, is_declared: bool = False):
        lined = frame.with_columns(source_line=pl.int_range(2, pl.len() + 2))
        half = frame.height // 2 + 1
        parts = [tmp_path / "f" / f"accepted-{n:06d}.parquet" for n in (1, 2)]
        parts[0].parent.mkdir(exist_ok=True)
        lined[:half].write_parquet(parts[0])
        lined[half:].write_parquet(parts[1])
        return check_row_order(parts, is_declared=is_declared)

    return run


def test_rows_in_the_order_shown_are_suggested_with_what_to_write(check) -> None:
    found = check(_shown(1))
    assert found.is_suggested
    assert found.sorted_by is None
    assert found.mean_place < 0.45
    assert "write position = { row_order = true } under [columns]" in found.sentence
    assert found.sentence.endswith("Nothing was switched on")


def test_searches_in_turn_are_suggested_too(check) -> None:
    frame = _shown(1).with_columns(place=pl.int_range(pl.len()).over("id_search"))
    assert check(frame.sort("place", "id_search").drop("place")).is_suggested


def test_shuffled_rows_are_not(check) -> None:
    found = check(_shuffled(_shown(1), seed=2))
    assert (found.is_suggested, found.sorted_by) == (False, None)
    assert found.sentence.startswith("no sign of the order shown")


SORTS = {
    "id": ("id_listing", False, "id_listing (rising)"),
    "price": ("listing_total_price", False, "listing_total_price (rising)"),
    "dearest first": ("listing_total_price", True, "listing_total_price (falling)"),
    "rating": ("listing_review_rating", True, "listing_review_rating (falling)"),
    "clicked last": ("stage", False, "label (rising)"),
    "clicked first": ("stage", True, "label (falling)"),
}


@pytest.mark.parametrize(("by", "descending", "named"), SORTS.values(), ids=SORTS)
def test_sorted_rows_are_never_suggested_and_the_column_is_named(
    check, by: str, descending: bool, named: str
) -> None:
    rows = _shuffled(_shown(1), seed=2).sort(
        "id_search", by, descending=[False, descending], maintain_order=True
    )
    found = check(rows)
    assert not found.is_suggested
    assert found.sentence == f"not the order shown: the rows of a search are sorted by {named}"


def test_ids_sorted_as_numbers_are_seen(check) -> None:
    # powers of 7, whose order as text is another one
    power = 7 ** pl.int_range(pl.len()).over("id_search")
    rows = _shuffled(_shown(1).with_columns(id_listing=power), seed=2).sort(
        "id_search", "id_listing"
    )
    as_text = rows.with_columns(pl.col("id_listing").cast(pl.String))
    assert check(as_text).sorted_by == "id_listing"
    assert check(as_text.sort("id_search", "id_listing")).sorted_by == "id_listing"


def test_writer_that_puts_the_clicked_rows_of_some_searches_first_makes_no_evidence(check) -> None:
    is_first = (pl.col("id_search").str.slice(1).cast(pl.Int64) % 3 == 0) & (pl.col("stage") > 0)
    rows = _shuffled(_shown(1, searches=600), seed=2)
    mixed = rows.sort("id_search", is_first, descending=[False, True], maintain_order=True)
    found = check(mixed)
    assert (found.is_suggested, found.sorted_by) == (False, None)
    assert found.p_value > 0.01


def test_click_logged_as_a_row_of_its_own_counts_where_its_listing_was_shown(check) -> None:
    shown = _shown(1).with_columns(is_event=pl.lit(value=False))
    events = shown.filter(pl.col("stage") > 0).with_columns(is_event=pl.lit(value=True))
    impressions = shown.with_columns(stage=pl.lit(0, pl.Int8))
    found = check(pl.concat([impressions, events]).drop("is_event"))
    alone = check(shown.drop("is_event"))
    assert found.is_suggested
    assert (found.mean_place, found.searches) == (alone.mean_place, alone.searches)


def test_suggestion_on_shuffled_small_logs_comes_up_no_oftener_than_by_chance(
    check, monkeypatch
) -> None:
    level = 0.05
    # at the level of the check itself a test of 200 logs would see nothing
    monkeypatch.setattr(row_order_check, "LEVEL", level)
    suggested = sum(
        check(_shuffled(_shown(seed, searches=40), seed=seed)).is_suggested for seed in range(200)
    )
    # four standard deviations above the nominal 10 of 200
    assert 0 < suggested <= 200 * level + 4 * (200 * level * (1 - level)) ** 0.5


def test_sample_takes_whole_searches(check, monkeypatch) -> None:
    everything = check(_shown(1, searches=600))
    monkeypatch.setattr(row_order_check, "SAMPLE_ROWS", 600 * RESULTS // 4)
    sampled = check(_shown(1, searches=600))
    assert sampled.is_suggested
    assert 0 < sampled.searches < everything.searches / 2


def test_log_with_positions_or_without_two_results_is_not_looked_at(check) -> None:
    shown = _shown(1)
    assert check(shown.with_columns(position=pl.lit(1))) is None
    assert check(shown.unique("id_search")) is None
    assert check(shown.clear()) is None
    assert check(shown.with_columns(position=pl.lit(None, pl.Int32))).is_suggested


def test_log_without_clicks_cannot_tell(check) -> None:
    found = check(_shown(1).with_columns(stage=pl.lit(0, pl.Int8)))
    assert (found.is_suggested, found.searches, found.mean_place) == (False, 0, None)
    assert "too few clicks" in found.sentence


def test_declared_order_is_confirmed_or_doubted(check) -> None:
    shown = _shown(1)
    good = check(shown, is_declared=True)
    assert not good.is_suggested
    assert good.sentence.startswith("taken as position; clicked rows stand early")
    by_price = check(shown.sort("id_search", "listing_total_price"), is_declared=True)
    assert "Remove row_order unless guests saw results sorted by listing_total_price" in (
        by_price.sentence
    )
    shuffled = check(_shuffled(shown, seed=2), is_declared=True)
    assert shuffled.sentence.endswith("Check the order of the rows")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> pl.DataFrame:
    """A simulated log in the order shown; ``place`` is the position that the log tells."""
    out = Path(tmp_path_factory.mktemp("simulated")) / "world"
    config = SimulationConfig(searches=600, seed=2, with_position=True)
    write_simulation(config, out, file_format="parquet")
    log = pl.concat(pl.read_parquet(part) for part in sorted((out / "log").rglob("*.parquet")))
    exposure = ["position", "is_random_order", "propensity"]
    shown = log.sort("ts_search", "id_search", "position")
    return shown.with_columns(place=pl.col("position")).drop(exposure)


@pytest.mark.parametrize(
    ("by", "is_suggested", "sorted_by"),
    [
        ("place", True, None),
        ("chance", False, None),
        ("id_listing", False, "id_listing"),
        ("listing_total_price", False, "listing_total_price"),
        ("label", False, "stage"),
    ],
)
def test_simulated_log_in_each_order(world, simulated, by, is_suggested, sorted_by) -> None:
    chance = pl.Series("chance", np.random.default_rng(5).permutation(simulated.height))
    rows = simulated.with_columns(chance).sort("ts_search", "id_search", by)
    log = world.folder / "log.parquet"
    rows.drop("place", "chance").write_parquet(log)
    found = world.ingest(log).row_order
    assert (found.is_suggested, found.sorted_by) == (is_suggested, sorted_by)


@pytest.fixture
def expedia(world):
    """Ingest the sample with another rule for position, or none; the rows as they stand."""
    if not SAMPLE.is_file():
        pytest.skip("the Expedia sample is not beside the repository (../shared/data)")

    def ingested(rule: str, log: Path = SAMPLE):
        text = (BUILT_IN / "expedia_2013.toml").read_text()
        changed = text.replace('position = "position"', rule)
        assert changed != text
        return world.ingest(log, source=world.file(changed, "expedia.toml"))

    return ingested


def test_real_impressions_are_suggested_and_the_report_says_so(expedia) -> None:
    report = expedia("")
    assert report.row_order.is_suggested
    (line,) = [line for line in report.lines() if line.startswith("row order: ")]
    assert "{ row_order = true }" in line
    told = json.loads(json.dumps(report.to_dict()))["row_order"]
    assert line == f"row order: {told['sentence']}"
    assert told["is_suggested"] is True


def test_suggestion_changes_no_row(expedia, world) -> None:
    expedia("")
    assert "position" not in world.lake.scan("impressions").collect_schema().names()


def test_real_impressions_shuffled_are_not_suggested(expedia, world) -> None:
    header, *rows = SAMPLE.read_text().splitlines()
    shuffled = [rows[i] for i in np.random.default_rng(3).permutation(len(rows))]
    log = world.file("\n".join([header, *shuffled]) + "\n", "shuffled.csv")
    found = expedia("", log).row_order
    assert (found.is_suggested, found.sorted_by) == (False, None)


def test_row_order_of_real_impressions_is_the_order_of_their_positions(expedia, world) -> None:
    report = expedia("position = { row_order = true }")
    assert report.row_order.is_declared
    assert report.row_order.sentence.startswith("taken as position")
    logged = (
        pl.read_csv(SAMPLE, columns=["srch_id", "prop_id", "position"])
        .cast({"srch_id": pl.String, "prop_id": pl.String})
        .rename({"srch_id": "id_search", "prop_id": "id_listing", "position": "logged"})
    )
    rows = world.lake.scan("impressions").collect().join(logged, on=["id_search", "id_listing"])
    assert rows.height == logged.height
    # places of advertisements are missing from the sample, so only the order can agree
    within = rows.select(pl.col("position", "logged").rank().over("id_search"))
    assert within.select(pl.corr("position", "logged")).item() > 0.99
    assert (
        rows.group_by("id_search")
        .agg(is_dense=pl.col("position").sort().eq_missing(pl.int_range(1, pl.len() + 1)).all())[
            "is_dense"
        ]
        .all()
    )
