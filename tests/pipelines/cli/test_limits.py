"""Limits of the shell: one sentence and exit code 1, whatever the libraries would do with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli.limited_memory import _is_of_memory
from pipelines.config.resource_limits import exhausted_resource

# Commands that write, and need no home that was filled before.
WRITING = (
    ("run",),
    ("ingest", "no.csv"),
    ("features",),
    ("train",),
    ("evaluate",),
    ("recommend",),
    ("report",),
    ("promote",),
    ("rollback",),
    ("daily",),
    ("weekly",),
    ("backfill", "--from", "2026-01-20", "--to", "2026-01-20"),
    ("schedule",),
    ("forget-user", "U1"),
    ("dashboards",),
    ("notebooks",),
)


def limited(limit: str, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    shell = ("bash", "-c", f'ulimit -c 0; ulimit {limit}; exec "$@"', "bash")
    return subprocess.run(
        [*shell, sys.executable, "-m", "pipelines.cli", *words, "--home", str(home)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("words", WRITING, ids=lambda words: words[0])
def test_a_small_limit_of_a_file_is_refused_before_anything_starts(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = limited("-f 400", tmp_path / "home", *words)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("stayrank: files may not grow above 400 kB here (ulimit -f)")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("kilobytes", [60_000, 200_000, 600_000])
def test_a_small_address_space_is_one_sentence(tmp_path: Path, kilobytes: int) -> None:
    done = limited(f"-v {kilobytes}", tmp_path / "home", "run")
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("stayrank: ")
    assert "ulimit -v" in sentence


def test_under_a_wide_limit_a_command_says_and_returns_what_it_would_without(
    tmp_path: Path,
) -> None:
    wide, none = (limited(limit, tmp_path, "published") for limit in ("-v 100000000", "-c 0"))
    assert (wide.returncode, wide.stdout, wide.stderr) == (0, none.stdout, none.stderr)
    wide, none = (limited(limit, tmp_path, "report") for limit in ("-v 100000000", "-c 0"))
    assert (wide.returncode, wide.stderr) == (1, none.stderr)
    wide, none = (limited(limit, tmp_path, "no-such") for limit in ("-v 100000000", "-c 0"))
    assert (wide.returncode, wide.stderr) == (2, none.stderr)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("Unable to allocate 4.00 GiB"), "not enough memory"),
        (OSError(12, "Cannot allocate memory"), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
        (OSError(28, "No space left on device", "x"), "disk is full"),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full"), "disk is full"),
        (RuntimeError("Generic error: File too large (os error 27)"), "may not grow above"),
    ],
)
def test_what_ran_out_is_told_however_a_library_says_it(error: Exception, words: str) -> None:
    assert words in exhausted_resource(error)
    outer = RuntimeError("500 Internal Server Error")
    outer.__cause__ = error
    assert words in exhausted_resource(outer)


def test_another_error_names_no_resource() -> None:
    assert exhausted_resource(ValueError("a column is missing")) == ""


@pytest.mark.parametrize(
    ("code", "lines", "is_memory"),
    [
        (-6, ["memory allocation of 16777216 bytes failed"], True),
        (-11, [], True),
        (1, ["Traceback (most recent call last):", "MemoryError"], True),
        (1, ["Traceback (most recent call last):", "KeyError: 'x'"], False),
        (0, ["UserWarning: memory"], False),
    ],
)
def test_an_end_for_want_of_memory_is_told_from_others(
    code: int, lines: list[str], is_memory: bool
) -> None:
    assert _is_of_memory(code, lines) is is_memory
