"""What of a scorecard is shown to people: which metrics, which markets, and in which words.

:func:`primary_metric` decides which metric the models are compared by, :func:`figure` how one
figure is written. A figure of too few searches is never written as a number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data.counted import counted
from models.evaluation.oracle import CEILINGS
from models.evaluation.provenance import Honesty, Provenance
from models.evaluation.sample_size import too_few as too_few_cases
from models.evaluation.scorecard import Score, Scorecard
from pipelines.config.home import Home

__all__ = [
    "VALUE",
    "difference_of",
    "figure",
    "g_shown",
    "headline",
    "interval_of",
    "metrics_shown",
    "name_of",
    "ndcg_shown",
    "primary_metric",
    "read_scorecard",
    "scale_of",
    "searches_line",
    "segments_shown",
    "table_rows",
    "too_few",
    "value_in_words",
    "value_of",
]

VALUE = "value_dcg_at_10"
# What the value counts, by the outcome that a click's worth was learnt from.
OUTCOMES = {"book": "bookings", "contact": "contacts", "click": "clicks"}


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """How a metric is written.

    Attributes:
        heading: of its column.
        name: in a sentence.
        condition: what a search must have to be counted, put after the number of searches.
    """

    heading: str
    name: str
    condition: str = ""


def _of(heading: str, condition: str) -> _Shown:
    return _Shown(heading=heading, name=heading, condition=condition)


OF_BOOKINGS = {
    "ndcg_at_10": _of("NDCG@10", "with a booking"),
    "mrr": _of("MRR", "with a booking"),
    "recall_at_10": _of("recall@10", "with a booking"),
}

# Where the test window has no booking, the clicks and contacts are looked at.
OF_ACTIONS = {
    "graded_ndcg_at_5": _of("graded NDCG@5", "with an action"),
    "graded_ndcg_at_10": _of("graded NDCG@10", "with an action"),
    "search_auc_click": _of("click AUC in a search", "with a click"),
}

NDCG, GRADED = "ndcg_at_10", "graded_ndcg_at_10"

# Of a log with many markets only the largest are printed; all are in the scorecard.
MARKETS_PRINTED = 4

ORACLES = "oracle_"


def read_scorecard(home: Home, run: str | None = None) -> Scorecard:
    """The latest scorecard as it was written; of a ``run`` its own, where it kept one.

    A day's report is of the champion's run, and the latest evaluated may be another one that
    was refused. Runs of earlier versions kept no panel beside their figures: the latest then.
    """
    folder = home.report
    if run is not None and (home.run_folder(run) / "honesty.json").is_file():
        folder = home.run_folder(run)
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
    markets: dict[str, Score] = {}
    for score in scorecard.scores:
        if score.segment.startswith("market=") and score.metric == primary:
            markets[score.segment] = score
    if len(markets) > MARKETS_PRINTED:
        markets = {name: score for name, score in markets.items() if not score.is_too_few}
    largest = sorted(markets, key=lambda name: (-markets[name].searches, name))[:MARKETS_PRINTED]
    return ["all", *sorted(largest)]


def primary_metric(scorecard: Scorecard) -> str:
    """The metric that models are compared by: the first that enough searches have.

    The value of the clicks; in a scorecard without it NDCG of the bookings; where hardly any
    search has a booking, graded NDCG.
    """
    return _first_with_enough(scorecard, (VALUE, NDCG, GRADED))


def ndcg_shown(scorecard: Scorecard) -> str:
    """The NDCG that is shown: of the bookings, or graded where hardly any search has one."""
    return _first_with_enough(scorecard, (NDCG, GRADED))


def _first_with_enough(scorecard: Scorecard, metrics: Sequence[str]) -> str:
    known = {score.metric for score in scorecard.scores}
    whole = (score for score in scorecard.scores if score.segment == "all")
    enough = {score.metric for score in whole if not score.is_too_few}
    for names in (enough, known):
        for metric in metrics:
            if metric in names:
                return metric
    return metrics[-1]


def metrics_shown(scorecard: Scorecard) -> dict[str, str]:
    """Metric → heading: the value of the clicks, then those of bookings, or of clicks."""
    return {metric: shown.heading for metric, shown in _shown(scorecard).items()}


def name_of(metric: str) -> str:
    """A metric that is shown, in a sentence."""
    return "value DCG@10" if metric == VALUE else (OF_BOOKINGS | OF_ACTIONS)[metric].name


def value_in_words(scorecard: Scorecard) -> str:
    """What the value of the clicks is, in one sentence; empty where it is not shown."""
    if VALUE not in metrics_shown(scorecard):
        return ""
    return (
        f"value DCG@10: expected {_worth(scorecard)} per 1,000 searches from the first ten "
        "places, by what was clicked there"
    )


def _worth(scorecard: Scorecard) -> str:
    return OUTCOMES[scorecard.honesty.provenance.worth_outcome]


def _shown(scorecard: Scorecard) -> dict[str, _Shown]:
    has_value = any(score.metric == VALUE for score in scorecard.scores)
    others = OF_BOOKINGS if ndcg_shown(scorecard) == NDCG else OF_ACTIONS
    if not has_value:
        return others
    heading = f"value DCG@10, {_worth(scorecard)} per 1,000 searches"
    return {VALUE: _Shown(heading=heading, name=name_of(VALUE))} | others


def g_shown(scorecard: Scorecard) -> dict[str, str]:
    """Metric → heading of G under each ceiling; empty where the truth is not known."""
    known = {score.metric for score in scorecard.scores}
    names = {f"g_{name}_at_10": f"G@10, knowing the {name}" for name in CEILINGS}
    return {metric: heading for metric, heading in names.items() if metric in known}


def searches_line(scorecard: Scorecard, segment: str) -> str:
    """How many searches a segment's figures score: ``8,012 test searches, 171 with a booking``."""
    scored = {s.metric: s.searches for s in scorecard.scores if s.segment == segment}
    conditions: dict[str, int] = {}
    for metric, shown in _shown(scorecard).items():
        if metric in scored:
            conditions.setdefault(shown.condition, scored[metric])
    if not conditions:
        return "no test search that can be ranked"
    (first, count), *others = conditions.items()
    if first:
        return f"{counted(count, 'test search')} {first}"
    line = counted(count, "test search")
    # those of the NDCG beside it; further metrics have nearly the same
    return ", ".join([line, *(f"{n:,} {condition}" for condition, n in others[:1])])


