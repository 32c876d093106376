"""Write docker/requirements.lock and docker/build.lock: what the image installs, file by file.

    python docker/lock_image.py          needs uv and an index of packages; `make lock-image`

Versions are those of requirements.lock; each file that the index has of one comes with its
SHA-256, so that `pip install --require-hashes` takes no other. torch is left out: it comes from an
index of its own, whose files differ with the processor.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = re.compile(r"^ARG PYTHON=([\d.]+)", re.MULTILINE)
EXTRAS = ("postgres",)
# What torch itself depends on, CUDA apart.
OF_TORCH = ("filelock", "fsspec", "jinja2", "networkx", "sympy", "typing-extensions")
# To build ourselves, and implicit, which has no wheel for every platform (its pyproject.toml).
TO_BUILD = ("cmake", "cython", "cython-cmake", "ninja", "scikit-build-core", "wheel")


def main() -> None:
    """Write both files, or end with uv's message."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *OF_TORCH]
    for extra in EXTRAS:
        wanted += project["project"]["optional-dependencies"][extra]
    _lock([one for one in wanted if not one.startswith("torch")], "requirements.lock")
    _lock([*project["build-system"]["requires"], *TO_BUILD, "scipy"], "build.lock")


def _lock(wanted: list[str], name: str) -> None:
    versions = (ROOT / "requirements.lock").read_text().splitlines()
    with tempfile.TemporaryDirectory() as folder:
        files = {
            "wanted.txt": wanted,
            "versions.txt": [line for line in versions if not line.startswith("torch==")],
            "left_out.txt": ["torch ; python_version < '0'"],
        }
        for file, lines in files.items():
            Path(folder, file).write_text("\n".join(lines) + "\n")
        python = PYTHON.search((ROOT / "docker" / "Dockerfile").read_text())
        if python is None:
            raise SystemExit("docker/Dockerfile names no version of Python")
        done = subprocess.run(  # noqa: S603  # our own arguments
            [
                *(sys.executable, "-m", "uv", "pip", "compile", "wanted.txt", "--quiet"),
                *("--constraint", "versions.txt", "--override", "left_out.txt"),
                *("--python-version", python[1], "--python-platform", "x86_64-manylinux_2_28"),
                *("--generate-hashes", "--no-annotate", "--no-header", "-o", "locked.txt"),
            ],
            cwd=folder,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.returncode)
        (ROOT / "docker" / name).write_text(Path(folder, "locked.txt").read_text())


if __name__ == "__main__":
    main()
