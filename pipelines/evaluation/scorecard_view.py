"""What of a scorecard is shown to people: which metrics, which markets, and in which words.

:func:`primary_metric` decides which metric the models are compared by.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from models.evaluation.provenance import Honesty, Provenance
from models.evaluation.scorecard import Score, Scorecard
from pipelines.config.home import Home

__all__ = [
    "counted",
    "figure",
    "g_shown",
    "headline",
    "metrics_shown",
    "primary_metric",
    "read_scorecard",
    "segments_shown",
    "table_rows",
]

PRIMARY = "ndcg_at_10"
PRIMARY_WITHOUT_BOOKINGS = "graded_ndcg_at_10"

METRICS = {
    "ndcg_at_5": "NDCG@5",
    "ndcg_at_10": "NDCG@10",
    "mrr": "MRR",
    "recall_at_10": "recall@10",
}

# Where the test window has no booking, the clicks and contacts are looked at.
METRICS_WITHOUT_BOOKINGS = {
    "graded_ndcg_at_5": "graded NDCG@5",
    "graded_ndcg_at_10": "graded NDCG@10",
    "search_auc_click": "click AUC in a search",
}

# Share of what the best possible order could win that a model's order wins.
CEILINGS = {
    "g_taste_at_10": "G@10, knowing the taste",
    "g_observables_at_10": "G@10, knowing the observables",
}

# Of a log with many markets only the largest are printed; all are in the scorecard.
MARKETS_PRINTED = 4

FEWEST_SEARCHES_PRINTED = 10

ORACLES = "oracle_"


def read_scorecard(home: Home) -> Scorecard:
    """The latest scorecard as it was written."""
    folder = home.report
    panel: dict[str, Any] = json.loads((folder / "honesty.json").read_text())
    for name in ("segments_left_out", "warnings"):
        panel[name] = tuple(panel[name])
    provenance: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in panel["provenance"].items()
    }
    honesty = Honesty(**{**panel, "provenance": Provenance(**provenance)})
    return Scorecard(scores=Scorecard.read_json(folder / "scorecard.json"), honesty=honesty)


def segments_shown(scorecard: Scorecard) -> list[str]:
    """The whole, and every market; of many the largest, if they have enough to look at."""
    primary = primary_metric(scorecard)
    markets: dict[str, int] = {}
    for score in scorecard.scores:
        if score.segment.startswith("market=") and score.metric == primary:
            markets[score.segment] = score.searches
    if len(markets) > MARKETS_PRINTED:
        markets = {m: n for m, n in markets.items() if n >= FEWEST_SEARCHES_PRINTED}
    largest = sorted(markets, key=lambda m: (-markets[m], m))[:MARKETS_PRINTED]
    return ["all", *sorted(largest)]


def metrics_shown(scorecard: Scorecard) -> dict[str, str]:
    """Metric → heading: those of bookings, or of clicks where the test has no booking."""
    return METRICS if primary_metric(scorecard) == PRIMARY else METRICS_WITHOUT_BOOKINGS


def primary_metric(scorecard: Scorecard) -> str:
    """The metric that models are compared by: of bookings, where the test window has any."""
    has_bookings = any(score.metric == PRIMARY for score in scorecard.scores)
    return PRIMARY if has_bookings else PRIMARY_WITHOUT_BOOKINGS


def g_shown(scorecard: Scorecard) -> dict[str, str]:
    """Metric → heading of G under each ceiling; empty where the truth is not known."""
    known = {score.metric for score in scorecard.scores}
    return {metric: heading for metric, heading in CEILINGS.items() if metric in known}


def headline(scorecard: Scorecard, model: str = "ranker") -> str:
    """One sentence: how much better a model is than the reference, and how sure."""
    metric = primary_metric(scorecard)
    heading = metrics_shown(scorecard)[metric]
    try:
        score = scorecard.find(model, metric)
    except KeyError:
        return f"no {heading} of {model}: nothing in the test window can be scored"
    if score.difference is None:
        return f"{model}: {heading} {figure(score)}"
    reference = score.value - score.difference
    share = f" ({score.difference / reference:+.0%})" if reference > 0 else ""
    return (
        f"{model} against {score.versus}: {heading} {score.difference:+.4f}{share}, "
        f"95% interval {score.difference_low:+.4f} to {score.difference_high:+.4f}, "
        f"{score.searches:,} searches with {counted(metric)}"
    )


def counted(metric: str) -> str:
    """What a search must have to be counted in this metric, in words."""
    return "a booking" if metric in METRICS else "an action"


def figure(score: Score | None) -> str:
    """``0.432 (0.410–0.450)``, or a dash."""
    if score is None:
        return "–"
    if score.low is None or score.high is None:
        return f"{score.value:.3f}"
    dash = "–" if score.low >= 0 else " to "
    return f"{score.value:.3f} ({score.low:.3f}{dash}{score.high:.3f})"


def table_rows(scorecard: Scorecard, segment: str) -> list[tuple[str, Sequence[Score | None]]]:
    """Model and figures, best model last."""
    metrics, primary = tuple(metrics_shown(scorecard)), primary_metric(scorecard)
    rows = scorecard.table(metrics, segments=[segment])
    rows.sort(key=lambda row: row[primary].value if row[primary] else -1.0)
    return [(row["model"], [row[metric] for metric in metrics]) for row in rows]
