"""Makes the items of a stream on a thread of its own, a few ahead of their reader.

Reading a log and judging it then overlap. And Delta needs it: its writer pulls batches on
a thread of its runtime, on which nothing may open a Delta table or run a Polars scan of
one; the runtime would panic.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import pyarrow as pa

__all__ = ["prefetched", "prefetched_batches"]

_POLL_S = 0.1

T = TypeVar("T")


@contextmanager
def prefetched_batches(stream: pa.RecordBatchReader) -> Iterator[pa.RecordBatchReader]:
    """The same batches, made on another thread, a few ahead of the reader."""
    with prefetched(stream, ahead=4) as batches:
        yield pa.RecordBatchReader.from_batches(stream.schema, batches)


@contextmanager
def prefetched(items: Iterable[T], *, ahead: int) -> Iterator[Iterator[T]]:
    """The same items, made on another thread, at most ``ahead`` waiting.

    What making them raises leaves the ``with`` block, even where the reader of the items
    reports it as something else.
    """
    pump = _Prefetcher(items, ahead)
    pump.thread.start()
    try:
        yield pump.items()
    except Exception as error:
        if pump.error is not None and pump.error is not error:
            raise pump.error from error
        raise
    finally:
        pump.is_stopped.set()
        pump.thread.join()


class _Prefetcher(Generic[T]):
    """One stream, its thread, and the short queue between it and the reader."""

    def __init__(self, made: Iterable[T], ahead: int) -> None:
        self.error: BaseException | None = None
        self.is_stopped = threading.Event()
        self.thread = threading.Thread(target=self._fill, name="made-ahead", daemon=True)
        self._made = made
        self._box: queue.Queue[tuple[T] | None] = queue.Queue(maxsize=ahead)

    def items(self) -> Iterator[T]:
        """For the reader; raises what the making raised."""
        while (item := self._box.get()) is not None:
            yield item[0]
        if self.error is not None:
            raise self.error

    def _fill(self) -> None:
        try:
            for item in self._made:
                self._put((item,))
                if self.is_stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001  raised again on the reader's side
            self.error = error
        self._put(None)

    def _put(self, item: tuple[T] | None) -> None:
        """Wait for room, but not for a reader that has given up."""
        while not self.is_stopped.is_set():
            try:
                self._box.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return
