"""Ingest: files of a search log in, impressions and quarantine out, every row accounted for.

``ingest_files`` holds the order of the steps; ``stage_file`` reads one log into ``staging``;
``known_files`` and ``redo`` are about files that the lake holds already; ``deduplicate`` applies
the rules over several rows; ``rejections`` says how many may be lost; ``plan`` decides what is
committed;
``commit`` writes it to the lake; ``report`` says what was done.
"""

from data.ingest.ingest_files import IngestOptions, ingest
from data.ingest.rejections import RejectionLimits
from data.ingest.report import DayRows, FileReport, IngestReport, NulledValues

__all__ = [
    "DayRows",
    "FileReport",
    "IngestOptions",
    "IngestReport",
    "NulledValues",
    "RejectionLimits",
    "ingest",
]
