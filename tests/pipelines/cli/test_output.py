"""What cannot be printed ends no ingest, and changes no exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.lake.store import Lake

COMMAND = (sys.executable, "-m", "pipelines.cli")
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "lóg ã.csv"
    path.write_text(
        "id_search,id_listing,label,ts_search,query_market\n"
        "1,2,clicked,2018-02-05 10:00,São Paulo\n",
        encoding="utf-8",
    )
    return path


def ingest_with(log: Path, home: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, "ingest", str(log), "--home", str(home)],
        env={**os.environ, **variables},
        capture_output=True,
        check=False,
    )


def test_encoding_without_the_letter(log: Path, tmp_path: Path) -> None:
    done = ingest_with(log, tmp_path / "home", PYTHONIOENCODING="ascii")
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert rb"l\xf3g \xe3.csv" in done.stdout
    assert Lake(tmp_path / "home").rows("impressions") == 1


def test_message_of_a_refused_log_in_such_an_encoding(tmp_path: Path) -> None:
    done = ingest_with(tmp_path / "nãda.csv", tmp_path / "home", PYTHONIOENCODING="ascii")
    assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
    assert rb"n\xe3da.csv" in done.stderr


def test_name_of_a_file_in_no_encoding(log: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv")
    log.rename(odd)
    done = ingest_with(Path(odd), tmp_path / "home")
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert Lake(tmp_path / "home").rows("impressions") == 1


def test_locale_of_another_encoding_means_the_same_folder(log: Path, tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = ingest_with(log, tmp_path / "São Paulo", **plain)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {log.name, "São Paulo"}
    assert Lake(tmp_path / "São Paulo").rows("impressions") == 1


def test_reader_that_has_gone(log: Path, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*COMMAND, "ingest", str(log), "--home", str(tmp_path / "home")]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert b"ipe" not in done.stderr
    assert Lake(tmp_path / "home").rows("impressions") == 1


@needs_full
def test_full_disk_behind_both_outputs(log: Path, tmp_path: Path) -> None:
    with FULL.open("wb") as full:
        for path, code in ((log, 0), (tmp_path / "nosuch.csv", 1)):
            command = [*COMMAND, "ingest", str(path), "--home", str(tmp_path / "home")]
            assert subprocess.run(command, stdout=full, stderr=full, check=False).returncode == code
    assert Lake(tmp_path / "home").rows("impressions") == 1


def test_outputs_that_were_closed_before(log: Path, tmp_path: Path) -> None:
    shell = 'exec "$@" <&- >&- 2>&-'
    command = [*COMMAND, "ingest", str(log), "--home", str(tmp_path / "home")]
    assert subprocess.run(["sh", "-c", shell, "sh", *command], check=False).returncode == 0
    assert Lake(tmp_path / "home").rows("impressions") == 1


@needs_full
def test_help_and_usage_errors_too() -> None:
    with FULL.open("wb") as full:
        for words, code in ((["--help"], 0), (["--version"], 0), (["nosuch"], 2)):
            done = subprocess.run([*COMMAND, *words], stdout=full, stderr=full, check=False)
            assert done.returncode == code
