"""What a person sees while a command runs: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pipelines.config.malloc import return_free_pages

__all__ = ["Console", "ProgressCall", "program"]

ProgressCall = Callable[[int, int], None]

SECONDS_BETWEEN_LINES = 10.0
WIDTH_OF_A_LOG = 120


def program() -> str:
    """How to call this program again: ``stayrank`` where the shell finds it, else its path."""
    called = Path(sys.argv[0])
    on_path = shutil.which("stayrank")
    is_on_path = on_path is not None and called.exists() and Path(on_path).samefile(called)
    return shlex.quote(str(called)) if called.name == "stayrank" and not is_on_path else "stayrank"


def _output() -> RichConsole:
    """Standard output; a file or a pipe has no width, so it gets one that holds a table."""
    console = RichConsole(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH_OF_A_LOG
    return console


@dataclass(frozen=True)
class Console:
    """Where a command writes: results on standard output, progress on standard error."""

    out: RichConsole = field(default_factory=_output)
    err: RichConsole = field(
        default_factory=lambda: RichConsole(stderr=True, highlight=False, soft_wrap=True)
    )

    def say(self, line: str = "") -> None:
        """One line for the person."""
        self.out.print(line, markup=False)

    def show_link(self, link: str) -> None:
        """A link with the token that opens it, which :meth:`say` would hide."""
        write = getattr(sys.stdout, "write_as_it_is", sys.stdout.write)
        write(f"{link}\n")
        sys.stdout.flush()

    @contextmanager
    def step(self, title: str) -> Iterator[ProgressCall]:
        """Print a step's title, then its seconds; yields the call that reports its progress.

        That call takes the units done and their total. What the step freed goes back to the
        system, so that the next one does not begin on top of it.
        """
        started = time.monotonic()
        if self.err.is_terminal:
            with self._bar(title) as report_progress:
                yield report_progress
        else:
            self.err.print(f"{title} …", markup=False)
            yield self._lines(title)
        return_free_pages()
        self.err.print(f"{title}: {time.monotonic() - started:.1f} s", markup=False)

    @contextmanager
    def _bar(self, title: str) -> Iterator[ProgressCall]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.err, transient=True) as progress:
            task = progress.add_task(title, total=None)

            def report_progress(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            yield report_progress

    def _lines(self, title: str) -> ProgressCall:
        last = time.monotonic()

        def report_progress(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                self.err.print(f"{title}: {done:,} of {total:,}", markup=False)

        return report_progress
