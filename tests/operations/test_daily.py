"""A daily batch: bad days, second starts, what stays published, alerts."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr

from data.errors import DataError, LakeBusyError
from data.lake.lock import file_lock
from pipelines.batch.journal import Batch, BatchStage
from pipelines.batch.run_batch import new_id, run_batch
from pipelines.recommendation.published_pointer import read_published
from pipelines.run_context import RunContext
from tests.operations.worlds import TwoWeeks, context_in, daily, deliver, published_rows

pytestmark = pytest.mark.operations

NEXT = date(2026, 1, 21)
MakeContext = Callable[..., RunContext]


def _small_log(two_weeks: TwoWeeks, rows: int) -> Path:
    """The next day's log with its first ``rows`` rows."""
    path = two_weeks.folder / "small.parquet"
    pl.read_parquet(two_weeks.log(date(2026, 1, 20))).head(rows).write_parquet(path)
    return path


def _rejected_log(two_weeks: TwoWeeks) -> Path:
    """The next day's log with a label in every row that nobody knows."""
    path = two_weeks.folder / "rejected.parquet"
    rows = pl.read_parquet(two_weeks.log(date(2026, 1, 20)))
    rows.with_columns(label=pl.lit("gazed at")).write_parquet(path)
    return path


def _empty_log(two_weeks: TwoWeeks) -> Path:
    path = two_weeks.folder / "empty.csv"
    path.write_text("id_search,id_listing,label,ts_search,query_market\n")
    return path


def _nothing(two_weeks: TwoWeeks) -> None:
    return None


DAYS: dict[str, Callable[[TwoWeeks], Path | None]] = {
    "missing": _nothing,
    "empty": _empty_log,
    "small": lambda two_weeks: _small_log(two_weeks, 300),
    "rejected": _rejected_log,
}


@pytest.mark.parametrize("behaviour", ["hold", "fail"])
@pytest.mark.parametrize("condition", DAYS)
def test_on_a_bad_day_the_last_recommendations_stay_published(
    after_first_day: MakeContext, two_weeks: TwoWeeks, condition: str, behaviour: str
) -> None:
    context = after_first_day(**{f"when_{condition}": behaviour})
    before, rows = read_published(context.home), published_rows(context.home)
    log = DAYS[condition](two_weeks)
    deliver(context, *([log] if log else []))
    if behaviour == "fail":
        with pytest.raises(DataError, match=f"{condition}: the log of 2026-01-20"):
            daily(context, NEXT)
    else:
        batch = daily(context, NEXT)
        assert batch.is_held
        assert condition in batch.journal()["reason"]
    assert read_published(context.home) == before
    assert published_rows(context.home).equals(rows)


def test_a_day_without_a_log_can_go_on_with_a_warning(after_first_day: MakeContext) -> None:
    context = after_first_day(when_missing="warn")
    batch = daily(context, NEXT)
    assert batch.is_done
    assert "missing" in batch.results["arrive"]["warning"]
    assert read_published(context.home).ds == "2026-01-21"


def test_a_held_day_goes_on_when_its_log_arrives(
    after_first_day: MakeContext, two_weeks: TwoWeeks
) -> None:
    context = after_first_day()
    assert daily(context, NEXT).is_held
    deliver(context, two_weeks.log(date(2026, 1, 20)))
    assert daily(context, NEXT).is_done
    assert read_published(context.home).ds == "2026-01-21"


def test_a_refused_file_is_set_aside_with_its_reason(
    after_first_day: MakeContext, two_weeks: TwoWeeks
) -> None:
    context = after_first_day(when_rejected="hold")
    deliver(context, _rejected_log(two_weeks))
    daily(context, NEXT)
    refused = context.home.root / "inbox" / "refused"
    assert (refused / "rejected.parquet").is_file()
    assert "every one of its" in (refused / "rejected.parquet.reason.txt").read_text()


def test_a_file_that_is_still_being_delivered_is_left_alone(after_first_day: MakeContext) -> None:
    context = after_first_day()
    part = context.home.root / "inbox" / "2026-01-20.csv.part"
    part.write_text("id_sea")
    assert daily(context, NEXT).is_held
    assert part.exists()


