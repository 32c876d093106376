"""A home that was moved or copied: every record names the new place, and nothing else changes."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from data.errors import HomeError, LakeBusyError
from data.lake.lock import file_lock
from pipelines.config.home import Home
from pipelines.tracking import relocate_home
from pipelines.tracking.relocate_home import earlier_places, relocate_if_moved
from pipelines.tracking.tracking import InputTable, Tracking


class Killed(BaseException):
    """As a kill: nothing of the command runs after it."""


def _home(root: Path) -> Home:
    """A home with one MLflow run that has a file and an input."""
    home = Home(root)
    home.prepare()
    tracking = Tracking.open(home)
    run = tracking.start_run("a run", tags={"note": f"see {root}/logs and {root}2/logs"})
    (root / "file.txt").write_text("content")
    tracking.log_artifacts(run, root / "file.txt")
    table = InputTable(name="features", path=root / "lake" / "features", version=0, rows=1)
    tracking.log_inputs(run, [table])
    return home


def _everything(database: Path) -> str:
    with closing(sqlite3.connect(database)) as opened:
        return "\n".join(opened.iterdump())


def _snapshot(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ["copy", "a copy of Zoë's home (2)", "home2", "100% copy #1"])
def test_a_copy_writes_into_itself_and_leaves_the_original_alone(tmp_path: Path, name: str) -> None:
    original = _home(tmp_path / "home")
    before = _snapshot(original.root)
    copy = Home(tmp_path / name)
    shutil.copytree(original.root, copy.root)

    tracking = Tracking.open(copy)
    (found,) = tracking.client.search_runs([tracking.experiment_id])
    (copy.root / "new.txt").write_text("new")
    tracking.log_artifacts(found.info.run_id, copy.root / "new.txt")
    listed = {file.path for file in tracking.client.list_artifacts(found.info.run_id)}
    assert listed == {"file.txt", "new.txt"}
    assert (copy.artifacts / found.info.run_id / "artifacts" / "new.txt").is_file()
    assert _snapshot(original.root) == before
    # Another folder, whose name begins as the old one's, is not it.
    assert found.data.tags["note"] == f"see {copy.root}/logs and {original.root}2/logs"
    assert json.loads((copy.root / "home.json").read_text()) == {"path": str(copy.root)}


def test_every_path_that_mlflow_keeps_is_rewritten(tmp_path: Path) -> None:
    """Whatever column a later MLflow keeps a path in: none names the old place any more."""
    moved = Home(_home(tmp_path / "old").root.rename(tmp_path / "new"))
    assert relocate_if_moved(moved) is not None
    assert f"{tmp_path}/old/" not in _everything(moved.mlflow_database)
    assert relocate_if_moved(moved) is None


def test_a_home_from_before_there_was_a_record_is_known_by_its_experiment(tmp_path: Path) -> None:
    home = _home(tmp_path / "old home")
    (home.root / "home.json").unlink()
    moved = Home(home.root.rename(tmp_path / "new"))
    assert earlier_places(moved) == [tmp_path / "old home"]
    said: list[str] = []
    assert relocate_if_moved(moved, said.append) is not None
    assert said[0].startswith(f"this home was moved or copied: its records named {tmp_path}/old")


def test_prefects_parameters_and_waiting_calls_are_rewritten(tmp_path: Path) -> None:
    old, new = Home(tmp_path / "old"), Home(tmp_path / "new é")
    old.prefect.mkdir(parents=True)
    (old.root / "lake").mkdir()
    with closing(sqlite3.connect(old.prefect / "prefect.db")) as database, database:
        database.execute("CREATE TABLE flow_run (id CHAR(36), parameters JSON, estimated FLOAT)")
        parameters = json.dumps({"home": str(old.root), "day": None})
        database.execute("INSERT INTO flow_run VALUES ('1', ?, 0.5)", (parameters,))
    old.outbox.mkdir()
    call = {"call": "log_artifact", "arguments": {"local_path": f"{old.outbox}/files/1/a.html"}}
    (old.outbox / "00000001.json").write_text(json.dumps(call))
    assert relocate_if_moved(old) is None
    shutil.move(old.root, new.root)

    assert relocate_if_moved(new) is not None
    with closing(sqlite3.connect(new.prefect / "prefect.db")) as database:
        ((text, estimated),) = database.execute("SELECT parameters, estimated FROM flow_run")
    assert (json.loads(text), estimated) == ({"home": str(new.root), "day": None}, 0.5)
    call = json.loads((new.outbox / "00000001.json").read_text())
    assert call["arguments"]["local_path"] == f"{new.outbox}/files/1/a.html"


def test_killed_in_between_the_next_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*given: object) -> None:
        raise Killed

    home = _home(tmp_path / "old")
    (home.root / "home.json").unlink()
    moved = Home(home.root.rename(tmp_path / "new"))
    with monkeypatch.context() as patch:
        patch.setattr(relocate_home, "_record", kill)
        with pytest.raises(Killed):
            relocate_if_moved(moved)
    assert earlier_places(moved) == [tmp_path / "old"]
    assert relocate_if_moved(moved) is not None
    assert earlier_places(moved) == []


def test_the_same_folder_behind_a_link_is_not_another_place(tmp_path: Path) -> None:
    home = _home(tmp_path / "home")
    (tmp_path / "link").symlink_to(home.root)
    assert relocate_if_moved(Home(tmp_path / "link")) is None


def test_a_home_in_use_under_another_path_is_not_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relocate_home, "WAIT_S", 0.0)
    moved = Home(_home(tmp_path / "old").root.rename(tmp_path / "new"))
    before = _everything(moved.mlflow_database)
    with (
        file_lock(moved.root / "batch.lock", "", wait_s=0),
        pytest.raises(LakeBusyError, match="under another path"),
    ):
        relocate_if_moved(moved)
    assert _everything(moved.mlflow_database) == before


def test_a_folder_without_anything_in_it_is_left_alone(tmp_path: Path) -> None:
    assert relocate_if_moved(Home(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "home.json").write_text("{broken")
    with pytest.raises(HomeError, match=r"home\.json: cannot be read.*remove it"):
        relocate_if_moved(Home(tmp_path))
