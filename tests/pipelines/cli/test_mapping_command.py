"""``stayrank mapping``: the draft, what is said beside it, and that ``ingest`` takes it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import polars as pl
import pytest

from data.lake.store import Lake
from pipelines.ingestion import draft_mapping
from tests.pipelines.cli.calls import call

SHARED = Path(__file__).parents[4] / "shared" / "data"
CLICKS = "user,item,time\nu1,i1,2020-05-01 10:00\nu2,i2,2020-05-01 11:00\n"


def test_draft_is_written_tried_and_taken_by_ingest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log, out, home = tmp_path / "clicks.csv", tmp_path / "own.toml", tmp_path / "home"
    log.write_text(CLICKS)
    assert call(monkeypatch, "mapping", str(log), "--out", str(out)) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "Tried on the sample: 2 rows accepted, none quarantined" in said.err
    assert f"--source {out}" in said.err
    assert "2 rows accepted" in out.read_text().replace("\n# ", " ")
    assert call(monkeypatch, "ingest", str(log), "--source", str(out), "--home", str(home)) == 0
    assert Lake(home).rows("impressions") == 2


@pytest.mark.parametrize(
    "times",
    [
        ("2020-05-01T10:00:00Z", "2020-05-01T11:00:00Z"),
        ("2020-05-01 10:00", "2020-05-01T11:00:00+02:00"),
        ("1588327200", "1588330800"),
        ("13/05/2020 10:00", "14/05/2020 11:00"),
        ("05/13/2020 10:00", "05/14/2020 11:00"),
    ],
)
def test_draft_is_tried_whatever_its_times(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    times: tuple[str, str],
) -> None:
    log, out, home = tmp_path / "clicks.csv", tmp_path / "own.toml", tmp_path / "home"
    log.write_text(f"user,item,time\nu1,i1,{times[0]}\nu2,i2,{times[1]}\n")
    assert call(monkeypatch, "mapping", str(log), "--out", str(out)) == 0
    assert "2 rows accepted, none quarantined" in capsys.readouterr().err.replace("\n", " ")
    assert call(monkeypatch, "ingest", str(log), "--source", str(out), "--home", str(home)) == 0
    assert Lake(home).rows("impressions") == 2


@pytest.mark.parametrize("log", ["expedia_2013/search_results.csv", "trivago_2019/clickouts.csv"])
def test_draft_of_a_real_log_is_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, log: str
) -> None:
    path = SHARED / log
    if not path.is_file():
        pytest.skip(f"../shared/data/{log} is absent")
    assert call(monkeypatch, "mapping", str(path), "--out", str(tmp_path / "own.toml")) == 0
    assert "none quarantined by the row rules" in capsys.readouterr().err.replace("\n", " ")


def test_standard_output_is_the_mapping_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = tmp_path / "clicks.csv"
    log.write_text(CLICKS)
    assert call(monkeypatch, "mapping", str(log)) == 0
    assert tomllib.loads(capsys.readouterr().out)["columns"]["id_listing"] == "item"
    assert list(tmp_path.iterdir()) == [log]


def test_the_one_missing_line_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    log.write_text("search_id,hotel,day\ns1,h1,2020-05-01\n")
    assert call(monkeypatch, "mapping", str(log)) == 0
    said = capsys.readouterr()
    assert "one line is missing" in said.err
    assert "ts_search: no column holds times with a time of day" in said.err
    assert '# ts_search = "…"' in said.out


def test_draft_that_does_not_run_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    log.write_text(
        "search_id,hotel,at,event\ns1,h1,2020-05-01 10:00,clicked\ns2,,2020-05-01 10:00,clicked\n"
    )
    assert call(monkeypatch, "mapping", str(log)) == 0
    said = capsys.readouterr().err.replace("\n", " ")
    assert "1 row accepted, 1 quarantined, most often (1) because id_search or id_listing" in said


def test_later_chunks_are_looked_at_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from data.readers import parquet

    monkeypatch.setattr(parquet, "BATCH_ROWS", 10)
    monkeypatch.setattr(draft_mapping, "ROWS_OF_FIRST", 5)
    # only the second chunk has a day above 12
    days = [f"{n % 9 + 1}/{n % 9 + 1}/2020 10:00" for n in range(10)] + ["25/12/2020 10:00"] * 10
    log = tmp_path / "log.parquet"
    frame = pl.DataFrame({"search_id": range(20), "hotel": range(20), "at": days})
    frame.write_parquet(log, row_group_size=10)
    assert call(monkeypatch, "mapping", str(log)) == 0
    assert tomllib.loads(capsys.readouterr().out)["time_format"] == "day_first"


@pytest.mark.parametrize(("content", "message"), [("a,b\n", "has no rows"), ("", "empty")])
def test_log_that_cannot_be_drafted_from_exits_with_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: str,
    message: str,
) -> None:
    log = tmp_path / "log.csv"
    log.write_text(content)
    assert call(monkeypatch, "mapping", str(log)) == 1
    assert message in capsys.readouterr().err


def test_file_that_exists_is_never_overwritten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log, out = tmp_path / "clicks.csv", tmp_path / "own.toml"
    log.write_text(CLICKS)
    out.write_text("mine")
    assert call(monkeypatch, "mapping", str(log), "--out", str(out)) == 2
    assert out.read_text() == "mine"
