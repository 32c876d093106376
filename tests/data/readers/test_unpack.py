"""Archives of every kind: whole, in several members, cut off, damaged, followed by garbage."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pyarrow as pa
import pytest

from data.errors import LogError
from data.readers.files import identify, open_text
from data.readers.unpack import holds_nothing

TEXT = "é,b\n" + "".join(f"{n},x\n" for n in range(5000))
PACK = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda content: pa.compress(content, codec="zstd", asbytes=True),
    "lz4": lambda content: pa.compress(content, codec="lz4", asbytes=True),
}
ZSTD_SKIPPED = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"


def _read(content: bytes, folder: Path) -> str:
    path = folder / "log"
    path.write_bytes(content)
    pieces = []
    with open_text(identify(path), None) as opened:
        while piece := opened.stream.read(1 << 12):
            pieces.append(piece)
    return b"".join(pieces).decode()


@pytest.mark.parametrize("kind", PACK)
def test_archive_is_unpacked_in_one_member_or_two(tmp_path: Path, kind: str) -> None:
    packed = PACK[kind](TEXT.encode())
    assert _read(packed, tmp_path) == TEXT
    assert _read(packed + packed, tmp_path) == TEXT * 2
    assert _read(PACK[kind](TEXT.encode("utf-16")), tmp_path) == TEXT


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("damage", ["half", "last byte", "garbage", "second half", "second odd"])
def test_archive_that_is_not_whole_is_refused(tmp_path: Path, kind: str, damage: str) -> None:
    packed = PACK[kind](TEXT.encode())
    half = packed[: len(packed) // 2]
    content = {
        "half": half,
        "last byte": packed[:-1],
        "garbage": packed + b"garbage",
        "second half": packed + half,
        # an archive behind the first that nobody can read: its rows must not be lost in silence
        "second odd": packed + packed[:3] + b"x" * 50,
    }[damage]
    with pytest.raises(LogError, match=f"the {kind} archive is truncated or corrupt"):
        _read(content, tmp_path)


def test_frames_that_are_skipped_and_padding_are_no_damage(tmp_path: Path) -> None:
    assert _read(ZSTD_SKIPPED + PACK["zstd"](TEXT.encode()), tmp_path) == TEXT
    assert _read(lzma.compress(TEXT.encode()) + b"\x00" * 8, tmp_path) == TEXT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"PAR1" + b"\x00" * 20), "a Parquet file inside an archive"),
        (gzip.compress(gzip.compress(b"a,b\n")), "an archive inside an archive"),
        (bz2.compress(b"\x00" * 257 + b"ustar" + b"\x00" * 100), "a tar archive; unpack it"),
        (b"Rar!\x1a\x07", "a RAR archive; unpack it"),
    ],
    # not by their bytes: an archive holds the second at which it was made
    ids=["Parquet", "archive", "tar", "RAR"],
)
def test_archive_of_something_else_says_what_it_is(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(LogError, match=message):
        _read(content, tmp_path)


@pytest.mark.parametrize("kind", PACK)
def test_empty_archive_holds_nothing_and_a_cut_one_is_not_empty(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "part-0"
    empty = PACK[kind](b"")
    path.write_bytes(empty)
    assert holds_nothing(path)
    path.write_bytes(PACK[kind](b"a"))
    assert not holds_nothing(path)
    path.write_bytes(empty[:-1])
    assert not holds_nothing(path)
