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
    """The same batches, made on another thread; what that thread raises is raised here.

    The reader's error, not the writer's report of it, leaves the ``with`` block.
    """
    box: queue.Queue[pa.RecordBatch | None] = queue.Queue(maxsize=_AHEAD)
    stop, failed = threading.Event(), list[BaseException]()

    def put(item: pa.RecordBatch | None) -> None:
        while not stop.is_set():
            try:
                box.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return

    def fill() -> None:
        try:
            for batch in stream:
                put(batch)
                if stop.is_set():
                    return
        except BaseException as error:  # noqa: BLE001  handed to the other thread, and raised there
            failed.append(error)
        put(None)

    def batches() -> Iterator[pa.RecordBatch]:
        while (batch := box.get()) is not None:
            yield batch
        if failed:
            raise failed[0]

    thread = threading.Thread(target=fill, name="batches", daemon=True)
    thread.start()
    try:
        yield pa.RecordBatchReader.from_batches(stream.schema, batches())
    except Exception as error:
        if failed:
            raise failed[0] from error
        raise
    finally:
        stop.set()
        thread.join()
