"""The benchmarks are scripts in no package: run as a program, or loaded as a module."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def run_benchmark() -> Callable[..., str]:
    """``run_benchmark("index.py", "--small")``: what it prints; its exit code has to be 0."""

    def run(name: str, *arguments: str) -> str:
        process = subprocess.run(
            [sys.executable, str(BENCHMARKS / name), *arguments],
            cwd=BENCHMARKS.parent,
            env={**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)},
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert process.returncode == 0, process.stderr
        return process.stdout

    return run


@pytest.fixture(scope="session")
def load_benchmark() -> Callable[[str], ModuleType]:
    """``load_benchmark("index")``: the script as a module, its neighbours importable."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(
            f"benchmark_{name}", BENCHMARKS / f"{name}.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(BENCHMARKS)
            spec.loader.exec_module(module)
        return module

    return load
