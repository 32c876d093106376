"""The report's parts on the run: the gate, what changed, worries, example searches."""

from __future__ import annotations

from typing import Any

import polars as pl

from data.counted import counted
from data.schema.market_names import market_in_words
from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS, Stage
from pipelines.evaluation.diagnostics import read_diagnostic
from pipelines.look_up.searches import Search, day_in_words, searches_by_id
from pipelines.look_up.stays import percent
from pipelines.promotion.decision import GateDecision
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord
from pipelines.verdict.sentence import in_plain_words
from pipelines.verdict.verdict import Verdict

__all__ = [
    "changed_of",
    "decision_of",
    "grouped_worries",
    "recommended_of",
    "searches_of",
    "training_lines",
]

ROWS_PER_TABLE = 12
GUESTS = 2
MARKS = {True: "holds", False: "FAILS", None: "not measured"}


def decision_of(decision: GateDecision | None) -> dict[str, Any] | None:
    """The gate's decision, its reason, and its checks as a table."""
    if decision is None:
        return None
    checks = (decision.primary, *decision.guardrails)
    return {
        "is_promoted": decision.is_promoted,
        "reason": in_plain_words(f"Against {decision.against}: {decision.reason}"),
        "notes": [in_plain_words(note) for note in decision.notes],
        "checks": {
            "header": ["looked at", "verdict", "figures"],
            "words": ["looked at", "verdict", "figures"],
            "rows": [
                [in_plain_words(c.name), MARKS[c.is_passed], in_plain_words(c.finding)]
                for c in checks
            ],
            "classes": None,
        },
    }


def training_lines(record: RunRecord) -> list[str]:
    """Models, what was left out and why, tables and their versions."""
    lines = [f"models: {', '.join(record.models)}"]
    lines += [f"{name} left out: {why}" for name, why in record.left_out.items()]
    lines += [f"table {name}: version {version}" for name, version in record.tables.items()]
    return [*lines, f"seed {record.seed}", f"MLflow run {record.parent}"]


def changed_of(verdict: Verdict) -> dict[str, Any]:
    """What changed: the sentence, and where there is something to compare with, each part."""
    parts = [{"title": title, "lines": lines} for title, lines in verdict.changes.parts]
    text = verdict.changed.text
    return {"line": f"{text[:1].upper()}{text[1:]}.", "parts": parts}


def grouped_worries(verdict: Verdict) -> list[dict[str, Any]]:
    """Headings with their worries, the gravest heading first; empty where there is none."""
    by_heading: dict[str, list[str]] = {}
    for worry in verdict.worries:
        by_heading.setdefault(worry.heading, []).append(worry.text)
    return [{"title": title, "lines": lines} for title, lines in by_heading.items()]


def searches_of(context: RunContext, record: RunRecord) -> list[dict[str, Any]]:
    """Searches of the test window: as shown, as ranked, and why."""
    frame = read_diagnostic(context.home, record.name, "examples")
    if frame is None:
        return []
    asked = _asked(context, frame["id_search"])
    return [
        _search(group, asked.get(group["id_search"][0]))
        for group in frame.partition_by("id_search", maintain_order=True)
    ]


def recommended_of(context: RunContext) -> list[dict[str, Any]]:
    """The first listings recommended to a few guests, with the reasons."""
    if not context.lake.exists(RECOMMENDATIONS.name):
        return []
    scan = context.lake.scan(RECOMMENDATIONS.name)
    latest = scan.filter(pl.col("ds") == pl.col("ds").max())
    first = latest.select("market", "id_search").unique().sort("market", "id_search")
    chosen = first.group_by("market", maintain_order=True).head(1).head(GUESTS)
    rows = latest.join(chosen, on="id_search", how="semi").filter(pl.col("rank") <= ROWS_PER_TABLE)
    sorted_rows = rows.collect().sort("market", "id_search", "rank")
    asked = _asked(context, sorted_rows["id_search"])
    return [
        _guest(group, asked.get(group["id_search"][0]))
        for group in sorted_rows.partition_by("id_search", maintain_order=True)
    ]


def _asked(context: RunContext, ids: pl.Series) -> dict[str, Search]:
    """The searches with their nights and party, as the log has them; not of an erased guest."""
    return searches_by_id(context.lake.scan(IMPRESSIONS.name), ids)


def _in_words(search: Search | None) -> str:
    """What was asked for, when and by whom; empty where the log does not hold it any more."""
    if search is None:
        return ""
    guest = "a guest without an id" if search.id_user is None else f"guest {search.id_user}"
    return f"{search.in_words()}. Searched on {search.when()} by {guest}. "


def _search(group: pl.DataFrame, search: Search | None) -> dict[str, Any]:
    by = "its position" if group["shown_by"][0] == "position" else "the order of the log's lines"
    header = ["rank", "shown", "listing", "outcome"]
    extra = {
        "listing_total_price": "price of the stay",
        "listing_review_rating": "rating",
        "listing_room_type": "room",
        "listing_is_new": "new",
    }
    present = [c for c in extra if c in group.columns]
    header += [*(extra[c] for c in present), "what speaks for it"]
    rows, classes = [], []
    for row in group.head(ROWS_PER_TABLE).iter_rows(named=True):
        outcome = Stage(row["stage"])
        cells = [_cell(row[c]) for c in present]
        first_cells = [row["rank"], row["shown"], row["id_listing"], outcome.name.lower()]
        rows.append([*first_cells, *cells, row["reasons"] or "–"])
        classes.append("booked" if outcome is Stage.BOOKED else "touched" if outcome else "")
    booked = group.filter(pl.col("stage") == int(Stage.BOOKED))
    moved = ", ".join(f"{r['shown']} → {r['rank']}" for r in booked.iter_rows(named=True))
    return {
        "title": f"Search {group['id_search'][0]}, {market_in_words(group['market'][0])}: "
        f"{counted(group.height, 'result')}",
        "note": f"{_in_words(search)}The booked listing (bold) moved from place {moved}. "
        f"Shown is {by}.",
        "header": header,
        "words": ["what speaks for it", "listing"],
        "rows": rows,
        "classes": classes,
    }


def _guest(group: pl.DataFrame, search: Search | None) -> dict[str, Any]:
    guest = "a guest without an id"
    if group["id_user"][0] is not None:
        guest = f"guest {group['id_user'][0]}"
    header = ["rank", "listing", "estimated price of the stay", "shown before"]
    header += ["booked, of such guests shown it free"]
    has_reasons = "reasons" in group.columns
    header += ["what speaks for it"] if has_reasons else []
    rows = [
        [
            row["rank"],
            row["id_listing"],
            _cell(row["estimated_total_price"]),
            _cell(row["was_shown"]),
            percent(row["score"]),
            *([row["reasons"] or "–"] if has_reasons else []),
        ]
        for row in group.iter_rows(named=True)
    ]
    return {
        "title": f"Recommended for {day_in_words(group['ds'][0])} to {guest}, "
        f"{market_in_words(group['market'][0])}",
        "note": f"Search {group['id_search'][0]}: "
        f"{_in_words(search).strip() or 'the log does not hold it any more.'}",
        "header": header,
        "words": ["what speaks for it", "listing"],
        "rows": rows,
        "classes": None,
    }


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2f}"
    return str(value).replace("_", " ")
