"""A machine with torch, numpy, pyarrow and safetensors alone trains from a Parquet folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from models.two_tower.recommender import TwoTower
from tests.models.two_tower.hidden_packages import HIDE, absent_without

ROOT = Path(__file__).parents[3]
PROGRAM = f"""{HIDE}
from models.two_tower.train_command import main
code = main(sys.argv[1:])
assert not ABSENT & {{name.split(".")[0] for name in sys.modules}}
raise SystemExit(code)
"""


def test_training_needs_torch_numpy_pyarrow_and_safetensors_alone(
    world: Callable[..., pa.Table], tmp_path: Path
) -> None:
    (tmp_path / "features").mkdir()
    pq.write_table(world(searches=60), tmp_path / "features" / "part.parquet")
    settings = {"towers": {"dimension": 8, "hidden": 8}, "training": {"epochs": 1, "threads": 1}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    absent = absent_without(["torch", "numpy", "pyarrow", "safetensors"])
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