def test_a_day_that_is_done_is_left_alone(after_first_day: MakeContext) -> None:
    context = after_first_day()
    versions = {name: context.lake.version(name) for name in ("impressions", "recommendations")}
    assert daily(context).is_done
    assert {name: context.lake.version(name) for name in versions} == versions


def test_a_second_start_of_the_same_day_is_refused_by_name(after_first_day: MakeContext) -> None:
    context = after_first_day(when_busy="refuse")
    lock = context.home.batches / "daily" / NEXT.isoformat() / "lock"
    with (
        file_lock(lock, "the first start", wait_s=0),
        pytest.raises(LakeBusyError, match="daily 2026-01-21 is running already"),
    ):
        daily(context, NEXT)


def test_a_second_start_waits_and_finds_the_day_done(after_first_day: MakeContext) -> None:
    context = after_first_day(when_busy="wait", wait_s=60)
    started, go_on, done = threading.Event(), threading.Event(), []

    def slowly(batch: Batch) -> dict[str, str]:
        started.set()
        go_on.wait(30)
        done.append(batch.id)
        return {}

    stages = (BatchStage(name="only", work=slowly),)

    def start() -> None:
        batch = Batch(context=context, kind="daily", day=NEXT, id=new_id())
        run_batch(batch, stages)

    threads = [threading.Thread(target=start) for _ in range(2)]
    threads[0].start()
    started.wait(30)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert len(done) == 1


def test_an_older_day_made_again_does_not_replace_a_newer_one(
    after_first_day: MakeContext, two_weeks: TwoWeeks
) -> None:
    context = after_first_day()
    deliver(context, two_weeks.log(date(2026, 1, 20)))
    daily(context, NEXT)
    daily(context, date(2026, 1, 20), again=True)
    assert read_published(context.home).ds == "2026-01-21"


def test_a_damaged_model_is_named_and_the_champion_before_is_used(
    after_first_day: MakeContext, two_weeks: TwoWeeks
) -> None:
    context = after_first_day()
    (first,) = context.home.runs.glob("*/run.json")
    newer = context.home.runs / "9999-newer"
    newer.mkdir()
    for path in sorted(first.parent.rglob("*")):
        target = newer / path.relative_to(first.parent)
        target.mkdir(exist_ok=True) if path.is_dir() else target.write_bytes(path.read_bytes())
    record = json.loads(first.read_text()) | {"name": newer.name}
    (newer / "run.json").write_text(json.dumps(record))
    history = {"runs": [newer.name, first.parent.name]}
    (context.home.root / "champion.json").write_text(json.dumps(history))
    weights = newer / "models" / "two_tower" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    deliver(context, two_weeks.log(date(2026, 1, 20)))
    chosen = daily(context, NEXT).results["models"]
    assert (chosen["run"], chosen["standing"]) == (first.parent.name, "previous champion")
    assert any("weights.safetensors: is not the file" in warning for warning in chosen["warnings"])


@pytest.mark.parametrize("part", ["market=*/**/*.parquet", "_delta_log/*.checkpoint.parquet"])
@pytest.mark.parametrize("table", ["impressions", "features"])
def test_a_damaged_table_file_is_named_and_what_can_be_built_again_is(
    after_first_day: MakeContext, two_weeks: TwoWeeks, table: str, part: str
) -> None:
    context = after_first_day()
    deliver(context, two_weeks.log(date(2026, 1, 20)))
    file = min((context.home.root / "lake" / table).glob(part))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(bytes(content))
    named = "_delta_log" if "_delta_log" in part else file.name
    if table == "impressions":
        before = read_published(context.home)
        with pytest.raises(DataError, match=named):
            daily(context, NEXT)
        assert read_published(context.home) == before
    else:
        batch = daily(context, NEXT)
        assert batch.is_done
        assert any(named in warning for warning in batch.results["check tables"]["warnings"])


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.received.append(json.loads(self.rfile.read(length)))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *given: object) -> None:
        """Print nothing: the test reads what was received."""


