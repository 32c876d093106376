"""What was found, as text and as frames."""

from __future__ import annotations

import polars as pl
import pytest

from pipelines.look_up.found import Found, Section

FOUND = Found(
    title="Guest ann",
    sections=(
        Section(heading="Before", sentences=("Nothing.",)),
        Section(
            heading="Lists",
            sentences=("Two.",),
            header=("place", "listing"),
            rows=(("1", "a long one"), ("10", "b")),
        ),
    ),
    frames={"past": pl.DataFrame({"id_listing": ["a"]})},
)


def test_it_prints_as_aligned_text() -> None:
    assert str(FOUND).splitlines() == [
        "Guest ann",
        "",
        "Before",
        "  Nothing.",
        "",
        "Lists",
        "  Two.",
        "",
        "  place  listing",
        "  1      a long one",
        "  10     b",
    ]


def test_a_long_sentence_is_broken_between_words_and_keeps_its_indent() -> None:
    section = Section(heading="Lists", sentences=("why", f"    {'so many reasons ' * 20}."))
    lines = section.lines()
    assert max(map(len, lines)) <= 100
    assert lines[1] == "  why"
    assert lines[2].startswith("      so many")
    assert all(line.startswith("        ") for line in lines[3:])
    assert " ".join(" ".join(lines[2:]).split()) == f"{'so many reasons ' * 20}."


def test_frames_are_pandas_and_an_unknown_one_is_named() -> None:
    assert FOUND.frame("past").to_dict("list") == {"id_listing": ["a"]}
    with pytest.raises(KeyError, match="future: there is no such frame; there are past"):
        FOUND.frame("future")
