"""The home folder: where everything that a run makes is kept."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.paths import refuse_unusable_home

__all__ = ["DEFAULT_HOME", "Home", "home_for"]

DEFAULT_HOME = Path("data/home")
ANOTHER_HOME = "Give another with --home DIR or STAYRANK_HOME."


@dataclass(frozen=True)
class Home:
    """The folder under ``--home``; every path of a run is derived here and nowhere else.

    Raises ``DataError`` for a path under which no table of the lake can lie.
    """

    root: Path

    def __post_init__(self) -> None:
        refuse_unusable_home(self.root)

    @property
    def option(self) -> str:
        """``--home DIR``, for commands that a message names: to be copied into a shell."""
        return f"--home {shlex.quote(str(self.root))}"

    @property
    def simulated_log(self) -> Path:
        return self.root / "simulated"

    @property
    def simulated_world(self) -> Path:
        """The configuration of the simulation that the log came from, where it was one."""
        return self.root / "simulated_world.json"

    @property
    def mlflow_database(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def report(self) -> Path:
        return self.root / "reports" / "latest"

    @property
    def prefect(self) -> Path:
        return self.root / "prefect"

    @property
    def servers(self) -> Path:
        """Records of the servers that run for this home."""
        return self.prefect / "servers"

    @property
    def batches(self) -> Path:
        return self.root / "batches"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def outbox(self) -> Path:
        return self.root / "outbox"

    def report_of(self, day: str) -> Path:
        """The folder of a day's report, ``YYYY-MM-DD``."""
        return self.root / "reports" / day

    def inside(self, path: Path) -> Path:
        """``path`` under the home; raises ``DataError`` where it, ``..`` or a link leads out."""
        # resolve() follows links and ``..`` first: compared as text, both would pass.
        resolved = (self.root / path).resolve()
        if not resolved.is_relative_to(self.root.resolve()):
            raise DataError(
                f"{path} leads out of the home folder {self.root}; name a path inside it "
                "(another disk can be mounted there)"
            )
        return resolved

    @property
    def past(self) -> Path:
        """What is kept of the past of each guest and listing, for the next day's features."""
        return self.root / "past"

    @property
    def features_record(self) -> Path:
        return self.root / "features.json"

    def run_folder(self, run: str) -> Path:
        """The folder of a training run.

        Raises ``DataError`` for a name that leads elsewhere: names are read from files of the
        home (``champion.json``, ``published.json``, journals), which anybody may have written.
        """
        if not run.strip(".") or any(letter in run for letter in "/\\\0"):
            raise DataError(f"{run!r} is no name of a training run, a folder of {self.runs}")
        return self.runs / run

    def record_of(self, run: str) -> Path:
        """The record of a training run: its last file to be written, so it marks a complete run."""
        return self.run_folder(run) / "run.json"

    def newest_run(self) -> str:
        """The name of the newest complete training run; empty when there is none."""
        # Names begin with the time of the run's start: the newest is the greatest.
        return max((path.parent.name for path in self.runs.glob("*/run.json")), default="")

    def refuse_unwritable(self) -> None:
        """Raise ``DataError`` where the folder could not be made or written; makes nothing."""
        nearest = next(path for path in (self.root, *self.root.absolute().parents) if path.exists())
        if not nearest.is_dir():
            raise DataError(f"the home folder {self.root}: {nearest} is a file. {ANOTHER_HOME}")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise DataError(
                f"the home folder {self.root} cannot be written (no permission to write into "
                f"{nearest}). {ANOTHER_HOME}"
            )

    def prepare(self) -> Home:
        """Make the folder; raises ``DataError`` where it cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise DataError(
                f"the home folder {self.root} cannot be written ({error.strerror}). {ANOTHER_HOME}"
            ) from error
        return self

    def latest_run(self) -> Path:
        """The folder of the newest training run; raises ``DataError`` when there is none."""
        pointer = self.runs / "latest"
        if not pointer.is_file():
            raise DataError(
                f"{self.root} holds no trained models. Train them first: "
                f"stayrank train {self.option}"
            )
        self.run_folder(pointer.read_text().strip())
        return self.inside(Path("runs") / pointer.read_text().strip())

    def set_latest_run(self, name: str) -> None:
        """Point ``latest`` at a finished run, in one step."""
        write_atomically(self.runs / "latest", name + "\n")


def home_for(folder: Path | None, origin: str) -> Home:
    """The home at ``folder``, or the default one for logs of this origin.

    One home holds one origin, so that a simulated log and a real one never mix: ``data/home``
    for simulated logs, ``data/home_ORIGIN`` beside it for any other.
    """
    if folder is not None:
        return Home(folder)
    if origin == "simulated":
        return Home(DEFAULT_HOME)
    return Home(DEFAULT_HOME.with_name(f"{DEFAULT_HOME.name}_{origin}"))


def write_atomically(path: Path, text: str) -> None:
    """Write a file in one step: a reader, or a kill, sees the old text or the new one, no mix.

    A rename within one folder is atomic. The draft has the process id in its name, so that two
    processes that write the same file do not write into one draft.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON, in one step."""
    write_atomically(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
