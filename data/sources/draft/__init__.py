"""Draft a mapping for a log that nobody has described: a guess per line, with its evidence.

``draft_mapping`` holds the order; ``shapes`` looks for lists in cells, ``times`` for the time of
the search and how it is written, ``labels`` for what the guest did, ``columns`` for the rest;
``vocabulary`` has the words by which columns and actions are known; ``as_toml`` writes it down.
"""

from data.sources.draft.as_toml import Draft, Line
from data.sources.draft.draft_mapping import draft_mapping

__all__ = ["Draft", "Line", "draft_mapping"]
