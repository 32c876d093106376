"""The whole job in a home, and from a checkout, whose paths hold what programs trip over.

Standard output cannot encode half of what is said, and MLflow's variables name another store.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.lake.store import Lake
from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from pipelines.config.home import Home
from pipelines.tracking.model_registry import RANKER_MODEL
from pipelines.tracking.tracking import Tracking
from tests.operations.servers import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
ODD = "odd dir é#%?&'"
PACKAGES = ("data", "features", "models", "pipelines", "pyproject.toml", "requirements.lock")
SMALLEST = {
    "STAYRANK_SIMULATION__SEARCHES": "700",
    "STAYRANK_EVALUATION__REPLICATES": "100",
    "STAYRANK_RECOMMENDATION__TOP": "5",
    "STAYRANK_RECOMMENDATION__CANDIDATES": "20",
    "STAYRANK_MODELS": '["random", "popularity", "two_tower", "ranker"]',
    "STAYRANK_TWO_TOWER__EPOCHS": "1",
    "STAYRANK_TWO_TOWER__DIMENSION": "8",
    "STAYRANK_TWO_TOWER__HIDDEN": "16",
    "STAYRANK_RANKER__MAX_ROUNDS": "10",
}


def _left_out(folder: str, names: list[str]) -> list[str]:
    """Compiled code, and homes that a person has made."""
    is_data = Path(folder) == ROOT / "data"
    return [n for n in names if n == "__pycache__" or (is_data and n.startswith("home"))]


class OddHome:
    """A home and a checkout in an odd folder, and the program called there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkout, self.home = folder / ODD / "checkout", Home(folder / ODD / "home")
        self.elsewhere = folder / "elsewhere.db"
        self.environment = {
            **os.environ,
            **SMALLEST,
            "PYTHONPATH": str(self.checkout),
            "PYTHONIOENCODING": "ascii",
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.elsewhere}",
            "MLFLOW_EXPERIMENT_NAME": "theirs",
        }
        self.checkout.mkdir(parents=True)
        for name in PACKAGES:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, self.checkout / name, ignore=_left_out)
            else:
                shutil.copy(ROOT / name, self.checkout)
        (self.checkout / "notebooks").mkdir()
        shutil.copy(ROOT / "notebooks" / "01_search_log.ipynb", self.checkout / "notebooks")

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "pipelines.cli", *words, "--home", str(self.home.root)]

    def call(self, *words: str) -> str:
        """What the command printed; it must end well."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.checkout,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> OddHome:
    odd = OddHome(tmp_path_factory.mktemp("odd"))
    assert "Where to look next" in odd.call("run")
    return odd


def test_everything_lies_in_the_home(odd: OddHome) -> None:
    assert [path.name for path in odd.folder.iterdir()] == [ODD]
    assert {path.name for path in (odd.folder / ODD).iterdir()} == {"checkout", "home"}
    for path in (odd.home.mlflow_database, odd.home.prefect / "prefect.db"):
        assert path.stat().st_size > 0
    assert (odd.home.report / "index.html").is_file()
    assert Lake(odd.home.root).rows(RECOMMENDATIONS.name) > 0


def test_the_registered_ranker_is_served_from_there(odd: OddHome) -> None:
    files = Tracking.open(odd.home).versions.files(RANKER_MODEL, "1")
    assert files.is_relative_to(odd.home.artifacts.resolve())
    assert (files / "MLmodel").is_file()


def test_a_batch_runs_there(odd: OddHome) -> None:
    odd.call("daily", "--day", "2026-01-26")
    assert (odd.home.batches / "daily" / "2026-01-26").is_dir()


def test_a_notebook_of_that_checkout_runs_on_that_home(odd: OddHome) -> None:
    odd.call("notebooks", "--execute")
    assert "Rio" in (odd.home.report / "notebooks" / "01_search_log.html").read_text("utf-8")


@pytest.fixture
def ports(odd: OddHome) -> Iterator[tuple[int, int]]:
    """The ports of MLflow and Prefect as ``stayrank dashboards`` serves them."""
    mlflow, prefect = free_port(), free_port()
    words = ("dashboards", "--mlflow-port", str(mlflow), "--prefect-port", str(prefect))
    pages = subprocess.Popen(
        odd.command(*words),
        cwd=odd.checkout,
        env=odd.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert pages.stdout is not None
    assert any("Ctrl-C" in line for line in pages.stdout)
    yield mlflow, prefect
    pages.send_signal(signal.SIGTERM)
    pages.communicate(timeout=60)


def test_dashboards_show_the_runs_of_that_home(odd: OddHome, ports: tuple[int, int]) -> None:
    def post(address: str, **content: object) -> object:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(address, json.dumps(content).encode(), headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback
            return json.load(answer)

    mlflow, prefect = (f"http://127.0.0.1:{port}/api" for port in ports)
    found = post(f"{mlflow}/2.0/mlflow/runs/search", experiment_ids=["1"])
    assert isinstance(found, dict)
    assert len(found["runs"]) >= 4
    assert post(f"{prefect}/flow_runs/count") == 2
    assert [path.name for path in odd.folder.iterdir()] == [ODD]


def test_a_guest_is_erased_there(odd: OddHome) -> None:
    lake = Lake(odd.home.root)
    guest = str(lake.scan(IMPRESSIONS.name).select("id_user").first().collect().item())
    odd.call("forget-user", guest)
    assert guest not in lake.scan(IMPRESSIONS.name).collect()["id_user"]
    assert f"no trace of {guest}" in odd.call("forget-user", guest)
