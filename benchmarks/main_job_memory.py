"""Peak memory and time of each step of ``stayrank run``, on a simulated week.

    python benchmarks/main_job_memory.py [--searches 60000] [--home DIR] [--log LOG]
    python benchmarks/main_job_memory.py --searches 570000     # about 10 million impressions
    python benchmarks/main_job_memory.py --home DIR --commands train evaluate recommend

The job runs in a process of its own, as a person would start it, and nothing in it is changed:
what it prints on standard error says which step it is in, and its resident memory is read from
/proc meanwhile. A step that holds others is told with them. Linux alone.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SMALL = {"searches": 600}
_SECONDS_BETWEEN = 0.02
_BEGINS, _ENDS = re.compile(r"^(?P<title>.+) …$"), re.compile(r"^(?P<title>.+): [\d.]+ s$")
_OUTSIDE = "(between steps)"
_PAGE_GB = os.sysconf("SC_PAGE_SIZE") / 1e9
_TICKS = os.sysconf("SC_CLK_TCK")
# What is done when no command is named.
_WHOLE_JOB = ("run",)


@dataclass
class Step:
    """A step, or the time between two: what its process held at most, and how long it took."""

    title: str
    peak_gb: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0


@dataclass
class Watch:
    """Attributes peaks and times of a process to the step that it says it is in."""

    pid: int
    steps: list[Step] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    is_over: bool = False

    def __post_init__(self) -> None:
        self.since, self.cpu_s = time.monotonic(), 0.0
        self.steps.append(Step(_OUTSIDE))

    def read(self) -> None:
        """Look at the process once."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
            ticks = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        except (OSError, IndexError):  # it has just ended
            return
        now, cpu_s, step = time.monotonic(), sum(map(int, ticks)) / _TICKS, self.steps[-1]
        step.peak_gb = max(step.peak_gb, pages * _PAGE_GB)
        step.wall_s += now - self.since
        step.cpu_s += cpu_s - self.cpu_s
        self.since, self.cpu_s = now, cpu_s

    def go_on_reading(self) -> None:
        """Look at it again and again, until it is over."""
        while not self.is_over:
            self.read()
            time.sleep(_SECONDS_BETWEEN)

    def hear(self, line: str) -> None:
        """Take note of a step that began or ended."""
        self.read()
        if begun := _BEGINS.match(line):
            self.open.append(begun["title"])
        elif (ended := _ENDS.match(line)) and ended["title"] in self.open:
            self.open.remove(ended["title"])
        else:
            return
        self.steps.append(Step(self.open[-1] if self.open else _OUTSIDE))


def main() -> int:
    """Print a line per step, and the largest figures."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        home = arguments.home or Path(folder)
        settings = Path(folder) / "settings.toml"
        settings.write_text(f"[simulation]\nsearches = {arguments.searches}\n")
        worst = 0.0
        for command in arguments.commands:
            words = [command, *([str(arguments.log)] if command == "run" and arguments.log else [])]
            steps = watched([*words, "--home", str(home), "--settings", str(settings)])
            worst = max(worst, *(step.peak_gb for step in steps))
            _print(command, steps)
        print(f"peak of all: {worst:.2f} GB")
    return 0


def watched(words: Sequence[str]) -> list[Step]:
    """Run ``stayrank`` with these words; returns what each step held and took."""
    command = [sys.executable, "-m", "pipelines.cli", *words]
    root = Path(__file__).parents[1]
    environment = {"PYTHONPATH": str(root), **os.environ}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        watch = Watch(process.pid)
        reader = threading.Thread(target=watch.go_on_reading)
        reader.start()
        said = []
        for line in process.stderr or ():
            said.append(line)
            watch.hear(line.rstrip())
        process.wait()
        watch.is_over = True
        reader.join()
    if process.returncode:
        # Hours may have gone into it: what was seen up to there is worth having.
        _print(f"{words[0]}, up to where it stopped", watch.steps)
        raise SystemExit(f"stayrank {' '.join(words)} failed:\n{''.join(said[-40:])}")
    return watch.steps


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--searches", type=int, default=60_000)
    parser.add_argument("--home", type=Path, default=None, help="default: a folder that goes")
    parser.add_argument("--log", type=Path, default=None, help="default: a simulated week")
    parser.add_argument("--commands", nargs="+", default=list(_WHOLE_JOB))
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    arguments = parser.parse_args()
    if arguments.small:
        vars(arguments).update(SMALL)
    return arguments


def _print(command: str, steps: Sequence[Step]) -> None:
    print(f"{'stayrank ' + command:48s} {'peak GB':>8s} {'wall s':>8s} {'CPU s':>8s}")
    for step in _merged(steps):
        print(f"  {step.title[:46]:46s} {step.peak_gb:8.2f} {step.wall_s:8.1f} {step.cpu_s:8.1f}")
    total = [sum(getattr(step, name) for step in steps) for name in ("wall_s", "cpu_s")]
    peak = max(step.peak_gb for step in steps)
    print(f"  {'all':46s} {peak:8.2f} {total[0]:8.1f} {total[1]:8.1f}\n", flush=True)


def _merged(steps: Sequence[Step]) -> Iterator[Step]:
    """The steps in their order; a title that comes again is counted with the first."""
    by_title: dict[str, Step] = {}
    for step in steps:
        one = by_title.setdefault(step.title, Step(step.title))
        one.peak_gb = max(one.peak_gb, step.peak_gb)
        one.wall_s += step.wall_s
        one.cpu_s += step.cpu_s
    yield from by_title.values()


if __name__ == "__main__":
    sys.exit(main())
