"""No command shows the password of an address, nor writes it under the home."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from pipelines.cli.app import COMMAND_ORDER
from pipelines.cli.commands import app

PASSWORD = "planted-p4ssword"  # noqa: S105  # what is looked for
NOBODY = f"http://ana:{PASSWORD}@127.0.0.1:9"
ARGUMENTS = {
    "mapping": ("no.csv",),
    "simulate": ("--out", "week", "--searches", "50"),
    "ingest": ("no.csv",),
    "backfill": ("--from", "2026-01-20", "--to", "2026-01-20"),
    "forget-user": ("U1",),
    "show": ("guest", "U1"),
}
WITHOUT_HOME = ("mapping", "simulate")


def test_every_command_is_tried() -> None:
    assert set(typer.main.get_group(app).commands) == {*COMMAND_ORDER}


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["PREFECT_API_URL", "STAYRANK_TRACKING_URI"])
@pytest.mark.parametrize("command", COMMAND_ORDER)
def test_no_command_shows_the_password_of_a_server(
    tmp_path: Path, command: str, variable: str
) -> None:
    (tmp_path / "home" / "lake").mkdir(parents=True)
    home = () if command in WITHOUT_HOME else ("--home", str(tmp_path / "home"))
    if command == "run" and variable == "STAYRANK_TRACKING_URI":
        pytest.skip("trains; tests/operations/test_security.py has it")
    if variable == "STAYRANK_TRACKING_URI" and command in ("daily", "weekly", "backfill"):
        pytest.skip("starts a Prefect server; tests/operations/test_security.py has the batches")
    if variable == "STAYRANK_TRACKING_URI" and command == "schedule":
        pytest.skip("serves until it is stopped")
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", command, *ARGUMENTS.get(command, ()), *home],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[3])}
        | {variable: NOBODY, "MLFLOW_TRACKING_URI": f"postgresql://ana:{PASSWORD}@db/x"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert PASSWORD not in done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("command", ["run", "daily", "weekly", "schedule"])
def test_a_named_server_that_is_away_is_told_without_its_password(
    tmp_path: Path, command: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", command, "--home", str(tmp_path / "home")],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[3])}
        | {"PREFECT_API_URL": f"{NOBODY}/api"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert "at PREFECT_API_URL = http://***@127.0.0.1:9/api" in sentence
