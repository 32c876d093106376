"""The report's parts on the run: the gate, changes since the last run, example searches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from data.errors import DataError
from data.schema.tables import RECOMMENDATIONS, Stage
from models.evaluation.scorecard import Scorecard
from pipelines.config.home import Home
from pipelines.evaluation.diagnostics import read_diagnostic
from pipelines.evaluation.scorecard_view import figure, name_of, primary_metric
from pipelines.promotion.decision import GateDecision
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord, read_record

__all__ = ["changes_of", "decision_of", "recommended_of", "searches_of", "training_lines"]

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
        "reason": f"Against {decision.against}: {decision.reason}",
        "notes": decision.notes,
        "checks": {
            "header": ["looked at", "verdict", "figures"],
            "words": ["looked at", "verdict", "figures"],
            "rows": [[c.name, MARKS[c.is_passed], c.finding] for c in checks],
            "classes": None,
        },
    }


def training_lines(record: RunRecord) -> list[str]:
    """Models, what was left out and why, tables and their versions."""
    lines = [f"models: {', '.join(record.models)}"]
    lines += [f"{name} left out: {why}" for name, why in record.left_out.items()]
    lines += [f"table {name}: version {version}" for name, version in record.tables.items()]
    return [*lines, f"seed {record.seed}", f"MLflow run {record.parent}"]


def changes_of(context: RunContext, record: RunRecord, scorecard: Scorecard) -> list[str]:
    """What differs from the run before: tables, models, windows, settings, the primary metric."""
    before = _run_before(context.home, record)
    if before is None:
        return ["this is the first run of this home: there is nothing to compare it with"]
    lines = [f"compared with run {before.name}"]
    lines += [
        f"table {name}: version {before.tables.get(name, 'none')} → {version}"
        for name, version in record.tables.items()
        if before.tables.get(name) != version
    ]
    added = sorted(set(record.models) - set(before.models))
    gone = sorted(set(before.models) - set(record.models))
    lines += [f"models added: {', '.join(added)}"] if added else []
    lines += [f"models gone: {', '.join(gone)}"] if gone else []
    for window, days in record.windows.items():
        if before.windows.get(window) != days:
            lines.append(f"the {window} window moved")
    lines += _settings_changed(context.home, before, record)
    lines += _headline_changed(context.home, before, scorecard)
    return lines if len(lines) > 1 else [*lines, "same data, same models, same settings"]


def searches_of(context: RunContext, record: RunRecord) -> list[dict[str, Any]]:
    """Searches of the test window: as shown, as ranked, and why."""
    frame = read_diagnostic(context.home, record.name, "examples")
    if frame is None:
        return []
    return [_search(group) for group in frame.partition_by("id_search", maintain_order=True)]


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
    return [_guest(group) for group in sorted_rows.partition_by("id_search", maintain_order=True)]


def _search(group: pl.DataFrame) -> dict[str, Any]:
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
        "title": f"A search in {group['market'][0]}: {group.height} results",
        "note": f"The booked listing (bold) moved from place {moved}. Shown is {by}.",
        "header": header,
        "words": ["what speaks for it", "listing"],
        "rows": rows,
        "classes": classes,
    }


def _guest(group: pl.DataFrame) -> dict[str, Any]:
    header = ["rank", "listing", "estimated price of the stay", "shown before", "score"]
    has_reasons = "reasons" in group.columns
    header += ["what speaks for it"] if has_reasons else []
    rows = [
        [
            row["rank"],
            row["id_listing"],
            _cell(row["estimated_total_price"]),
            _cell(row["was_shown"]),
            f"{row['score']:.3f}",
            *([row["reasons"] or "–"] if has_reasons else []),
        ]
        for row in group.iter_rows(named=True)
    ]
    return {
        "title": f"Recommended for {group['ds'][0]} to a guest of {group['market'][0]}",
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


def _run_before(home: Home, record: RunRecord) -> RunRecord | None:
    names = sorted(p.name for p in home.runs.iterdir() if (p / "run.json").is_file())
    earlier = [name for name in names if name < record.name]
    try:
        return read_record(home, earlier[-1]) if earlier else None
    except DataError:
        return None


def _settings_changed(home: Home, before: RunRecord, now: RunRecord) -> list[str]:
    old, new = (_ranker_settings(home, record) for record in (before, now))
    if not old or not new:
        # A run without a ranker, or with that of an earlier version.
        return []
    changed = [name for name in sorted(set(old) | set(new)) if old.get(name) != new.get(name)]
    return [f"ranker {name}: {old.get(name, '–')} → {new.get(name, '–')}" for name in changed]


def _ranker_settings(home: Home, record: RunRecord) -> Mapping[str, Any]:
    folder = record.folder_of(home, "ranker")
    try:
        config = dict(json.loads((folder / "funnel.json").read_text())["config"])
        features = json.loads((folder / "features.json").read_text())
    except (OSError, ValueError, KeyError):
        return {}
    return {**config, "number of features": len(features)}


def _headline_changed(home: Home, before: RunRecord, scorecard: Scorecard) -> list[str]:
    metric = primary_metric(scorecard)
    try:
        earlier = Scorecard.read_json(home.runs / before.name / "scorecard.json")
        now = scorecard.find("ranker", metric)
    except (OSError, ValueError, KeyError):
        return []
    old = [s for s in earlier if (s.model, s.metric, s.segment) == ("ranker", metric, "all")]
    return (
        [f"ranker's {name_of(metric)}: {figure(old[0])} → {figure(now)}, unpaired"] if old else []
    )
