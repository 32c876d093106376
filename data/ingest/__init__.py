"""Ingest: files of a search log in, impressions and quarantine out, every row accounted for.

``take_in`` is the whole of it in order; ``stage_file`` reads one log into ``staging``;
``resolve`` finds what several rows contradict; ``plan`` decides; ``commit`` writes to the
lake; ``report`` says what was done.
"""

from data.ingest.ingest_files import IngestOptions, ingest
from data.ingest.report import DayRows, FileReport, IngestReport, NulledValues

__all__ = ["DayRows", "FileReport", "IngestOptions", "IngestReport", "NulledValues", "ingest"]
