"""Days as people type them."""

from __future__ import annotations

from datetime import date

import pytest

from pipelines.config.days import read_day


def test_a_day_is_written_with_dashes() -> None:
    assert read_day("2028-02-29") == date(2028, 2, 29)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-02-30", ": February 2026 has 28 days"),
        ("2026-13-01", ": there is no month 13"),
        ("0000-01-01", ": years begin with 0001"),
        ("2026-1-5", "; did you mean 2026-01-05?"),
        ("20260126", "; did you mean 2026-01-26?"),
        ("2026-W05-1", ""),
        ("tomorrow", ""),
        ("", ""),
    ],
)
def test_what_is_no_day_is_told_in_a_sentence(text: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # its whole text is compared
        read_day(text)
    assert str(caught.value) == f"{text!r} is not a date like 2026-01-26{told}"
