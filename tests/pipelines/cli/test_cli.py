"""The command line: exit codes, and one message instead of a traceback."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from importlib import metadata
from pathlib import Path

import pytest
import typer

from data.lake.store import Lake
from tests.pipelines.cli.calls import call

HEADER = "id_search,id_listing,label,ts_search,query_market\n"


def test_help_lists_every_command_under_its_heading_in_the_order_of_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "--help") == 0
    panels: dict[str, list[str]] = {}
    for line in capsys.readouterr().out.splitlines():
        if heading := re.match(r"╭─ (.+?) ─+╮$", line):
            panels[heading[1]] = []
        elif command := re.match(r"│ ([a-z-]+) ", line):
            panels[list(panels)[-1]].append(command[1])
    steps = ["mapping", "simulate", "ingest", "features", "train", "tune", "evaluate"]
    steps += ["recommend", "report"]
    del panels["Options"]
    assert panels == {
        "The main job": ["run"],
        "Its steps, one by one": steps,
        "Look at what was made": [
            *("scorecard", "show", "dashboards", "notebooks", "published", "home"),
        ],
        "The champion": ["promote", "rollback"],
        "Scheduled runs": ["schedule", "daily", "weekly", "backfill"],
        "Guests' rights": ["forget-user"],
    }


def test_every_command_gives_an_example_that_begins_with_its_name() -> None:
    from pipelines.cli.commands import app

    commands = dict(typer.main.get_group(app).commands)
    assert len(commands) > 20
    for name, command in commands.items():
        assert re.search(rf"^ *Example: stayrank {name} \S", command.help or "", re.MULTILINE), name


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("daily", "--day", "2026-02-30"), "'--day': '2026-02-30' .* February 2026 has 28 days"),
        (("backfill", "--from", "2026-1-20", "--to", "2026-01-22"), "'--from': .*mean 2026-01-20"),
        (("recommend", "--date", "26.01.2026"), "'--date': '26.01.2026' is not a date like"),
        (("recommend", "--top", "5000"), "'--top': '5000' must be from 1 to 1,000"),
        (("dashboards", "--mlflow-port", "0"), "'0' must be from 1 to 65,535"),
        (("tune", "--trials", "0"), "'--trials': '0' must be at least 1"),
        (("run", "--seed", "minus"), "'minus' must be a whole number, from 0 to 2,147,483,647"),
        (("simulate", "--out", "x", "--format", "xlsx"), "'--format': 'xlsx' is not one of"),
        (("train", "lamdarank"), "'lamdarank' .did you mean 'lambdarank'"),
        (
            ("simulate", "--out", "x", "--searches", "0"),
            "searches = 0: must be from 1 to",
        ),
        (("simulate", "--out", "x", "--scenario", "drft"), "'drft' .did you mean 'drift'"),
        (("tune", "--budget", "0s"), "'0s' is not a time above 0"),
    ],
)
def test_a_typo_is_told_in_a_sentence_with_its_option(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    assert call(monkeypatch, *words) == 2
    # The box around a usage error breaks its lines.
    words_told = capsys.readouterr().err.replace("│", " ").split()
    assert re.search(told, " ".join(words_told)), words_told


@pytest.mark.parametrize(
    "words",
    [
        ("no-such-command",),
        ("ingest",),
        ("run", "--no-such-option"),
        ("run", "--seed", "minus"),
        ("recommend", "--date", "yesterday"),
        ("simulate", "--out", "x", "--searches", "-5"),
        ("simulate", "--out", "x", "--scenario", "no-such-scenario"),
        ("simulate", "--out", "x", "--format", "xlsx"),
    ],
)
def test_usage_errors_exit_with_2(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *words) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "empty"),
        ("a,b\n1,2\n", "id_search|label|column"),
        (HEADER + "1,2,flown,2018-02-05 10:00,Rio de Janeiro\n", "every one of its 1 rows"),
    ],
)
def test_log_that_cannot_be_read_exits_with_1_and_names_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: str,
    named: str,
) -> None:
    log = tmp_path / "searches.csv"
    log.write_text(content)
    home = tmp_path / "home"
    assert call(monkeypatch, "ingest", str(log), "--home", str(home)) == 1
    message = capsys.readouterr().err
    assert "searches.csv" in message
    assert re.search(named, message)
    assert "Traceback" not in message
    assert not (home / "lake" / "impressions").exists()


MAPPING = """name = "own"
time_format = "{days}"
columns = {{ id_search = "s", id_listing = "l", label = "a", ts_search = "at", query_market = "m" }}
"""


def test_corrected_mapping_says_how_to_redo_and_redo_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log, source = tmp_path / "log.csv", tmp_path / "own.toml"
    log.write_text("s,l,a,at,m\nS1,L1,click,02/09/2026 10:00,Rome\n")
    source.write_text(MAPPING.format(days="%m/%d/%Y %H:%M"))
    home = str(tmp_path / "home")
    words = ("ingest", str(log), "--source", str(source), "--home", home)
    assert call(monkeypatch, *words) == 0
    source.write_text(MAPPING.format(days="day_first"))
    assert call(monkeypatch, *words) == 1
    message = capsys.readouterr().err
    assert "time_format (was '%m/%d/%Y %H:%M', now 'day_first')" in message
    assert f"stayrank ingest {log} --source {source} --redo" in message
    assert call(monkeypatch, *words, "--redo") == 0
    assert "1 accepted + 0 quarantined, in place of 1 accepted before" in capsys.readouterr().out
    assert [str(day) for _, day in Lake(home).market_days()] == ["2026-09-02"]
    assert call(monkeypatch, *words) == 0
    assert "already ingested" in capsys.readouterr().out


def test_share_of_rejected_rows_is_an_alarm_that_a_setting_moves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    labels = ["x"] * 12 + ["click"] * 8
    rows = [f"S{n},L{n},{word},2018-02-05 10:00,Sao Paulo" for n, word in enumerate(labels)]
    log.write_text(HEADER + "\n".join(rows))
    words = ("ingest", str(log), "--home", str(tmp_path / "home"))
    assert call(monkeypatch, *words) == 1
    message = capsys.readouterr().err
    assert "12 of its 20 rows (60%)" in message
    assert "STAYRANK_INGEST__REFUSE_SHARE" in message
    monkeypatch.setenv("STAYRANK_INGEST__REFUSE_SHARE", "0.7")
    assert call(monkeypatch, *words) == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last.startswith("warning: ")
    assert "(first in line 2: label 'x')" in last


def test_unknown_source_names_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = tmp_path / "searches.csv"
    log.write_text(HEADER)
    words = ("ingest", str(log), "--source", "nowhere", "--home", str(tmp_path / "home"))
    assert call(monkeypatch, *words) == 1
    assert "expedia_2013" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("features", "stayrank ingest"),
        ("train", "stayrank features"),
        ("evaluate", "stayrank train"),
        ("recommend", "stayrank train"),
        ("report", "stayrank train"),
        ("dashboards", "stayrank run"),
        ("promote", "stayrank train"),
        ("rollback", "stayrank run"),
        ("notebooks", "stayrank train"),
    ],
)
def test_command_on_an_empty_home_says_what_comes_first(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    command: str,
    advice: str,
) -> None:
    assert call(monkeypatch, command, "--home", str(tmp_path)) == 1
    assert advice in " ".join(capsys.readouterr().err.split())


def test_home_says_where_it_is_and_relocates_what_was_moved(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new home"
    (old / "lake").mkdir(parents=True)
    (old / "home.json").write_text(json.dumps({"path": str(old)}))
    old.rename(new)
    assert call(monkeypatch, "home", "--home", str(new)) == 0
    assert f"its records still name {old}" in capsys.readouterr().out
    assert call(monkeypatch, "home", "--home", str(new), "--relocate") == 0
    assert f"and now name {new}" in capsys.readouterr().out
    assert call(monkeypatch, "home", "--home", str(new), "--relocate") == 0
    out = capsys.readouterr().out
    assert "nothing to rewrite" in out
    assert "still name" not in out
    assert call(monkeypatch, "home", "--home", str(old)) == 1
    assert "there is no such home" in capsys.readouterr().err


def test_a_folder_without_a_lake_has_nobody_to_forget(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home = tmp_path / "no-home"
    assert call(monkeypatch, "forget-user", "nobody", "--home", str(home)) == 1
    assert "holds no lake" in capsys.readouterr().err
    assert not home.exists()


def test_a_guest_without_a_trace_is_said_to_have_none_and_nothing_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log, home = tmp_path / "searches.csv", tmp_path / "home"
    log.write_text(HEADER + "1,2,clicked,2018-02-05 10:00,Rio de Janeiro\n")
    assert call(monkeypatch, "ingest", str(log), "--home", str(home)) == 0
    before = {path: path.read_bytes() for path in home.rglob("*.parquet")}
    capsys.readouterr()
    assert call(monkeypatch, "forget-user", "nobody", "--home", str(home)) == 0
    report = capsys.readouterr().out.strip()
    assert report == "no trace of nobody was found; nothing was removed"
    assert {path: path.read_bytes() for path in home.rglob("*.parquet")} == before
    assert not (home / "erasures").exists()


def test_a_guest_is_forgotten_in_a_database_that_a_killed_server_left_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log, home = tmp_path / "searches.csv", tmp_path / "home"
    log.write_text(HEADER + "1,2,clicked,2018-02-05 10:00,Rio de Janeiro\n")
    assert call(monkeypatch, "ingest", str(log), "--home", str(home)) == 0
    database = home / "prefect" / "prefect.db"
    database.parent.mkdir()
    with closing(sqlite3.connect(tmp_path / "open.db", isolation_level=None)) as server:
        server.execute("PRAGMA journal_mode = WAL")
        server.execute("CREATE TABLE log (message TEXT)")
        server.execute("INSERT INTO log VALUES ('guest-1 asked')")
        for end in ("", "-wal", "-shm"):
            shutil.copy(tmp_path / f"open.db{end}", f"{database}{end}")
    assert call(monkeypatch, "forget-user", "guest-1", "--home", str(home)) == 0
    assert all(b"guest-1" not in path.read_bytes() for path in database.parent.iterdir())
    with closing(sqlite3.connect(database)) as left:
        assert left.execute("SELECT message FROM log").fetchall() == []


def test_a_wrong_setting_stops_the_main_job_before_it_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("STAYRANK_RANKER__LEARNING_RATE", "fast")
    home = tmp_path / "home"
    assert call(monkeypatch, "run", "--home", str(home)) == 2
    assert "ranker.learning_rate = 'fast'" in capsys.readouterr().err
    assert not home.exists()


def test_version_is_said_without_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"stayrank {metadata.version('stayrank')}\n"


def test_mlflow_variable_that_is_ignored_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    assert call(monkeypatch, "train", "--home", str(tmp_path)) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "MLFLOW" in line]
    assert "ignored" in line