def headline(scorecard: Scorecard, model: str = "ranker") -> str:
    """One sentence: how much better a model is than the reference, and how sure.

    By the primary metric; where that is the value of the clicks, NDCG comes second.
    """
    if scorecard.honesty.nothing_ranked:
        return scorecard.honesty.nothing_ranked
    primary, ndcg = primary_metric(scorecard), ndcg_shown(scorecard)
    lines = [_beside_reference(scorecard, model, m) for m in dict.fromkeys((primary, ndcg))]
    name = next((s.versus for s in scorecard.scores if s.model == model and s.versus), None)
    return f"{model}{f' against {name}' if name else ''}: {'; '.join(lines)}"


def _beside_reference(scorecard: Scorecard, model: str, metric: str) -> str:
    """``value DCG@10 +8.1% (95% interval +5.2% to +11.0%), 8,012 searches of 4,500 guests``."""
    shown = _shown(scorecard)[metric]
    try:
        score = scorecard.find(model, metric)
    except KeyError:
        return f"no {shown.name}: nothing in the test window can be scored"
    searches = f"{counted(score.searches, 'search')} {shown.condition}".rstrip()
    # as many as searches: a guest each, or a log that names no guests
    if score.clusters is not None and score.clusters < score.searches:
        searches += f" of {counted(score.clusters, 'guest')}"
    if score.difference is None or score.is_too_few:
        return f"{shown.name} {figure(score)}, {searches}"
    difference, interval = difference_of(score)
    return f"{shown.name} {difference} ({interval}), {searches}"


def difference_of(score: Score) -> tuple[str, str]:
    """A score's difference from the reference, and its interval in words.

    Of the value of the clicks in percent of the reference's: ``+8.1%`` and ``95% interval
    +5.2% to +11.0%``.
    """
    difference = score.difference or 0.0
    reference = score.value - difference
    scale, form = 1.0, "+.4f"
    if score.metric == VALUE and reference > 0:
        scale, form = 1 / reference, "+.1%"
    text = f"{difference * scale:{form}}"
    if score.difference_low is None or score.difference_high is None:
        return text, "no interval can be given"
    low, high = score.difference_low * scale, score.difference_high * scale
    return text, f"95% interval {low:{form}} to {high:{form}}"


def scale_of(metric: str) -> int:
    """What a figure is multiplied by when it is shown: the value is of a thousand searches."""
    return 1_000 if metric == VALUE else 1


def too_few(score: Score) -> str:
    """``too few (n = 2)``: what stands in the place of a figure of so few searches."""
    return too_few_cases(score.searches)


def value_of(score: Score) -> str:
    """The value alone, as it is shown."""
    if score.is_too_few:
        return too_few(score)
    return _number(score, score.value)


def figure(score: Score | None) -> str:
    """``0.432 (0.410–0.450)``; ``too few (n = 2)`` below ``EvaluationConfig.fewest``; or a dash.

    Without brackets where no interval is known, such as from one guest.
    """
    if score is None:
        return "–"
    if score.is_too_few or score.low is None or score.high is None:
        return value_of(score)
    return f"{value_of(score)} ({interval_of(score)})"


def interval_of(score: Score) -> str:
    """``0.410–0.450``: the ends alone; empty where no interval is known."""
    if score.low is None or score.high is None:
        return ""
    dash = "–" if score.low >= 0 else " to "
    return f"{_number(score, score.low)}{dash}{_number(score, score.high)}"


def _number(score: Score, value: float) -> str:
    scale = scale_of(score.metric)
    return f"{value * scale:.1f}" if scale > 1 else f"{value:.3f}"


def table_rows(scorecard: Scorecard, segment: str) -> list[tuple[str, Sequence[Score | None]]]:
    """Model and figures, best model last."""
    metrics, primary = tuple(metrics_shown(scorecard)), primary_metric(scorecard)
    rows = scorecard.table(metrics, segments=[segment])
    rows.sort(key=lambda row: row[primary].value if row[primary] else -1.0)
    return [(row["model"], [row[metric] for metric in metrics]) for row in rows]
