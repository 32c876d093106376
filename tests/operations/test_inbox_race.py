"""Two hundred deliveries of one name while the inbox is read: no row is lost, none read twice."""

from __future__ import annotations

import threading
from pathlib import Path

import polars as pl
import pytest

from tests.pipelines.batch.worlds import InboxWorld, log_of

pytestmark = pytest.mark.operations

DELIVERIES = 200
KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("key", ["", KEY])
def test_a_log_replaced_while_it_is_read_loses_no_row(tmp_path: Path, key: str) -> None:
    """Each delivery holds the rows of all earlier ones and one more, as a growing day's log does.

    So a delivery that replaced an unread one brings its rows too, and every row must be in the
    lake in the end.
    """
    world = InboxWorld(tmp_path, key=key)
    searches = [f"S{n}" for n in range(1, DELIVERIES + 1)]
    rounds = 0
    read = threading.Event()

    def deliver() -> None:
        for number in range(1, DELIVERIES + 1):
            world.deliver("log.csv", log_of(searches[:number]))
            # A moment for the reader, so that deliveries fall before, into and after a reading.
            read.wait(0.02 * (number % 5))

    sender = threading.Thread(target=deliver)
    sender.start()
    while sender.is_alive():
        world.collect(start=f"start {rounds}")
        rounds += 1
    sender.join()
    world.collect(start="last")

    assert world.in_inbox() == world.in_inbox("claimed") == world.in_inbox("refused") == []
    rows = world.lake.scan("impressions").select("id_search").collect()["id_search"]
    assert sorted(rows) == sorted(searches)
    ingests = world.lake.scan("ingests").select(pl.col("rows_in").sum()).collect().item()
    assert ingests == world.lake.rows("impressions") + world.lake.rows("quarantine")
    assert rounds > 5
