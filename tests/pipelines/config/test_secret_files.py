"""A secret that is named as a file is there, or nothing starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.config.settings import SettingsError, load_settings

VARIABLE = "STAYRANK_PSEUDONYM_KEY_FILE"
KEY = "a key of the tests, long enough"


def test_the_key_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "key"))
    assert load_settings().pseudonym_key.get_secret_value() == KEY
    # the containers' entrypoint has put it into the environment too
    monkeypatch.setenv("STAYRANK_PSEUDONYM_KEY", KEY)
    assert load_settings().pseudonym_key.get_secret_value() == KEY
    monkeypatch.setenv("STAYRANK_PSEUDONYM_KEY", "another key, long enough")
    with pytest.raises(SettingsError, match="both set, and differ"):
        load_settings()


@pytest.mark.parametrize("content", [None, b"", b"\n", b"  \n", b"\xff\xfe\xff"])
def test_a_key_file_that_gives_no_key_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv(VARIABLE, str(file))
    with pytest.raises(SettingsError, match=f"{VARIABLE}: the file {file}"):
        load_settings()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_key_file_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0)
    monkeypatch.setenv(VARIABLE, str(file))
    with pytest.raises(SettingsError, match="Permission denied"):
        load_settings()


def test_a_folder_in_place_of_the_key_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(SettingsError, match="Is a directory"):
        load_settings()


def test_no_key_is_a_word_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("none\n")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "key"))
    assert load_settings().pseudonym_key.get_secret_value() == ""
