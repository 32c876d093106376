"""SIGINT, SIGTERM and SIGHUP end every command alike: one sentence, exit code 128 + number.

The first of them raises :class:`Stopped` in the main thread, so that what was begun is left in
order: locks, servers, MLflow's run. Two things can be in the way of that:

- A library is in C code for a minute. Python runs signal handlers only between its own
  instructions, but its C handler writes the signal's number to a descriptor at once, and a
  thread that reads there ends the process ``SECONDS_TO_END`` later. Nothing is lost by it: every
  step bears a kill at any moment, and servers end with the process that started them.
- A library answers an interruption with an error of its own. So ``received`` is asked for at the
  end, not the error.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from types import FrameType

__all__ = ["SECONDS_TO_END", "StopSignals", "Stopped"]

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS_TO_END = 25.0


class Stopped(SystemExit):
    """A signal asked the program to end.

    A ``SystemExit``, not a ``KeyboardInterrupt``: Click would answer that with a word of its own.
    """


class StopSignals:
    """The handler of the three signals; ``received`` is the first that came."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._has_raised = False
        self._is_said = False

    def install(self) -> None:
        """Take the signals over; SIGHUP stays ignored where ``nohup`` has it so."""
        for kind in STOPPING:
            if kind is signal.SIGHUP and signal.getsignal(kind) is signal.SIG_IGN:
                continue
            signal.signal(kind, self)
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=self._end_in_time, args=(reading,), daemon=True).start()
        told = sys.unraisablehook

        def raise_again(lost: sys.UnraisableHookArgs) -> None:
            # Raised where Python drops an exception: in a finaliser, for example. Not from here,
            # where it would be dropped again.
            if isinstance(lost.exc_value, Stopped) and self.received is not None:
                self._has_raised = False
                again = threading.Timer(0.05, _thread.interrupt_main, (self.received,))
                again.daemon = True
                again.start()
            else:
                told(lost)

        sys.unraisablehook = raise_again

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Raise :class:`Stopped` at the first signal; a second Ctrl-C ends the process at once."""
        self.received = self.received or signal.Signals(number)
        if not self._has_raised:
            self._has_raised = True
            raise Stopped(self.code)
        if number == signal.SIGINT:
            self._end()

    @property
    def code(self) -> int:
        """The exit code that shells give a process that the signal ended."""
        return 128 + (self.received or signal.SIGTERM)

    @property
    def sentence(self) -> str:
        name = (self.received or signal.SIGTERM).name
        return f"stopped by {name}; nothing is half-written, the same command goes on from here"

    def say_once(self) -> str:
        """The sentence; empty if it was said already."""
        sentence = "" if self._is_said else self.sentence
        self._is_said = True
        return sentence

    def _end_in_time(self, reading: int) -> None:
        while True:
            # Any signal that Python handles is written here: a timer's too.
            came = [number for number in os.read(reading, 64) if number in STOPPING]
            if came:
                break
        # A library may have put its own handler in the place of ours.
        self.received = self.received or signal.Signals(came[0])
        time.sleep(SECONDS_TO_END)
        self._end()

    def _end(self) -> None:
        if sentence := self.say_once():
            os.write(2, f"stayrank: {sentence}\n".encode())
        os._exit(self.code)
