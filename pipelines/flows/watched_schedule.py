"""Serve deployments, and watch the Prefect server that they are served from.

Prefect's runner asks its server for due runs for ever, also when there is none: nothing would
start any more, and nobody would be told. So a server of ours that has ended, or no longer
answers, is started again on its port, later with every try. After ``MOST_RESTARTS`` in a row, or
where a server of somebody else has been silent for ``SECONDS_OF_SILENCE``, serving ends with an
error, for whatever looks after this process to see.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from data.errors import DataError
from pipelines.config.child_servers import RunningServer, answers, start_server, wait_until_up

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

__all__ = ["NamedServer", "OwnServer", "serve_watched"]

SECONDS_BETWEEN_LOOKS = 2.0
# A server that is busy with its database may miss some looks.
LOOKS_WITHOUT_ANSWER = 15
MOST_RESTARTS = 5
SECONDS_BEFORE_RESTARTS = (0, 2, 10, 30, 60)
# A server that held this long has recovered: its restarts are forgotten.
SECONDS_OF_HEALTH = 600.0
SECONDS_OF_SILENCE = 300.0
SECONDS_BEFORE_RUNNER = 5.0
# Prefect plans the runs of a new deployment within seconds.
SECONDS_BEFORE_CHORE, SECONDS_BETWEEN_CHORES = 10.0, 60.0


@dataclass
class OwnServer:
    """The server that this command started; see :meth:`look`."""

    running: RunningServer
    say: Callable[[str], None]
    _missed: int = field(default=0, init=False)
    _restarts: int = field(default=0, init=False)
    _since: float = field(default_factory=time.monotonic, init=False)

    def look(self) -> None:
        """Start the server again if it has ended or is silent.

        Raises ``DataError`` after ``MOST_RESTARTS`` in a row.
        """
        problem = self._problem()
        if not problem:
            if time.monotonic() - self._since > SECONDS_OF_HEALTH:
                self._restarts = 0
            return
        while True:
            if self._restarts == MOST_RESTARTS:
                raise DataError(
                    f"Prefect's server {problem}, after {MOST_RESTARTS} restarts; its log is "
                    f"{self.running.server.log}. Nothing is served; mend it and start again"
                )
            wait_s = SECONDS_BEFORE_RESTARTS[self._restarts]
            self._restarts += 1
            self.say(f"Prefect's server {problem}: starting it again in {wait_s} s")
            time.sleep(wait_s)
            try:
                self._restart()
            except DataError:
                problem = "does not start"
            else:
                self.say("Prefect's server answers again")
                return

    def _problem(self) -> str:
        code = self.running.exit_code
        if code is not None:
            return f"ended by itself (code {code})"
        self._missed = 0 if answers(self.running.server.health_url) else self._missed + 1
        return "does not answer" if self._missed == LOOKS_WITHOUT_ANSWER else ""

    def _restart(self) -> None:
        self.running.stop()
        self.running, self._missed = start_server(self.running.server), 0
        wait_until_up(self.running)
        self._since = time.monotonic()


@dataclass
class NamedServer:
    """A server that somebody else looks after, at the address of ``PREFECT_API_URL``."""

    problem_of: Callable[[], str]
    say: Callable[[str], None]
    _silent_since: float | None = field(default=None, init=False)

    def look(self) -> None:
        """Say when the server falls silent and when it answers again.

        Raises ``DataError`` after ``SECONDS_OF_SILENCE``.
        """
        problem = self.problem_of()
        if not problem:
            if self._silent_since is not None:
                self.say("the Prefect server answers again")
            self._silent_since = None
            return
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            self.say(f"{problem}; no batch starts meanwhile")
        if time.monotonic() - self._silent_since >= SECONDS_OF_SILENCE:
            minutes = SECONDS_OF_SILENCE / 60
            raise DataError(f"{problem}, for {minutes:.0f} minutes; stopped serving")


def serve_watched(
    deployments: Sequence[RunnerDeployment],
    server: OwnServer | NamedServer,
    say: Callable[[str], None],
    each_minute: Callable[[], None] = lambda: None,
) -> None:
    """Serve until the command is stopped, or the server cannot be had back (``DataError``).

    ``each_minute``: a chore at that server, done beside the looks; one that fails is tried again.
    """
    _quieten_runner()
    # It shows tracebacks of tasks that a signal ended.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    asyncio.run(_serve(deployments, server, say, each_minute))


async def _serve(
    deployments: Sequence[RunnerDeployment],
    server: OwnServer | NamedServer,
    say: Callable[[str], None],
    each_minute: Callable[[], None],
) -> None:
    watching = asyncio.ensure_future(_watch(server, each_minute))
    failures, began = 0, time.monotonic()
    while True:
        serving = asyncio.create_task(_run(deployments))
        try:
            await asyncio.wait([serving, watching], return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()  # raises
        finally:
            # At a signal too: the runner ends the batches that it has started.
            serving.cancel()
            problem = (await asyncio.gather(serving, return_exceptions=True))[0]
        failures = 0 if time.monotonic() - began > SECONDS_OF_HEALTH else failures + 1
        if failures > MOST_RESTARTS:
            raise DataError(f"Prefect's runner ends again and again: {_first_line(problem)}")
        # It gives up when the server has not answered some times in a row.
        say(f"Prefect's runner ended ({_first_line(problem)}): beginning again")
        await asyncio.sleep(SECONDS_BEFORE_RUNNER)
        began = time.monotonic()


async def _run(deployments: Sequence[RunnerDeployment]) -> None:
    from prefect.runner import Runner

    # Prefect would leave the schedules paused: a restart would then run nothing.
    runner = Runner(pause_on_shutdown=False)
    # Prefect's own handler would end with code 0. The command line's is in place already.
    runner.handle_sigterm = signal.getsignal(signal.SIGTERM)  # type: ignore[method-assign, assignment]
    for deployment in deployments:
        await runner.aadd_deployment(deployment)
    await runner.start()


async def _watch(server: OwnServer | NamedServer, each_minute: Callable[[], None]) -> None:
    """Look at the server again and again, in a thread that the end of the program need not await.

    Raises what a look raises.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def end(error: Exception) -> None:
        if not ended.done():
            ended.set_exception(error)

    def watch() -> None:
        due = time.monotonic() + SECONDS_BEFORE_CHORE
        try:
            while True:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                server.look()
                if time.monotonic() >= due:
                    due = time.monotonic() + SECONDS_BETWEEN_CHORES
                    # What keeps it from being done is the server's silence, and told by a look.
                    with suppress(Exception):
                        each_minute()
        except Exception as error:  # noqa: BLE001  # raised where it is awaited
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(end, error)

    threading.Thread(target=watch, daemon=True).start()
    await ended


def _quieten_runner() -> None:
    """Keep the runner from printing tracebacks of a server that is away: that is told in words."""
    from prefect.runner import _scheduled_run_poller as poller

    def print_nothing(*_: Any) -> None:
        return

    loop = getattr(poller, "critical_service_loop", None)
    if loop is not None and not isinstance(loop, partial):
        vars(poller)["critical_service_loop"] = partial(loop, printer=print_nothing)


def _first_line(problem: object) -> str:
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return (str(problem).splitlines() or [""])[0] or type(problem).__name__
