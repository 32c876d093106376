"""The command line: trains what the library trains, and names what it cannot read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.recommender import TwoTower
from models.two_tower.train_command import main, split_last_days


def test_a_folder_of_parquet_trains_from_the_command_line(
    log: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "features").mkdir()
    pq.write_table(log, tmp_path / "features" / "part.parquet")
    training = {"epochs": 1, "checkpoint_every": 2, "device": "cpu"}
    settings = {"towers": {"dimension": 8}, "training": training}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    folders = ["--features", tmp_path / "features", "--out", tmp_path / "out"]
    code = main([*map(str, folders), "--config", str(tmp_path / "config.json")])
    assert code == 0
    model = TwoTower(TowerConfig(dimension=8), TrainConfig.from_mapping(training))
    in_process = model.fit(*split_last_days(log, 1))
    recalls = json.loads(capsys.readouterr().out)["validation_recall"]
    assert recalls == in_process.trained.recalls
    saved = TwoTower.load(tmp_path / "out")
    np.testing.assert_array_equal(saved.score(log), in_process.score(log))


def test_the_command_line_names_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--features", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "nowhere" in capsys.readouterr().err


def test_the_last_days_are_for_validation(log: pa.Table) -> None:
    train, valid = split_last_days(log, 2)
    assert pc.max(train["search_day"]).as_py() < pc.min(valid["search_day"]).as_py()
    assert train.num_rows + valid.num_rows == log.num_rows


def test_without_enough_days_everything_is_for_training(log: pa.Table) -> None:
    for rows, days in ((log, 0), (log, 5), (log.drop_columns(["search_day"]), 1)):
        train, valid = split_last_days(rows, days)
        assert (train.num_rows, valid.num_rows) == (log.num_rows, 0)


def test_an_unknown_section_of_the_settings_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text('{"tower": {}}')
    arguments = ["--features", "f", "--out", "o", "--config", str(tmp_path / "config.json")]
    assert main(arguments) == 1
    assert "unknown sections tower; known: towers, training" in capsys.readouterr().err
