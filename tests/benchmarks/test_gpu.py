"""``benchmarks/gpu.sh``: its dry run on the CPU, what becomes of a step that fails, its floors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.models.two_tower.hidden_packages import HIDE, absent_without

ROOT = Path(__file__).parents[2]
# What ``benchmarks/gpu.sh`` says that it needs.
NEEDED = ("torch", "triton", "numpy", "pyarrow", "safetensors", "pytest")


@pytest.fixture(scope="module")
def gpu_steps(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("gpu_steps")


def test_the_dry_run_takes_every_step_and_ends_with_a_table(tmp_path: Path) -> None:
    process = subprocess.run(
        ["bash", str(ROOT / "benchmarks" / "gpu.sh"), "--dry-run", "--out", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    lines, goals = process.stdout.split("\n\n", 1)
    assert "FAILED" not in lines
    outcomes = json.loads((tmp_path / "gpu.json").read_text())
    about = outcomes.pop("about")
    assert [line.split()[0] for line in lines.splitlines()[1:]] == list(outcomes)
    figures = {name: outcome["figures"] for name, outcome in outcomes.items()}
    assert figures["gpu_tests"]["passed"] > 0
    assert figures["gpu_tests"]["failed"] == 0
    assert figures["cpu_weights"]["float32"] == 0  # here both devices are the CPU
    trained = figures["step_speed"]
    assert trained["rows_per_s"] * trained["seconds"] == pytest.approx(about["size"]["positives"])
    for name in ("fused, ours", "chunked, ours", "dense logits"):
        assert figures["softmaxes"][name]["loss_error"] < 1e-5, name
        assert max(figures["softmaxes"][name]["grad_errors"]) < 1e-5, name
    assert goals.count("unmeasured: another size or machine") == 5
    assert "met\n" not in goals


def test_the_tests_that_it_runs_ask_for_no_package_that_a_gpu_machine_may_lack(
    gpu_steps: ModuleType,
) -> None:
    """A file that cannot be imported would be an error there; its lines are not run, only read."""
    said = {word for group in gpu_steps.gpu_test_groups() for word in group if "/" in word}
    paths = {word for word in said if not word.startswith("--ignore=")}
    # What a group leaves to another one is read with that.
    files = {word for word in said if word.removeprefix("--ignore=") not in paths} | paths
    absent = absent_without(NEEDED)
    assert {"polars", "pandas", "scipy", "hypothesis", "lightgbm", "faiss"} <= absent
    collect = f"{HIDE}\nimport pytest\nraise SystemExit(pytest.main(sys.argv[1:]))"
    options = ["--collect-only", "-q", "-m", "not slow and not operations"]
    process = subprocess.run(
        [sys.executable, "-c", collect, ",".join(sorted(absent)), *options, *sorted(files)],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert process.returncode == 0, process.stdout[-3000:]


def fails(bench: Any) -> None:
    raise ValueError("on purpose")


def crashes(bench: Any) -> None:
    os._exit(3)


def hangs(bench: Any) -> None:
    time.sleep(60)


def works(bench: Any) -> tuple[str, dict[str, Any]]:
    return "done", {"figure": 1.0}


@pytest.mark.parametrize(
    ("work", "text"),
    [
        (fails, "FAILED: ValueError: on purpose"),
        (crashes, "FAILED: the process ended with code 3"),
        (hangs, "FAILED: nothing within 1 s"),
        (works, "done"),
    ],
)
def test_a_step_that_fails_says_so_and_ends_nothing_else(
    gpu_steps: ModuleType, tmp_path: Path, work: Callable[[Any], Any], text: str
) -> None:
    bench = gpu_steps.Bench(gpu_steps.THOUSANDTH, None, torch.device("cpu"), tmp_path, {})
    outcome = gpu_steps.run_step(gpu_steps.Step(work, 1.0), bench, 1.0, threads=1)
    assert outcome["text"] == text
    assert outcome.get("figures") == ({"figure": 1.0} if work is works else None)


def test_a_goal_is_met_missed_or_unmeasured(gpu_steps: ModuleType) -> None:
    least = gpu_steps.Goal("rows", "speed", ("rows_per_s",), 100)
    most = gpu_steps.Goal("time", "speed", ("inner", "s"), 3.0, is_time=True)
    outcomes = {"speed": {"figures": {"rows_per_s": 99.0, "inner": {"s": 2.0}}}}
    assert [g.row(outcomes, is_full_size=True)[3] for g in (least, most)] == ["missed", "met"]
    assert least.row({"speed": {"text": "FAILED"}}, is_full_size=True)[3] == "unmeasured"
    assert most.row(outcomes, is_full_size=False)[3].startswith("unmeasured")


def test_the_floors_of_a_step_are_those_of_its_sizes(gpu_steps: ModuleType) -> None:
    """50 listings in one market, 10 searches of 4 dimensions: 6 x 10 x 50 x 4 for the softmax."""
    size = gpu_steps.Size(100, 50, 10, 1, dimension=4, history=2)
    data = gpu_steps.speed.made_up(100, 50, 2, seed=0)
    bench = gpu_steps.Bench(size, data, torch.device("cpu"), Path(), {})
    bench = gpu_steps.Bench(size, bench.in_one_market(), torch.device("cpu"), Path(), {})
    net = bench.net()
    floors = gpu_steps.floors(bench, net)
    assert floors["softmax_flop"] == 6 * 10 * 50 * 4
    listing = sum(p.numel() for n, p in net.listing.named_parameters() if "table" not in n)
    biases = sum(p.numel() for n, p in net.listing.named_parameters() if p.ndim == 1)
    query = sum(
        p.numel() for n, p in net.query.named_parameters() if "table" not in n and p.ndim == 2
    )
    assert floors["tower_flop"] == 6 * (50 * (listing - biases) + 10 * query)
    half = gpu_steps.floors(gpu_steps.Bench(size, data, torch.device("cpu"), Path(), {}), net)
    market_S, market_L = data.queries.market_S[:10], data.catalogue.market_L[1:]
    assert half["softmax_flop"] == 6 * 4 * int((market_S[:, None] == market_L).sum())
