"""Files: log and truth apart, whole or not at all."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from data.errors import DataError
from data.simulator import SimulationConfig, simulate, write_simulation
from data.simulator import write as module

CONFIG = SimulationConfig(searches=300, seed=6)


def _rows() -> int:
    return sum(chunk.log.num_rows for chunk in simulate(CONFIG))


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_log_and_truth_lie_in_folders_of_their_own(tmp_path: Path, file_format: str) -> None:
    summary = write_simulation(CONFIG, tmp_path / "out", file_format)
    logs = sorted((tmp_path / "out" / "log").iterdir())
    assert logs[0].name == f"2026-01-19.{file_format}"
    assert len(logs) == 7
    assert summary.impressions == _rows() == sum(summary.labels.values())
    assert pq.read_table(summary.truth).num_rows == summary.impressions
    read = pa.csv.read_csv if file_format == "csv" else pq.read_table
    assert sum(read(path).num_rows for path in logs) == summary.impressions
    assert summary.searches <= CONFIG.searches
    assert summary.as_dict()["log"] == str(tmp_path / "out" / "log")


def test_the_world_can_be_drawn_again_from_what_lies_beside_the_log(tmp_path: Path) -> None:
    config = replace(CONFIG, searches=20, scenario="drift", with_position=True)
    write_simulation(config, tmp_path / "out")
    saved = json.loads((tmp_path / "out" / module.WORLD_FILE).read_text(encoding="utf-8"))
    assert SimulationConfig.of_dict(saved) == config
    with pytest.raises(TypeError):
        SimulationConfig.of_dict(saved | {"colour": "blue"})
    with pytest.raises(ValueError, match="searches"):
        SimulationConfig.of_dict(saved | {"searches": 0})


def test_same_settings_give_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        write_simulation(CONFIG, folder, "csv")
    first, second = (
        {path.name: path.read_bytes() for path in sorted((folder / "log").iterdir())}
        for folder in folders
    )
    assert first == second


def test_csv_dates_and_times_are_iso(tmp_path: Path) -> None:
    write_simulation(CONFIG, tmp_path / "out")
    header, *rows = (tmp_path / "out" / "log" / "2026-01-20.csv").read_text().splitlines()
    names = [name.strip('"') for name in header.split(",")]
    cells = [dict(zip(names, line.split(","), strict=True)) for line in rows]
    assert {row["ds_search"] for row in cells} == {"2026-01-20"}
    assert all(re.fullmatch(r"2026-01-20 \d\d:\d\d:00", row["ts_search"]) for row in cells)


def test_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(DataError, match="is not empty"):
        write_simulation(CONFIG, tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text(encoding="utf-8") == "keep"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert write_simulation(CONFIG, tmp_path / "out").impressions == _rows()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_folder_that_cannot_be_written_gives_one_clear_error(tmp_path: Path) -> None:
    """A file stands where the parent folder should be: refused for root as well."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="could not write the simulated log") as caught:
        write_simulation(CONFIG, tmp_path / "file" / "out")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """``/dev/full`` is a disk without room."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module._DayFiles, "path_of", lambda *_: Path("/dev/full"))
        with pytest.raises(DataError, match="No space left on device"):
            write_simulation(CONFIG, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_interrupted_run_leaves_nothing_behind(tmp_path: Path, stop: type[BaseException]) -> None:
    def interrupt(done: int, of: int) -> None:
        raise stop

    with pytest.raises(stop):
        write_simulation(CONFIG, tmp_path / "out", progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown file format 'xlsx'; known are csv, parquet"):
        write_simulation(CONFIG, tmp_path / "out", "xlsx")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
