"""The honesty panel: what a reader must know before believing a figure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Honesty", "Provenance"]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What only the caller knows about the data and the models.

    Attributes:
        source: name of the log or the column mapping.
        is_simulated: the log was made by the simulator.
        tuned: baselines and models whose settings were searched on the validation window.
        seeds: number of training seeds behind each figure.
        label_maturity: share of the test window's final bookings that the log already
            holds, estimated; ``None`` when not estimated.
        notes: further plain sentences.
        warnings: what the caller knows to make the figures doubtful, such as
            :func:`models.evaluation.label_maturity.maturity_warning`.
    """

    source: str = "not stated"
    is_simulated: bool = False
    tuned: tuple[str, ...] = ()
    seeds: int = 1
    label_maturity: float | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Honesty:
    """The panel that stands beside every scorecard.

    Attributes:
        provenance: where data and models come from.
        split: ``valid`` or ``test``.
        searches, impressions, guests: in the split.
        clicked, contacted, booked: rows that reached the stage.
        searches_scored: searches with a booking, which booking NDCG scores.
        left_out: reason → number of searches that a figure leaves out.
        segments_left_out: segments whose column is absent.
        candidates: what was ranked.
        intervals: how the intervals were made.
        comparisons: how differences were tested.
        warnings: what makes the figures doubtful.
    """

    provenance: Provenance
    split: str
    searches: int
    impressions: int
    guests: int
    clicked: int
    contacted: int
    booked: int
    searches_scored: int
    left_out: dict[str, int]
    segments_left_out: tuple[str, ...]
    candidates: str
    intervals: str
    comparisons: str
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and for MLflow."""
        return asdict(self)

    def facts(self) -> list[tuple[str, str]]:
        """Heading and text of each line, in reading order."""
        given = self.provenance
        source = (
            f"{given.source} (SIMULATED: not real guests)" if given.is_simulated else given.source
        )
        facts = [
            ("Data", source),
            (
                "Split",
                f"{self.split}: {self.searches:,} searches, {self.impressions:,} impressions",
            ),
            (
                "Outcomes",
                f"{self.clicked:,} clicked, {self.contacted:,} contacted, {self.booked:,} booked",
            ),
            (
                "Scored",
                f"{self.searches_scored:,} searches with a booking carry the booking metrics",
            ),
            *(
                ("Left out", f"{count:,} searches {reason}")
                for reason, count in self.left_out.items()
            ),
            ("Ranking", self.candidates),
            ("Tuned", ", ".join(given.tuned) if given.tuned else "no model or baseline was tuned"),
            ("Seeds", _seeds(given.seeds)),
            ("Intervals", self.intervals),
            ("Comparisons", self.comparisons),
            ("Labels", _maturity(given.label_maturity)),
        ]
        if self.segments_left_out:
            facts.append(("No segments by", ", ".join(self.segments_left_out) + " (column absent)"))
        facts += [("Note", note) for note in given.notes]
        return facts + [("Warning", warning) for warning in self.warnings]

    def lines(self) -> list[str]:
        """The panel as plain lines for a terminal or a log."""
        width = max(len(heading) for heading, _ in self.facts())
        return [f"{heading:<{width}}  {text}" for heading, text in self.facts()]

    def markdown(self) -> str:
        """The panel as a Markdown table."""
        body = [f"| {heading} | {text} |" for heading, text in self.facts()]
        return "\n".join(["| | |", "|---|---|", *body]) + "\n"


def _seeds(seeds: int) -> str:
    if seeds >= 5:
        return f"{seeds} training seeds"
    return f"{seeds} training seed(s): too few for a claim about the method (5 are wanted)"


def _maturity(share: float | None) -> str:
    if share is None:
        return "maturity of the outcomes not estimated"
    return f"the log holds about {share:.0%} of the bookings that will come from this window"
