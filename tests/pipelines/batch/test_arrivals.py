"""Deliveries through the inbox: replaced, growing, repeated, and bad ones beside sound ones."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from data.errors import DataError
from data.ingest.report import IngestReport
from pipelines.batch import inbox as inbox_module
from pipelines.batch.clock import today
from tests.pipelines.batch.worlds import DAY, InboxWorld, log_of

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def world(tmp_path: Path) -> InboxWorld:
    return InboxWorld(tmp_path)


@pytest.fixture
def after_ingest(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], None]], None]:
    """Calls a function with the file right after it was ingested, before it is put away."""

    def install(act: Callable[[Path], None]) -> None:
        ingest = inbox_module.ingest_with_report

        def then(context: Any, paths: Any, *given: Any) -> IngestReport:
            report = ingest(context, paths, *given)
            act(paths[0])
            return report

        monkeypatch.setattr(inbox_module, "ingest_with_report", then)

    return install


@pytest.mark.parametrize("key", ["", KEY])
def test_a_log_delivered_during_the_ingest_is_not_put_away_unread(
    tmp_path: Path, after_ingest: Callable[..., None], key: str
) -> None:
    world = InboxWorld(tmp_path, key=key)
    world.deliver("log.csv", log_of(["S1"]))
    late: list[str] = [log_of(["S1", "S2", "S3"])]
    after_ingest(lambda _: world.deliver("log.csv", late.pop()) if late else None)
    world.collect()
    assert (world.searches(), world.in_inbox()) == ({"S1"}, ["log.csv"])
    world.collect(start="second")
    assert (world.searches(), world.in_inbox()) == ({"S1", "S2", "S3"}, [])
    assert world.in_inbox("taken") == ([] if key else ["log.2.csv", "log.csv"])


@pytest.mark.parametrize("key", ["", KEY])
def test_a_file_that_grows_after_it_was_claimed_is_given_back_and_read_again(
    tmp_path: Path, after_ingest: Callable[..., None], key: str
) -> None:
    world = InboxWorld(tmp_path, key=key)
    world.deliver("log.csv", log_of(["S1"]))
    more = [log_of(["S2"]).splitlines()[1] + "\n"]

    def grow(path: Path) -> None:
        if more:
            with path.open("a") as file:
                file.write(more.pop())

    after_ingest(grow)
    assert world.collect()["growing"] == ("log.csv",)
    assert world.in_inbox() == ["log.csv"]
    world.collect(start="second")
    assert (world.searches(), world.in_inbox()) == ({"S1", "S2"}, [])


def test_killed_before_a_file_is_put_away_the_next_start_finds_it_claimed(
    world: InboxWorld, after_ingest: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """As a kill: nothing of the batch runs after it."""

    def kill(_: Path) -> None:
        raise Killed

    world.deliver("log.csv", log_of(["S1", "S2"]))
    with monkeypatch.context():
        after_ingest(kill)
        with pytest.raises(Killed):
            world.collect()
    monkeypatch.undo()
    assert world.in_inbox("claimed") == ["log.csv"]
    arrived = world.collect(start="second")
    assert world.in_inbox("taken") == ["log.csv"]
    assert arrived["taken"]["log.csv"]["rows_accepted"] == 0  # "already ingested"
    assert world.searches() == {"S1", "S2"}


def test_the_same_name_on_a_later_day_keeps_both_raw_copies(world: InboxWorld) -> None:
    world.deliver("log.csv", log_of(["S1"]))
    world.collect()
    world.deliver("log.csv", log_of(["S2"], day="2018-02-06"))
    world.collect(DAY + timedelta(days=1))
    taken = world.inbox / "taken"
    assert (taken / "log.csv").read_text() == log_of(["S1"])
    assert (taken / "log.2.csv").read_text() == log_of(["S2"], day="2018-02-06")


def _of_another_origin(world: InboxWorld) -> None:
    lines = log_of(["S9"]).splitlines()
    world.deliver("bad.csv", f"{lines[0]},is_simulated\n{lines[1]},true\n")


def _link(world: InboxWorld) -> None:
    outside = world.inbox.parent.parent / "outside.csv"
    outside.write_text(log_of(["SECRET"]))
    (world.inbox / "bad.csv").symlink_to(outside)


def _dangling_link(world: InboxWorld) -> None:
    (world.inbox / "bad.csv").symlink_to(world.inbox / "nowhere.csv")


def _pipe(world: InboxWorld) -> None:
    os.mkfifo(world.inbox / "bad.csv")


def _truncated_archive(world: InboxWorld) -> None:
    world.deliver("bad.csv", gzip.compress(log_of(["S9"]).encode() * 9)[:-20])


BAD: dict[str, tuple[Callable[[InboxWorld], Any], str]] = {
    "another origin": (_of_another_origin, "belong in a home of their own"),
    "a link out of the inbox": (_link, "is a link"),
    "a link to nothing": (_dangling_link, "is a link"),
    "a pipe": (_pipe, "is a pipe"),
    "a truncated archive": (_truncated_archive, "truncated or corrupt"),
    "an empty file": (lambda world: world.deliver("bad.csv", ""), "the file is empty"),
    "no log": (lambda world: world.deliver("bad.csv", b"PK\x03\x04..."), "a zip archive"),
    "every row rejected": (
        lambda world: world.deliver("bad.csv", log_of(["S9"], label="gazed at")),
        "every one of its 1 rows",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_set_aside_with_its_reason_and_the_others_go_on(
    world: InboxWorld, kind: str
) -> None:
    deliver, reason = BAD[kind]
    world.deliver("a.csv", log_of(["S1"]))
    world.collect()
    deliver(world)
    world.deliver("z.csv", log_of(["S2"]))
    arrived = world.collect(start="second")
    assert reason in arrived["refused"]["bad.csv"]
    assert "bad.csv" in arrived["refused"]["bad.csv"]
    assert str(world.inbox) not in arrived["refused"]["bad.csv"].replace(str(world.lake.home), "")
    assert "bad.csv" in arrived["warning"]
    assert world.searches() == {"S1", "S2"}
    assert world.in_inbox() == []
    assert world.in_inbox("refused") == ["bad.csv", "bad.csv.reason.txt"]
    assert world.in_inbox("taken") == ["a.csv", "z.csv"]


def test_a_file_that_raises_what_nobody_foresaw_is_set_aside(
    world: InboxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest = inbox_module.ingest_with_report

    def fail(context: Any, paths: Any, *given: Any) -> IngestReport:
        if paths[0].name == "bad.csv":
            raise MemoryError("a line of 640 MB")
        return ingest(context, paths, *given)

    monkeypatch.setattr(inbox_module, "ingest_with_report", fail)
    world.deliver("bad.csv", log_of(["S9"]))
    world.deliver("z.csv", log_of(["S2"]))
    arrived = world.collect()
    assert "MemoryError: a line of 640 MB" in arrived["refused"]["bad.csv"]
    assert world.searches() == {"S2"}


def test_a_damaged_home_is_not_the_fault_of_the_file(
    world: InboxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any) -> IngestReport:
        raise DataError("the disk is full")

    world.deliver("log.csv", log_of(["S1"]))
    with monkeypatch.context() as patch:
        patch.setattr(inbox_module, "ingest_with_report", fail)
        with pytest.raises(DataError, match="the disk is full"):
            world.collect()
    assert (world.in_inbox("refused"), world.in_inbox("claimed")) == ([], ["log.csv"])
    world.collect(start="second")
    assert world.searches() == {"S1"}


def test_a_file_that_cannot_be_moved_is_named_and_the_others_go_on(
    world: InboxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = inbox_module.claims.claim

    def refuse_one(path: Path, used: Any = ()) -> Path:
        if path.name == "stuck.csv":
            raise PermissionError(1, "Operation not permitted", str(path))
        return claim(path, used)

    monkeypatch.setattr(inbox_module.claims, "claim", refuse_one)
    world.deliver("stuck.csv", log_of(["S1"]))
    world.deliver("z.csv", log_of(["S2"]))
    arrived = world.collect()
    assert arrived["refused"]["stuck.csv"] == (
        "stuck.csv: cannot be moved out of the inbox (Operation not permitted); left there"
    )
    assert (world.searches(), world.in_inbox()) == ({"S2"}, ["stuck.csv"])


def test_a_folder_in_the_inbox_is_named(world: InboxWorld) -> None:
    (world.inbox / "january").mkdir()
    world.deliver("log.csv", log_of(["S1"]))
    assert "january: is a folder" in world.collect()["warning"]


def test_a_search_dated_ahead_is_quarantined_and_the_day_goes_on(world: InboxWorld) -> None:
    sound, ahead = log_of(["S1", "S2"]), log_of(["S3"], day="2099-12-31").splitlines()[1]
    world.deliver("log.csv", f"{sound}{ahead}\n")
    arrived = world.collect()
    assert "1 impression dated 2099-12-31" in arrived["warning"]
    assert (world.searches(), world.searches("quarantine")) == ({"S1", "S2"}, {"S3"})
    reasons = world.lake.scan("quarantine").collect()
    assert reasons["reasons"].to_list() == ["time_ahead"]
    assert reasons["source_file"].str.ends_with("log.csv").all()
    assert {day for _, day in world.lake.market_days()} == {date(2018, 2, 5)}
    assert world.collect(start="second")["ahead"] == ""


@pytest.mark.parametrize(("ahead", "is_moved"), [(1, False), (2, True)])
def test_searches_may_be_dated_a_day_ahead_of_the_clock(
    world: InboxWorld, ahead: int, is_moved: bool
) -> None:
    day = today(world.context.settings) + timedelta(days=ahead)
    world.deliver("log.csv", log_of(["S1"], day=day.isoformat()))
    world.collect()
    assert world.searches("quarantine") == ({"S1"} if is_moved else set())


def test_what_somebody_should_look_at_in_a_file_is_a_warning_of_the_batch(
    world: InboxWorld,
) -> None:
    sound = log_of([f"S{n}" for n in range(20)])
    odd = log_of(["S90", "S91"], label="gazed at").split("\n", 1)[1]
    world.deliver("log.csv", sound + odd)
    arrived = world.collect()
    assert arrived["condition"] == "sound"
    (warning,) = arrived["warnings"]
    assert warning.startswith("log.csv: 2 of its 22 rows")
    assert "2 of its 22 rows" in arrived["warning"]
    assert arrived["taken"]["log.csv"] == {
        "again": False,
        "rows_in": 22,
        "rows_accepted": 20,
        "rows_quarantined": 2,
    }


@pytest.mark.parametrize("name", ["log.jsonl.gz", "log.ndjson", "log.json"])
def test_lines_of_json_are_taken_like_columns(world: InboxWorld, name: str) -> None:
    header, *lines = log_of(["S1", "S2"]).splitlines()
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    world.deliver(name, gzip.compress(content) if name.endswith(".gz") else content)
    assert world.collect()["refused"] == {}
    assert world.searches() == {"S1", "S2"}
    assert world.in_inbox("taken") == [name]


def test_the_marks_beside_a_log_are_no_deliveries(world: InboxWorld) -> None:
    world.deliver("_SUCCESS", "")
    world.deliver("part-0.csv", log_of(["S1"]))
    assert world.collect()["refused"] == {}
    assert world.in_inbox() == ["_SUCCESS"]
    assert world.searches() == {"S1"}
