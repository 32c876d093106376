"""The three stages, fitted: from rows to the log-odds and the chances of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from models.arrow_columns import Numbers
from models.funnel.click_stage import ClickStage
from models.funnel.fitting_rows import markets_of
from models.lightgbm_core.calibration import Calibrator
from models.linear.ridge_logistic import RidgeLogistic

__all__ = ["FUNNEL_STAGES", "FunnelStages"]

# In the order of the funnel: reaching data.schema.types.Stage 1, 2 and 3.
FUNNEL_STAGES = ("click", "contact", "book")


@dataclass(frozen=True, kw_only=True)
class FunnelStages:
    """What was fitted.

    Attributes:
        click: ``None`` where there were too few clicks: the mean rate stands in.
        later: the contact and the book stage; ``None`` likewise.
        mean_log_odds: of each of the three stages.
        calibrators: from log-odds to probability, of each stage.
        neutral: where the features of the other results stand in the middle.
        keeps_in_search: whether these have a say where they are known.
        evidence: what was measured in the log and decided the model: numbers and words.
    """

    click: ClickStage | None
    later: tuple[RidgeLogistic | None, ...]
    mean_log_odds: tuple[float, ...]
    calibrators: tuple[Calibrator, ...]
    neutral: dict[str, float]
    keeps_in_search: bool
    evidence: dict[str, Any] = field(default_factory=dict)

    def conditional(self, rows: pa.Table) -> dict[str, Numbers]:
        """P(click), P(contact | click), P(book | contact) of each row, calibrated."""
        compared = self.as_scored(rows)
        lead = _or_mean(self.click, self.mean_log_odds[0], compared)
        later = [
            np.full(rows.num_rows, mean) if model is None else model.log_odds(compared, lead)
            for model, mean in zip(self.later, self.mean_log_odds[1:], strict=True)
        ]
        markets = markets_of(rows)
        return {
            name: calibrator.probabilities(values, markets)
            for name, calibrator, values in zip(
                FUNNEL_STAGES, self.calibrators, (lead, *later), strict=True
            )
        }

    def as_scored(self, rows: pa.Table) -> pa.Table:
        """The rows as the stages read them; see :func:`in_the_middle`."""
        return in_the_middle(rows, self.neutral, unless_known=self.keeps_in_search)


def in_the_middle(
    rows: pa.Table, neutral: dict[str, float], *, unless_known: bool = False
) -> pa.Table:
    """The rows with the features of the other results at these values.

    ``unless_known`` leaves rows as they are that have these features.
    """
    if not neutral or (unless_known and set(neutral) <= set(rows.column_names)):
        return rows
    rows = rows.drop_columns([name for name in neutral if name in rows.column_names])
    for name, value in neutral.items():
        rows = rows.append_column(name, pa.array(np.full(rows.num_rows, value)))
    return rows


def _or_mean(click: ClickStage | None, mean: float, rows: pa.Table) -> Numbers:
    return np.full(rows.num_rows, mean) if click is None else click.log_odds(rows)