@pytest.fixture
def receiver() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Receiver)
    server.received = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_failure_sends_an_alert_and_no_secret_is_written(
    after_first_day: MakeContext, two_weeks: TwoWeeks, receiver: HTTPServer
) -> None:
    address = f"http://127.0.0.1:{receiver.server_port}/planted-secret"
    context = after_first_day()
    settings = context.settings.model_copy(update={"webhook": SecretStr(address)})
    deliver(context, _rejected_log(two_weeks))
    with pytest.raises(DataError, match="stops"):
        daily(context_in(context.home.root, settings), NEXT)
    (alert,) = receiver.received  # type: ignore[attr-defined]
    assert alert["status"] == "failed"
    assert "stayrank daily 2026-01-21 failed: daily 2026-01-21 stops. rejected" in alert["text"]
    assert alert["run"] in alert["log"]
    for path in context.home.root.rglob("*"):
        assert not path.is_file() or b"planted-secret" not in path.read_bytes()


def test_the_log_of_a_run_is_one_file_with_its_id_in_every_line(
    after_first_day: MakeContext,
) -> None:
    context = after_first_day()
    batch = daily(context, NEXT)
    (log,) = context.home.logs.glob(f"daily-2026-01-21-{batch.id}.log")
    times, ids, texts = zip(
        *(line.split(" ", 2) for line in log.read_text().splitlines()), strict=True
    )
    assert set(ids) == {batch.id}
    assert list(times) == sorted(times)
    assert texts[-2].startswith("daily 2026-01-21 holds: the last recommendations stay published")
    assert texts[-1].startswith("held: missing: the log of 2026-01-20 has 0 impressions")


def test_a_lost_table_is_refused_and_the_last_recommendations_stay_published(
    after_first_day: MakeContext, two_weeks: TwoWeeks
) -> None:
    context = after_first_day()
    before = read_published(context.home)
    shutil.rmtree(context.lake.path("impressions") / "_delta_log")
    deliver(context, two_weeks.log(date(2026, 1, 20)))
    with pytest.raises(DataError, match="impressions/_delta_log: is missing"):
        daily(context, NEXT)
    assert read_published(context.home) == before
    assert (context.home.root / "inbox" / "2026-01-20.parquet").is_file()


def test_searches_dated_2099_do_not_become_the_newest_day(
    after_first_day: MakeContext, two_weeks: TwoWeeks
) -> None:
    """By the inbox and by an ingest by hand; the day goes out as without them."""
    context = after_first_day()
    rows = pl.read_parquet(two_weeks.log(date(2026, 1, 20)))
    ahead = rows.head(40).with_columns(
        ds_search=pl.lit(date(2099, 12, 30)),
        ts_search=pl.lit("2099-12-30 10:00:00").str.to_datetime().cast(rows["ts_search"].dtype),
        id_search=pl.col("id_search") + "ahead",
    )
    path = two_weeks.folder / "ahead.parquet"
    pl.concat([rows, ahead]).write_parquet(path)
    deliver(context, path)
    path.unlink()
    batch = daily(context, NEXT)
    assert "40 impressions dated 2099-12-30" in batch.results["arrive"]["warning"]
    assert max(day for _, day in context.lake.market_days()) == date(2026, 1, 20)
    assert max(day for _, day in context.lake.market_days("features")) == date(2026, 1, 20)
    assert read_published(context.home).ds == "2026-01-21"


@pytest.mark.parametrize("ds", ["2099-01-01", "soon"])
def test_a_published_day_that_has_not_come_does_not_silence_later_ones(
    after_first_day: MakeContext, two_weeks: TwoWeeks, ds: str
) -> None:
    context = after_first_day()
    pointer = context.home.root / "published.json"
    pointer.write_text(json.dumps(json.loads(pointer.read_text()) | {"ds": ds}))
    deliver(context, two_weeks.log(date(2026, 1, 20)))
    batch = daily(context, NEXT)
    assert f"published.json named '{ds}'" in batch.results["publish"]["warning"]
    assert read_published(context.home).ds == "2026-01-21"


def test_a_batch_of_a_day_that_has_not_come_is_refused(after_first_day: MakeContext) -> None:
    context = after_first_day()
    with pytest.raises(DataError, match="2099-01-01 has not come yet"):
        daily(context, date(2099, 1, 1))
    assert read_published(context.home).ds == "2026-01-20"
