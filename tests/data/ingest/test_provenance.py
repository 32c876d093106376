"""Simulated rows are known by their mark, through every format, and not by their ids."""

from __future__ import annotations

import polars as pl
import pytest

from data.errors import LogError
from data.ingest import ingest
from data.simulator import SimulationConfig, write_simulation


def _is_simulated(world) -> list[bool]:
    return world.lake.scan("ingests").collect()["is_simulated"].to_list()


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_log_of_the_simulator_is_simulated_from_its_files_to_the_lake(world, file_format):
    out = world.folder / "week"
    write_simulation(SimulationConfig(searches=60, seed=3), out, file_format)
    report = world.ingest(out / "log")
    assert set(_is_simulated(world)) == {True}
    assert all("is_simulated" not in file.ignored for file in report.files)
    assert "is_simulated" not in world.lake.columns("impressions")


def test_mark_survives_another_format_and_other_ids(world):
    out = world.folder / "week"
    write_simulation(SimulationConfig(searches=60, seed=3), out, "parquet")
    frame = pl.read_parquet(out / "log" / "*.parquet")
    ids = pl.col("id_search").str.replace("simS", "guest-")
    frame.with_columns(ids).write_csv(world.folder / "copy.csv")
    world.ingest(world.folder / "copy.csv")
    assert _is_simulated(world) == [True]


@pytest.mark.parametrize("ids", [["simS1", "S2"], ["sim-1", "sim-2"], ["simS00000001", "S2"]])
def test_real_search_ids_that_begin_with_sim_are_real(world, row, ids):
    world.ingest(world.log(*(row(n, id_search=search) for n, search in enumerate(ids))))
    assert _is_simulated(world) == [False]
    assert world.lake.rows("impressions") == 2


def test_log_that_an_older_simulator_wrote_is_known_by_the_form_of_all_its_ids(world, row):
    rows = [row(n, id_search=f"simS{n:08d}", id_listing=f"simL{n:08d}") for n in range(3)]
    world.ingest(world.log(*rows))
    assert _is_simulated(world) == [True]


def test_real_log_may_say_that_it_is_not_simulated(world, row):
    world.ingest(world.log(row(1, is_simulated="0"), row(2, is_simulated="")))
    assert _is_simulated(world) == [False]


def test_file_with_both_kinds_of_rows_is_refused(world, row):
    log = world.log(row(1, is_simulated="true"), row(2, is_simulated="false"), row(3))
    with pytest.raises(LogError, match="1 of its 3 rows are marked as simulated"):
        world.ingest(log)
    assert world.is_untouched()


def test_simulated_and_real_files_of_one_ingest_are_refused_together(world, row):
    simulated = world.log(row(1, is_simulated="1"), name="a.csv")
    real = world.log(row(2), name="b.csv")
    for paths in ((simulated, real), (real, simulated)):
        with pytest.raises(LogError, match=r"a\.csv: is simulated and .*b\.csv is not"):
            ingest(list(paths), home=world.home)
    assert world.is_untouched()
