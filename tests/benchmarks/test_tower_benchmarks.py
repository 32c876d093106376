"""The two-tower's benchmarks run at a small size and print what they promise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def printed(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / name), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_speed_benchmark_prints_every_phase_and_the_plain_trainer() -> None:
    lines = printed("two_tower.py", "--small")
    for promised in (
        "training, end to end",
        "draw",
        "forward and softmax",
        "backward",
        "optimiser",
        "GPU busy",
        "plain trainer",
        "of a bare matmul's rate",
        "exact top-100",
        "peak memory",
    ):
        assert promised in lines, promised


@pytest.mark.slow
def test_two_files_of_user_item_item_are_all_that_id_only_needs(tmp_path: Path) -> None:
    for name, shift in (("train.txt", 0), ("test.txt", 10)):
        lines = [
            " ".join(map(str, [user, *((user + step * 3 + shift) % 90 for step in range(10))]))
            for user in range(60)
        ]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    files = (str(tmp_path / "train.txt"), str(tmp_path / "test.txt"))
    found = printed("id_only.py", *files, "--epochs", "1", "--threads", "1")
    for model in ("popularity", "als", "bpr", "two_tower"):
        line = next(line for line in found.splitlines() if line.startswith(model))
        assert "recall@20" in line
        assert "ndcg@20" in line


@pytest.mark.slow
def test_the_index_benchmark_measures_recall() -> None:
    found = printed("index.py", "--small")
    assert "exact" in found
    assert found.count("recall") == 2
