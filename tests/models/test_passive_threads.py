"""How idle threads wait is set before any library reads it, and a person's own setting stays."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.passive_threads import BLAS_VARIABLE, WAIT_VARIABLES, wait_passively

ROOT = Path(__file__).parents[2]
# What a program imports first: the command line, a Prefect worker, a notebook, torchrun, a Dask
# worker.
FIRST_IMPORTS = (
    "pipelines.cli",
    "pipelines.flows.daily",
    "pipelines.analysis.home_access",
    "models.two_tower.train_command",
    "models.lightgbm_core.dask_trainer",
)
# Each of these loads an OpenMP runtime, or several.
WITH_OPENMP = ("torch", "lightgbm", "implicit.cpu.als")
# Prints what the environment said of OpenBLAS when NumPy, which loads it, was first looked for.
PROGRAM = f"""
import importlib, json, os, sys

class Watch:
    seen = []
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            self.seen.append(os.environ.get({BLAS_VARIABLE!r}))

sys.meta_path.insert(0, Watch())
for name in (sys.argv[1], *{WITH_OPENMP!r}):
    importlib.import_module(name)
print(json.dumps(Watch.seen[0]))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks GNU's OpenMP runtime")


def runtimes(first: str, home: Path, **own: str) -> tuple[list[dict[str, str]], str | None]:
    """What each OpenMP runtime of a process says of itself, and what OpenBLAS was told.

    The process imports ``first`` and then every library with OpenMP; ``own`` is what a person
    has set in the environment.
    """
    settled = (*WAIT_VARIABLES, BLAS_VARIABLE)
    inherited = {name: value for name, value in os.environ.items() if name not in settled}
    display = {"OMP_DISPLAY_ENV": "VERBOSE", "PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, first],
        cwd=ROOT,
        env=inherited | display | own,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    blocks = process.stderr.split("OPENMP DISPLAY ENVIRONMENT BEGIN")[1:]
    told = [dict(re.findall(r"(\w+) = '(.*)'", block)) for block in blocks]
    return told, json.loads(process.stdout.splitlines()[-1])


@pytest.mark.parametrize("first", FIRST_IMPORTS)
def test_threads_sleep_in_every_runtime_of_every_program(first: str, tmp_path: Path) -> None:
    told, blas = runtimes(first, tmp_path)
    # torch's own and the one that LightGBM and implicit share, at least.
    assert len(told) > 1
    assert {runtime["GOMP_SPINCOUNT"] for runtime in told} == {"0"}
    assert blas == "4"


def test_the_own_setting_of_a_person_stays(tmp_path: Path) -> None:
    told, blas = runtimes(
        "pipelines.cli", tmp_path, GOMP_SPINCOUNT="1234", OPENBLAS_THREAD_TIMEOUT="20"
    )
    assert {runtime["GOMP_SPINCOUNT"] for runtime in told} == {"1234"}
    assert blas == "20"


def test_an_active_policy_of_a_person_stays(tmp_path: Path) -> None:
    told, _ = runtimes("models.ranker", tmp_path, OMP_WAIT_POLICY="ACTIVE")
    assert {runtime["OMP_WAIT_POLICY"] for runtime in told} == {"ACTIVE"}


@given(st.dictionaries(st.sampled_from([*WAIT_VARIABLES, BLAS_VARIABLE, "HOME"]), st.text()))
def test_nothing_that_is_set_is_changed(environment: dict[str, str]) -> None:
    before = dict(environment)
    wait_passively(environment)
    assert environment.items() >= before.items()
    said = any(name in before for name in WAIT_VARIABLES)
    assert ("OMP_WAIT_POLICY" in environment.keys() - before.keys()) is not said
