"""The transfer matrix: train on one market, test on every market.

A row per training, a column per test market. ``joint`` is trained on all markets at once;
``separate`` orders each market by the model trained on that market, and is what every other
row is compared with, on the same searches:

    trained on    tested on rio                tested on sao_paulo
    rio           = separate                   learnt elsewhere
    sao_paulo     learnt elsewhere             = separate
    joint         more rows, of both markets   more rows, of both markets
    separate      the rio model                the sao_paulo model

It answers what a new market gets from a model trained elsewhere, and whether training on
all markets together beats a model per market.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.evaluation.scorecard import Score
from models.recommender import Scores

__all__ = ["JOINT", "SEPARATE", "Trained", "TransferCell", "transfer_matrix"]

JOINT, SEPARATE = "joint", "separate"

Trained = Callable[[pa.Table], Scores]
"""A fitted model's scoring of rows: one score per row."""


@dataclass(frozen=True, kw_only=True)
class TransferCell:
    """One cell: trained on ``train`` (a market, ``joint`` or ``separate``), tested on ``test``.

    ``score`` carries value, interval, and the difference from ``separate``.
    """

    train: str
    test: str
    score: Score


def transfer_matrix(
    train: pa.Table,
    test: pa.Table,
    fit: Callable[[pa.Table], Trained],
    *,
    metrics: Sequence[str] = ("ndcg_at_10",),
    config: EvaluationConfig | None = None,
    truth: Mapping[str, Scores] | None = None,
    context: EvaluationInputs | None = None,
) -> list[TransferCell]:
    """Fit once per training market and once on all, and score every test market.

    ``train`` and ``test`` are feature tables of several markets; ``fit`` takes training
    rows and returns a scorer; ``truth`` and ``context`` are those of
    :func:`models.evaluation.evaluate.evaluate`. Cells come metric by metric and row by row, the
    markets first; the row ``separate`` is what each model is tested against. Raises
    ``ValueError`` with fewer than two markets to train on, or a test market that was never
    trained on.
    """
    markets = sorted(pc.unique(train["market"]).to_pylist())
    tested = sorted(pc.unique(test["market"]).to_pylist())
    if len(markets) < 2 or not set(tested) <= set(markets):
        raise ValueError(f"trained on {markets}, tested on {tested}: needs the same two or more")
    scores = {
        market: np.asarray(fit(train.filter(pc.equal(train["market"], market)))(test))
        for market in markets
    }
    scores[JOINT] = np.asarray(fit(train)(test))
    market_of_row = np.asarray(test["market"].to_pylist())
    scores[SEPARATE] = np.select(
        [market_of_row == market for market in markets], [scores[market] for market in markets]
    )
    card = evaluate(
        test, scores, split="test", reference=SEPARATE, config=config, truth=truth, context=context
    )
    return [
        TransferCell(train=trained, test=market, score=score)
        for metric in metrics
        for trained in scores
        for market in tested
        for score in card.scores
        if (score.model, score.segment, score.metric) == (trained, f"market={market}", metric)
    ]
