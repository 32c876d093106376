"""The same seed and rows give the same bits, twice and on one thread or two, whatever the model.

On one machine: processors differ in the instructions that a library chooses, and so may bits.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.training.model_factory import MODEL_NAMES
from tests.models.fit_and_digest import digests, quick_settings

ROOT = Path(__file__).parents[2]
# Of each library that counts its threads by itself.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

Digests = dict[str, dict[str, str]]


def digests_on(threads: int) -> Digests:
    """What a process of its own, with so many threads, makes of each model."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.models.fit_and_digest", str(threads)],
        cwd=ROOT,
        env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    found: Digests = json.loads(process.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def on_one() -> Digests:
    return digests_on(1)


@pytest.fixture(scope="module")
def on_two() -> tuple[Digests, Digests]:
    # Twice: threads that race differ from themselves.
    return digests_on(2), digests_on(2)


@pytest.mark.parametrize("what", ["scores", "saved"])
@pytest.mark.parametrize("name", MODEL_NAMES)
def test_two_fits_on_two_threads_are_the_same(
    on_two: tuple[Digests, Digests], name: str, what: str
) -> None:
    assert on_two[0][name][what] == on_two[1][name][what]


@pytest.mark.parametrize("what", ["scores", "saved"])
@pytest.mark.parametrize("name", MODEL_NAMES)
def test_one_thread_and_two_give_the_same(
    on_one: Digests, on_two: tuple[Digests, Digests], name: str, what: str
) -> None:
    assert on_one[name][what] == on_two[0][name][what]


def test_a_wide_regression_is_the_same(on_one: Digests, on_two: tuple[Digests, Digests]) -> None:
    assert on_one["ridge_logistic"] == on_two[0]["ridge_logistic"] == on_two[1]["ridge_logistic"]


def test_another_seed_is_told_apart(on_one: Digests) -> None:
    """Or hashes that see nothing would pass for models that agree."""
    other = digests(quick_settings(1, seed=1))
    seeded = ("random", "two_tower", "stacked")
    assert all(other[name]["scores"] != on_one[name]["scores"] for name in seeded)
