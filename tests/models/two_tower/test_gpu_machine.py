"""A machine with torch, numpy, pyarrow and safetensors alone trains from a Parquet folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from models.two_tower.recommender import TwoTower

ROOT = Path(__file__).parents[3]
GIVEN = {"torch", "numpy", "pyarrow", "safetensors"}
# Finds no installed module that is not of the given packages or what they require.
PROGRAM = """
import sys
from importlib.machinery import PathFinder

class WithoutOthers(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            return None
        return super().find_spec(name, path, target)

ABSENT = set(sys.argv[1].split(","))
sys.meta_path = [WithoutOthers if finder is PathFinder else finder for finder in sys.meta_path]
from models.two_tower.train_command import main
code = main(sys.argv[2:])
assert not ABSENT & {name.split(".")[0] for name in sys.modules}
raise SystemExit(code)
"""


def required(names: set[str]) -> set[str]:
    """The distributions, and all that they require where installed; canonical names."""
    closure: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        closure.add(name)
        wanted = (Requirement(line) for line in requires(name) or [])
        needed = {
            canonicalize_name(need.name)
            for need in wanted
            if need.marker is None or need.marker.evaluate({"extra": ""})
        }
        waiting |= (needed & installed()) - closure
    return closure


def installed() -> set[str]:
    return {canonicalize_name(n) for names in packages_distributions().values() for n in names}


def absent_modules() -> set[str]:
    allowed = required(GIVEN) | {"stayrank"}
    return {
        module
        for module, names in packages_distributions().items()
        if not {canonicalize_name(name) for name in names} & allowed
    }


def test_training_needs_torch_numpy_pyarrow_and_safetensors_alone(
    world: Callable[..., pa.Table], tmp_path: Path
) -> None:
    (tmp_path / "features").mkdir()
    pq.write_table(world(searches=60), tmp_path / "features" / "part.parquet")
    settings = {"towers": {"dimension": 8, "hidden": 8}, "training": {"epochs": 1, "threads": 1}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    absent = absent_modules()
    assert {"polars", "pandas", "prefect", "mlflow", "lightgbm", "scipy", "faiss"} <= absent
    arguments = ["--features", "features", "--out", "out", "--config", "config.json"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(sorted(absent)), *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (recall,) = json.loads(done.stdout)["validation_recall"]
    assert 0 < recall <= 1
    assert TwoTower.load(tmp_path / "out").net.config.dimension == 8
