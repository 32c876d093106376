"""For analysts: a finished home in Python, and what the notebooks show as plain functions.

``from pipelines.analysis import open_home`` is the door; ``docs/in_python.md`` shows it.
"""

from pipelines.analysis.home_access import FinishedHome, open_home

__all__ = ["FinishedHome", "open_home"]
