"""Odd paths become addresses that lead to the same file, or are refused in one sentence."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from data.errors import HomeError
from data.lake.store import Lake
from data.paths import refuse_unusable_home, sqlite_address
from tests.odd_paths import LIMITS, ODD_NAMES


@pytest.mark.parametrize("name", [*ODD_NAMES, "a%3Fb?"])
def test_sqlite_address_leads_to_the_file_and_makes_no_other(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    engine = create_engine(sqlite_address(folder / "own.db"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE mine (n INTEGER)"))
    engine.dispose()
    assert list(tmp_path.iterdir()) == [folder]
    with closing(sqlite3.connect(folder / "own.db")) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_folders_are_no_reason_to_refuse_a_home(tmp_path: Path, name: str) -> None:
    refuse_unusable_home(tmp_path / name / "home")


@pytest.mark.parametrize(("name", "character"), LIMITS.items())
def test_a_home_that_no_table_can_lie_in_is_refused_naming_the_character(
    tmp_path: Path, name: str, character: str
) -> None:
    with pytest.raises(HomeError, match=re.escape(repr(character))) as refused:
        Lake(tmp_path / name)
    assert str(refused.value).count("\n") == 0
    assert "--home DIR" in str(refused.value)


def test_a_link_to_such_a_folder_is_refused_naming_the_folder(tmp_path: Path) -> None:
    (tmp_path / "[real]").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "[real]")
    with pytest.raises(HomeError, match=re.escape("link (it is")):
        Lake(tmp_path / "link")


WRITE = """
import sys
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
write_deltalake(sys.argv[1], pa.table({"a": ["x"], "v": [1]}), partition_by=["a"])
assert DeltaTable(sys.argv[1]).count() == 1
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", LIMITS)
def test_delta_still_cannot_write_there(tmp_path: Path, name: str) -> None:
    """Where this fails, delta-rs has learned it: take the character out of the refusal."""
    folder = tmp_path / name / "table"
    folder.mkdir(parents=True)
    # a process of its own: for some of them delta-rs ends the thread, with a page of text
    done = subprocess.run([sys.executable, "-c", WRITE, str(folder)], check=False)
    assert done.returncode != 0
