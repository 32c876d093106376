"""What stands beside every scorecard: where the figures come from and how to read them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from data.counted import counted
from data.plain_text import as_markdown_text

__all__ = ["Honesty", "Provenance"]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Facts about the data and the models that only the caller of ``evaluate`` knows.

    Attributes:
        source: name of the log or the column mapping.
        is_simulated: the log was made by the simulator.
        tuned: baselines and models whose settings were searched on the validation window.
        seeds: number of training seeds behind each figure.
        label_maturity: share of the test window's final bookings that the log already
            holds, estimated; ``None`` when not estimated.
        worth_outcome: what the value DCG counts expected numbers of: ``book``, or where
            bookings are too few to learn from ``contact`` or ``click``.
        notes: further plain sentences.
        warnings: reasons to doubt the figures, such as
            :func:`models.evaluation.label_maturity.maturity_warning`.
    """

    source: str = "not stated"
    is_simulated: bool = False
    tuned: tuple[str, ...] = ()
    seeds: int = 1
    label_maturity: float | None = None
    worth_outcome: str = "book"
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Honesty:
    """What a reader must know to trust or doubt a scorecard's figures.

    Counts of the split, what was left out, how intervals and comparisons were made, and
    warnings. Shown as lines on the terminal, as a table in the report and in MLflow, and
    saved as ``honesty.json`` with the attributes below as keys.

    Attributes:
        provenance: where data and models come from.
        split: ``valid`` or ``test``.
        searches, impressions, guests: in the split.
        clicked, contacted, booked: rows that reached the stage.
        searches_scored: searches with a booking whose results can be ordered better or worse,
            which booking NDCG scores.
        left_out: which searches, and from what → how many; ``1 search`` or ``7 searches`` is
            put before it.
        segments_left_out: segments whose column is absent.
        candidates: what was ranked.
        intervals: how the intervals were made.
        comparisons: how differences were tested.
        warnings: what makes the figures doubtful.
        nothing_ranked: the sentence that says why no search can be ordered better or worse;
            empty where one can.
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
    nothing_ranked: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and for MLflow."""
        return asdict(self)

    def facts(self) -> list[tuple[str, str]]:
        """Heading and text of each line, in reading order."""
        provenance = self.provenance
        simulated = " (SIMULATED: not real guests)" if provenance.is_simulated else ""
        size = f"{counted(self.searches, 'search')}, {counted(self.impressions, 'impression')}"
        tuned = ", ".join(provenance.tuned) or "no model or baseline was tuned"
        facts = [
            ("Data", f"{provenance.source}{simulated}"),
            ("Split", f"{self.split}: {size}"),
            (
                "Outcomes",
                f"{self.clicked:,} clicked, {self.contacted:,} contacted, {self.booked:,} booked",
            ),
            ("Scored", f"{counted(self.searches_scored, 'search')} by the booking metrics"),
            *(
                ("Left out", f"{counted(count, 'search')} {reason}")
                for reason, count in self.left_out.items()
                if count
            ),
            ("Ranking", self.candidates),
            ("Tuned", tuned),
            ("Seeds", _seeds(provenance.seeds)),
            ("Intervals", self.intervals),
            ("Comparisons", self.comparisons),
            ("Labels", _maturity(provenance.label_maturity)),
        ]
        if self.segments_left_out:
            facts.append(("No segments by", ", ".join(self.segments_left_out) + " (column absent)"))
        facts += [("Note", note) for note in provenance.notes]
        warnings = [self.nothing_ranked] if self.nothing_ranked else []
        return facts + [("Warning", warning) for warning in (*warnings, *self.warnings)]

    def lines(self) -> list[str]:
        """The panel as plain lines for a terminal or a log."""
        width = max(len(heading) for heading, _ in self.facts())
        return [f"{heading:<{width}}  {text}" for heading, text in self.facts()]

    def markdown(self) -> str:
        """The panel as a Markdown table; names of the log are text in it, whatever they hold."""
        body = [f"| {heading} | {as_markdown_text(text)} |" for heading, text in self.facts()]
        return "\n".join(["| | |", "|---|---|", *body]) + "\n"


def _seeds(seeds: int) -> str:
    if seeds >= 5:
        return f"{seeds} training seeds"
    few = counted(seeds, "training seed")
    return f"{few}: too few for a claim about the method (5 are wanted)"


def _maturity(share: float | None) -> str:
    if share is None:
        return "maturity of the outcomes not estimated"
    return f"the log holds about {share:.0%} of the bookings that will come from this window"
