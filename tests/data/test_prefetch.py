"""Prefetching changes neither the items nor the errors, and its thread always ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pyarrow as pa
import pytest

from data.prefetch import prefetched, prefetched_batches


def _prefetch_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "prefetch"]


def test_items_arrive_in_their_order_and_none_is_an_item_too():
    with prefetched([3, None, 1], ahead=1) as items:
        assert list(items) == [3, None, 1]


def test_at_most_ahead_items_wait_beside_the_one_being_put():
    produced: list[int] = []
    two_more = threading.Event()

    def source() -> Iterator[int]:
        for number in range(10):
            produced.append(number)
            if number == 3:
                two_more.set()
            yield number

    with prefetched(source(), ahead=2) as items:
        assert next(items) == 0
        assert two_more.wait(timeout=5)
        # 0 was read, 1 and 2 wait in the queue, 3 was computed and waits for space
        assert produced == [0, 1, 2, 3]


def test_items_are_computed_in_another_thread():
    with prefetched((threading.get_ident() for _ in range(2)), ahead=1) as idents:
        first, second = list(idents)
    assert first == second != threading.get_ident()


def test_error_arrives_after_the_items_before_it():
    def source() -> Iterator[int]:
        yield 1
        raise KeyError("second")

    def read() -> None:
        with prefetched(source(), ahead=4) as items:
            assert next(items) == 1
            next(items)

    with pytest.raises(KeyError, match="second"):
        read()


def test_error_of_the_source_is_raised_where_the_reader_reports_another():
    def source() -> Iterator[int]:
        raise KeyError("cause")
        yield 1

    def read() -> None:
        with prefetched(source(), ahead=1) as items:
            try:
                next(items)
            except KeyError:
                raise RuntimeError("cannot write") from None

    with pytest.raises(KeyError, match="cause") as caught:
        read()
    assert str(caught.value.__cause__) == "cannot write"


def test_error_of_the_reader_stays_and_stops_an_endless_source():
    def read() -> None:
        with prefetched(count(), ahead=1) as items:
            assert next(items) == 0
            raise ValueError("reader")

    with pytest.raises(ValueError, match="reader"):
        read()
    assert _prefetch_threads() == []


def test_reader_that_stops_early_ends_the_thread():
    with prefetched(count(), ahead=1) as items:
        assert [next(items), next(items)] == [0, 1]
        assert _prefetch_threads() == ["prefetch"]
    assert _prefetch_threads() == []


def test_batches_keep_their_schema_and_their_rows():
    table = pa.table({"clicks": [1, 2, 3]})
    with prefetched_batches(table.to_reader(max_chunksize=2)) as batches:
        assert batches.schema == table.schema
        assert [batch["clicks"].to_pylist() for batch in batches] == [[1, 2], [3]]
