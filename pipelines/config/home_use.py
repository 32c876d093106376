"""Who may change a home at one time: any number of runs, or one erasure alone.

A training that had read a guest's rows before the erasure would write models that know the
guest after it. So every step that reads rows and writes what it made of them holds the home as a
user meanwhile, and an erasure waits until no step does. Steps inside steps hold it twice, which
costs nothing. The kernel frees it when a process ends, however it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from data.lake.lock import folder_lock
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import Settings

__all__ = ["erasing_from_home", "uses_home", "using_home"]

P = ParamSpec("P")
R = TypeVar("R")


class HasHome(Protocol):
    """What a step is handed; ``pipelines.run_context.RunContext``."""

    @property
    def home(self) -> Home: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def console(self) -> Console: ...


C = TypeVar("C", bound=HasHome)


@contextmanager
def using_home(context: HasHome) -> Iterator[None]:
    """Hold the home beside other runs; waits, with a sentence, while a guest is erased.

    Raises ``LakeBusyError`` after ``batch.wait_s`` seconds.
    """
    with folder_lock(
        context.home.prepare().root,
        "a guest is being erased from this home",
        is_shared=True,
        wait_s=context.settings.batch.wait_s,
        on_wait=lambda: context.console.say("waiting: a guest is being erased from this home"),
    ):
        yield


@contextmanager
def erasing_from_home(context: HasHome) -> Iterator[None]:
    """Hold the home alone; waits, with a sentence, until no run uses it.

    Raises ``LakeBusyError`` after ``batch.wait_s`` seconds.
    """
    with folder_lock(
        context.home.root,
        "a run is using this home",
        is_shared=False,
        wait_s=context.settings.batch.wait_s,
        on_wait=lambda: context.console.say("waiting: a run is using this home"),
    ):
        yield


def uses_home(step: Callable[Concatenate[C, P], R]) -> Callable[Concatenate[C, P], R]:
    """A step, its context first, that holds the home from its beginning to its end."""

    @wraps(step)
    def holding(context: C, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with using_home(context):
            return step(context, *args, **kwargs)

    return holding
