"""Compute the items of a stream in a second thread, a few ahead of the reader.

Reading a log and validating it then overlap. Delta needs it for another reason: its writer
pulls batches from inside a thread of its own runtime, and a batch whose computation opens a
Delta table or scans one with Polars there makes that runtime panic. Computed here, the batch
is only handed over.

::

    producer thread                     reader (the body of the ``with`` block)
    item 1, 2, 3 → queue (``ahead``) →  next() … next()
    error        → queue: None       →  raised by next(), and again by the ``with`` block
    stops        ← is_stopped        ←  the ``with`` block ends, finished or not
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
    """The same batches, computed in another thread, a few ahead of the reader."""
    with prefetched(stream, ahead=4) as batches:
        yield pa.RecordBatchReader.from_batches(stream.schema, batches)


@contextmanager
def prefetched(items: Iterable[T], *, ahead: int) -> Iterator[Iterator[T]]:
    """The same items, computed in another thread, with at most ``ahead`` waiting in a queue.

    An error raised while computing them leaves the ``with`` block as it is, even where the
    reader of the items reports it as something else. When the block ends, the thread stops
    after the item that it is computing, whether or not all items were read.

    >>> with prefetched(range(1, 4), ahead=2) as numbers:
    ...     sum(numbers)
    6
    """
    prefetcher = _Prefetcher(items, ahead)
    prefetcher.thread.start()
    try:
        yield prefetcher.items()
    except Exception as error:
        # Delta wraps an error of its input in a DeltaError: the cause is what people need
        if prefetcher.error is not None and prefetcher.error is not error:
            raise prefetcher.error from error
        raise
    finally:
        prefetcher.is_stopped.set()
        prefetcher.thread.join()


class _Prefetcher(Generic[T]):
    """One stream, its thread, and the short queue between it and the reader."""

    def __init__(self, source: Iterable[T], ahead: int) -> None:
        self.error: BaseException | None = None
        self.is_stopped = threading.Event()
        self.thread = threading.Thread(target=self._fill, name="prefetch", daemon=True)
        self._source = source
        # items are wrapped in a tuple, so that None is the end and not an item
        self._queue: queue.Queue[tuple[T] | None] = queue.Queue(maxsize=ahead)

    def items(self) -> Iterator[T]:
        """For the reader; raises what computing the items raised."""
        while (item := self._queue.get()) is not None:
            yield item[0]
        if self.error is not None:
            raise self.error

    def _fill(self) -> None:
        try:
            for item in self._source:
                self._put((item,))
                if self.is_stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001  raised again on the reader's side
            self.error = error
        self._put(None)

    def _put(self, item: tuple[T] | None) -> None:
        """Wait for space in the queue, but not for a reader that has given up.

        The wait is cut into short ones: a thread that waits for space on a queue that nobody
        reads any more would never see ``is_stopped``.
        """
        while not self.is_stopped.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return
