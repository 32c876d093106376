"""What is claimed of an inbox, under which name, and where it goes."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from data.errors import DataError
from pipelines.ingestion import claims


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def _deliver(inbox: Path, name: str, text: str = "rows") -> Path:
    path = inbox / name
    path.write_text(text)
    return path


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_unfinished_files_and_folders_are_no_deliveries(inbox: Path) -> None:
    for name in ("a.csv", "b.csv.part", "c.TMP", ".d.csv"):
        _deliver(inbox, name)
    (inbox / "photos").mkdir()
    settled, growing = claims.deliveries(inbox, settle_s=0)
    assert ([path.name for path in settled], growing) == (["a.csv"], [])
    assert [path.name for path in claims.folders_of(inbox)] == ["photos"]


def test_a_file_that_grows_while_it_should_settle_is_left_and_the_others_go_on(
    inbox: Path,
) -> None:
    growing, _ = _deliver(inbox, "growing.csv"), _deliver(inbox, "whole.csv")
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.01):
            # Opened anew each time: between two writes nobody has the file open.
            with growing.open("a") as file:
                file.write("more\n")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        settled, unsettled = claims.deliveries(inbox, settle_s=0.3)
    finally:
        stop.set()
        writer.join()
    assert ([path.name for path in settled], unsettled) == (["whole.csv"], ["growing.csv"])


def test_a_file_with_a_past_time_of_change_has_to_settle_too(inbox: Path) -> None:
    """``cp -p`` and ``touch`` set the time of writing; that of the change is the kernel's."""
    path = _deliver(inbox, "old.csv")
    os.utime(path, (0, 0))
    assert time.time() - claims._changed_at(path) < 60


def test_a_file_that_somebody_has_open_for_writing_is_not_settled(inbox: Path) -> None:
    path = _deliver(inbox, "open.csv")
    with path.open("a"):
        assert claims.is_open_for_writing(path)
        assert claims.deliveries(inbox, settle_s=0) == ([], ["open.csv"])
    assert not claims.is_open_for_writing(path)
    assert claims.deliveries(inbox, settle_s=0) == ([path], [])


def test_the_same_name_on_a_later_day_keeps_the_first_raw_copy(inbox: Path) -> None:
    for text in ("monday", "tuesday", "wednesday"):
        claims.keep(claims.claim(_deliver(inbox, "log.csv.gz", text)), is_known=False)
    kept = {path.name: path.read_text() for path in (inbox / "taken").iterdir()}
    assert kept == {"log.csv.gz": "monday", "log.2.csv.gz": "tuesday", "log.3.csv.gz": "wednesday"}


def test_a_known_file_is_kept_once(inbox: Path) -> None:
    claims.keep(claims.claim(_deliver(inbox, "log.csv", "monday")), is_known=False)
    claims.keep(claims.claim(_deliver(inbox, "log.csv", "monday")), is_known=True)
    claims.keep(claims.claim(_deliver(inbox, "log.csv", "mondae")), is_known=True)
    assert _names(inbox / "taken") == ["log.2.csv", "log.csv"]


def test_a_name_that_was_used_today_is_not_used_again(inbox: Path) -> None:
    assert claims.claim(_deliver(inbox, "log.csv"), used=["log.csv"]).name == "log.2.csv"


@pytest.mark.parametrize(
    ("delivered", "claimed"),
    [
        (b"caf\xe9.csv", "caf_.csv"),
        (b"two\nlines.csv", "two_lines.csv"),
        (b"a" * 250 + b".csv", "a" * 196 + ".csv"),
        ("ç".encode() * 120 + b".csv.gz", "ç" * 96 + ".csv.gz"),
        (b"2026-01-19", "2026-01-19"),
        (b"sp ace.csv", "sp ace.csv"),
    ],
)
def test_a_claimed_name_can_be_printed_and_lengthened(
    inbox: Path, delivered: bytes, claimed: str
) -> None:
    path = inbox / os.fsdecode(delivered)
    path.write_text("rows")
    assert claims.claim(path).name == claimed


def test_a_refused_link_is_moved_and_what_it_names_stays(inbox: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("rows")
    (inbox / "link.csv").symlink_to(secret)
    claimed = claims.claim(inbox / "link.csv")
    assert claims.what_it_is(claimed) == "link"
    claims.refuse(claimed, "is a link")
    assert (inbox / "refused" / "link.csv").is_symlink()
    assert (inbox / "refused" / "link.csv.reason.txt").read_text() == "is a link\n"
    assert secret.read_text() == "rows"


def test_a_link_in_the_place_of_a_folder_of_the_inbox_is_refused(
    inbox: Path, tmp_path: Path
) -> None:
    (inbox / "claimed").symlink_to(tmp_path)
    with pytest.raises(DataError, match="claimed: is a link"):
        claims.claim(_deliver(inbox, "log.csv"))
    assert (inbox / "log.csv").is_file()


def test_a_file_given_back_does_not_take_the_place_of_a_newer_delivery(inbox: Path) -> None:
    claimed = claims.claim(_deliver(inbox, "log.csv", "old"))
    _deliver(inbox, "log.csv", "new")
    assert not claims.give_back(claimed)
    assert (claimed.read_text(), (inbox / "log.csv").read_text()) == ("old", "new")
    (inbox / "log.csv").unlink()
    assert claims.give_back(claimed)
    assert (inbox / "log.csv").read_text() == "old"
    assert claims.left_claimed(inbox) == []


def test_a_draft_of_an_erasure_that_was_cut_off_is_no_delivery(tmp_path: Path) -> None:
    (tmp_path / "claimed").mkdir()
    for name in (".erasing.log.csv", "log.csv"):
        (tmp_path / "claimed" / name).write_text("half")
    assert [path.name for path in claims.left_claimed(tmp_path)] == ["log.csv"]


def test_a_packed_log_is_numbered_before_its_packing(tmp_path: Path) -> None:
    names = []
    for packing in (".gz", ".zst", ".lz4", ".gz", ".zst"):
        path = tmp_path / f"log.csv{packing}"
        path.write_text("x")
        names.append(claims.claim(path).name)
    assert names == ["log.csv.gz", "log.csv.zst", "log.csv.lz4", "log.2.csv.gz", "log.2.csv.zst"]
