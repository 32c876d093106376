"""Feeds a stream of Arrow batches from a thread of its own.

Delta's writer pulls batches on a thread of its runtime, on which nothing may open a Delta
table or run a Polars scan of one: the runtime would panic. So the batches are made on
another thread, a few ahead of the writer.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

__all__ = ["pumped"]

_AHEAD = 4
_POLL_S = 0.1


@contextmanager
def pumped(stream: pa.RecordBatchReader) -> Iterator[pa.RecordBatchReader]:
    """The same batches, made on another thread.

    What making them raises leaves the ``with`` block, not the writer's report of it.
    """
    pump = _Pump(stream)
    pump.thread.start()
    try:
        yield pa.RecordBatchReader.from_batches(stream.schema, pump.batches())
    except Exception as error:
        if pump.error is not None:
            raise pump.error from error
        raise
    finally:
        pump.is_stopped.set()
        pump.thread.join()


class _Pump:
    """One stream, its thread, and the short queue between it and the writer."""

    def __init__(self, stream: pa.RecordBatchReader) -> None:
        self.error: BaseException | None = None
        self.is_stopped = threading.Event()
        self.thread = threading.Thread(target=self._fill, name="batches", daemon=True)
        self._stream = stream
        self._box: queue.Queue[pa.RecordBatch | None] = queue.Queue(maxsize=_AHEAD)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """For the writer; raises what the making raised."""
        while (batch := self._box.get()) is not None:
            yield batch
        if self.error is not None:
            raise self.error

    def _fill(self) -> None:
        try:
            for batch in self._stream:
                self._put(batch)
                if self.is_stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001  raised again on the writer's side
            self.error = error
        self._put(None)

    def _put(self, item: pa.RecordBatch | None) -> None:
        """Wait for room, but not for a writer that has given up."""
        while not self.is_stopped.is_set():
            try:
                self._box.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return
