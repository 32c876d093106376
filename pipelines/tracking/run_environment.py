"""The environment of a run, as tags of its MLflow run: versions, git revision, machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

__all__ = ["run_environment"]

PACKAGES = ("lightgbm", "torch", "implicit", "polars", "deltalake", "mlflow", "prefect")


def run_environment(checkout: Path) -> dict[str, str]:
    """Tag → value; what cannot be found out (no git, no lock file) has no entry."""
    tags = {
        "stayrank.version": version("stayrank"),
        "mlflow.source.name": "stayrank",
        "machine.python": platform.python_version(),
        "machine.platform": platform.platform(),
        "machine.cores": str(os.cpu_count()),
        "machine.cpu": _cpu(),
        "machine.memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "machine.gpu": _gpu(),
    }
    for name in PACKAGES:
        tags[f"version.{name}"] = version(name)
    lock = checkout / "requirements.lock"
    if lock.is_file():
        tags["lock.sha256"] = hashlib.sha256(lock.read_bytes()).hexdigest()
    revision = _git(checkout, "rev-parse", "HEAD")
    if revision:
        # The first is what MLflow knows; its page shows the second among the tags.
        tags["mlflow.source.git.commit"] = tags["git.revision"] = revision
        tags["git.is_clean"] = str(not _git(checkout, "status", "--porcelain")).lower()
    return tags


def _cpu() -> str:
    """The processor's name; Python's own answer is empty on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _gpu() -> str:
    """The name of the first GPU that the kernel's driver shows, or ``none``."""
    gpus = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    lines = gpus[0].read_text().splitlines() if gpus else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
    return names[0] if names else "none"


def _git(checkout: Path, *words: str) -> str:
    # A tarball has no git, a container may have none installed: then nothing is tagged.
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(checkout), *words],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
