"""The environment of all tests, set before a library that reads it is imported."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from models.passive_threads import wait_passively

# As every program here does: of two test processes that share two cores the threads of one would
# spin while those of the other have no core.
wait_passively(os.environ)


@pytest.fixture
def no_signal_ignored() -> Iterator[None]:
    """What a test starts hears every signal, also where the tests themselves run under nohup.

    A signal that a process ignores is ignored by its children, and a program that is started so
    rightly leaves it ignored.
    """
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {kind: signal.getsignal(kind) for kind in signals}
    for kind, handler in before.items():
        if handler is signal.SIG_IGN:
            signal.signal(kind, signal.SIG_DFL)
    yield
    for kind, handler in before.items():
        signal.signal(kind, handler)
