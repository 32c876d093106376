"""When a sample is too small for a figure, and what is written instead.

One number and one wording for tables, charts, report, terminal and notebooks, so that no two
pages disagree. Why ten: :class:`models.evaluation.config.EvaluationConfig`.
"""

from __future__ import annotations

from models.evaluation.config import EvaluationConfig

__all__ = ["FEWEST", "is_too_few", "share_in_words", "too_few"]

FEWEST = EvaluationConfig.fewest
"""A figure of fewer cases than this is not shown."""


def is_too_few(cases: int) -> bool:
    """Whether a figure of so many cases is not shown.

    >>> is_too_few(2), is_too_few(10)
    (True, False)
    """
    return cases < FEWEST


def too_few(cases: int) -> str:
    """What stands in the place of a figure of so few cases.

    >>> too_few(2)
    'too few (n = 2)'
    """
    return f"too few (n = {cases:,})"


def share_in_words(part: int, whole: int) -> str:
    """A share in percent, with two digits that say something; or that the whole is too few.

    >>> share_in_words(27_751, 596_399), share_in_words(700, 1_400), share_in_words(3, 9_000)
    ('4.7%', '50%', '0.033%')
    >>> share_in_words(0, 500), share_in_words(1, 2)
    ('0%', 'too few (n = 2)')
    """
    if is_too_few(whole):
        return too_few(whole)
    share = part / whole
    if share == 0:
        return "0%"
    digits = 0 if share >= 0.1 else 1 if share >= 0.01 else 2 if share >= 0.001 else 3
    return f"{share:.{digits}%}"
