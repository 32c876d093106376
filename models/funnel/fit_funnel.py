"""Fitting the three stages, one after the other, each led by the one before.

    click      trees on the training window, stopped on validation; whether the other results
               have a say; the shape of the calibration on validation; fitted again on both
    contact    a regression on the clicked rows, led by the log-odds of the click
    book       a regression on the contacted rows, led likewise

and the level of each, per market, on the days of both windows: days differ by more than chance,
and a single one gives no level. That of clicks follows the trend of these days to the next.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from data.schema.types import BOOKED, CONTACTED
from models.arrow_columns import Numbers, numbers, require_columns, stages
from models.funnel.click_stage import ClickRows, ClickStage
from models.funnel.config import FunnelConfig
from models.funnel.fitting_rows import FittingRows, markets_of
from models.funnel.funnel_stages import FUNNEL_STAGES, FunnelStages, in_the_middle
from models.funnel.in_search_evidence import InSearchEvidence, appeal_of_others
from models.funnel.later_stage import fit_later_stage, rows_of_stage
from models.lightgbm_core.calibration import (
    CalibrationConfig,
    Calibrator,
    calibrate,
    calibrate_levels,
    trend_of_levels,
)
from models.lightgbm_core.feature_matrix import of_other_results
from models.lightgbm_core.label_completeness import expected_outcomes
from models.lightgbm_core.position_bias import estimate_examination, examination_of
from models.linear.ridge_logistic import RidgeLogistic
from models.row_source import Rows

__all__ = ["FunnelFitting"]

_ORDER_SHOWN = ("position", "is_random_order")


class FunnelFitting:
    """One fit.

    Attributes:
        evidence: grows as things are measured; see :class:`FunnelStages`.
        first: the click stage that stopped on validation, before the one fitted on both windows.
    """

    def __init__(
        self, features: FeatureSet, config: FunnelConfig, calibration: CalibrationConfig
    ) -> None:
        self.features, self.config, self.calibration = features, config, calibration
        self.evidence: dict[str, Any] = {}
        self.first: ClickStage | None = None

    def fit(self, train: Rows, valid: Rows) -> FunnelStages:
        """The stages, from whole windows with all columns that are needed."""
        rows = FittingRows.of(train, valid, self.config)
        learnt = rows.train
        of_train = int((stages(learnt) > 0).sum())
        has_enough = min(of_train, learnt.num_rows - of_train) >= self.config.fewest_outcomes
        self.evidence = {"impressions": rows.impressions, "clicks": rows.clicks}
        fitted = FunnelStages(
            click=None,
            later=(),
            mean_log_odds=(_log_odds_of(rows.clicks, rows.impressions),),
            calibrators=(),
            neutral=_neutral_of(self.features, learnt),
            keeps_in_search=self.config.in_search == "kept",
        )
        del learnt  # nearly as large as the rows that it is a part of
        fitted = self._with_click(fitted, rows, has_enough=has_enough)
        for stage in (CONTACTED, BOOKED):
            fitted = self._with_later(fitted, rows, stage)
        return replace(fitted, evidence=self.evidence)

    def _with_click(
        self, fitted: FunnelStages, rows: FittingRows, *, has_enough: bool
    ) -> FunnelStages:
        shape = Calibrator({})
        if has_enough:
            fitted, shape = self._fit_click(fitted, rows)
        log_odds = _click_log_odds(fitted, rows.sample)
        markets = markets_of(rows.sample)
        level = calibrate_levels(log_odds, rows.rates, markets, shape)
        trend = _trend(rows, level.probabilities(log_odds, markets))
        self.evidence["click.trend"] = trend
        return replace(fitted, calibrators=(level.shifted(trend),))

    def _fit_click(
        self, fitted: FunnelStages, rows: FittingRows
    ) -> tuple[FunnelStages, Calibrator]:
        """The click stage, and the shape of its calibration."""
        apart = () if self.config.in_search == "kept" else tuple(fitted.neutral)
        first, debiasing = self._first_stage(rows, apart)
        self.first = first
        both = self._click_rows(rows.both, self._examination(rows.both))
        fitted = replace(
            fitted,
            click=first,
            # Without debiasing: with it the place would be gone from what is to be told from it.
            keeps_in_search=self._keeps_in_search(fitted, first, self._click_rows(rows.both, None)),
        )
        log_odds = rows.judged.scored(partial(_click_log_odds, fitted))
        shape = calibrate(log_odds, rows.judged.clicked, rows.judged.markets, self.calibration)
        self.evidence |= {
            "debiasing": debiasing,
            "click.trees": int(np.mean(first.rounds)),
            "click.is_led_by_a_line": first.is_led_by_a_line,
        }
        if first.penalty is not None:
            self.evidence["click.penalty"] = first.penalty
        again = first.fitted_again(both) if self.config.refits else first
        return replace(fitted, click=again), shape

    def _first_stage(self, rows: FittingRows, apart: tuple[str, ...]) -> tuple[ClickStage, str]:
        """The click stage that learns from the training window and stops on validation.

        And what it was debiased by: ``none`` or ``position``.
        """
        train = rows.train
        examination = self._examination(train)
        stage = ClickStage(self.features, self.config, apart).fit(
            self._click_rows(train, examination), self._click_rows(rows.stopping, examination)
        )
        return stage, "none" if examination is None else "position"

    def _with_later(self, fitted: FunnelStages, rows: FittingRows, stage: int) -> FunnelStages:
        """The stages with the next one: its regression, its mean rate and its level."""
        name = FUNNEL_STAGES[stage - 1]
        lead = _click_log_odds(fitted, rows.clicked)
        known = rows.known.get(stage)
        learnt, led_by = rows_of_stage(rows.clicked, lead, stage, known, self.config)
        happened = int((stages(learnt) >= stage).sum())
        mean = _log_odds_of(happened, learnt.num_rows)
        compared = fitted.as_scored(learnt)
        found = fit_later_stage(self.features, compared, led_by, stage, rows.known, self.config)
        model = None if found is None else found.model
        self.evidence |= {f"{name}.rows": learnt.num_rows, f"{name}.outcomes": happened}
        if found is not None:
            self.evidence |= {
                f"{name}.penalty": found.penalty,
                f"{name}.lead_weight": found.model.lead_weight,
            }
        is_reached = stages(rows.clicked) >= stage - 1
        reached, lead = rows.clicked.filter(pa.array(is_reached)), lead[is_reached]
        log_odds = _later_log_odds(fitted, model, mean, reached, lead)
        # Each outcome that is known counts for as many as will have come in the end.
        outcomes = expected_outcomes(reached, stage, rows.known)
        level = calibrate_levels(log_odds, outcomes, markets_of(reached), Calibrator({}))
        return replace(
            fitted,
            later=(*fitted.later, model),
            mean_log_odds=(*fitted.mean_log_odds, mean),
            calibrators=(*fitted.calibrators, level),
        )

    def _click_rows(self, rows: pa.Table, examination: Numbers | None) -> ClickRows:
        # P(click) = P(looked at) · P(click | looked at): a sum of logarithms. Chances of a
        # click are small, where log-odds are as good as logarithms.
        start = (
            np.zeros(rows.num_rows)
            if examination is None
            else np.log(examination_of(rows, examination))
        )
        return ClickRows.of(rows, start, self.config)

    def _examination(self, rows: pa.Table) -> Numbers | None:
        """P(looked at | place), or ``None`` without debiasing."""
        if self.config.debiasing == "none":
            return None
        if self.config.debiasing == "position":
            require_columns(rows, _ORDER_SHOWN, model="the funnel's debiasing")
        elif _random_clicks(rows) < self.config.fewest_random_clicks:
            return None
        return estimate_examination(rows)

    def _keeps_in_search(self, fitted: FunnelStages, first: ClickStage, both: ClickRows) -> bool:
        """Whether the features of the other results have a say, by what the log shows."""
        is_kept = self.config.in_search == "kept"
        if self.config.in_search == "evidence" and fitted.neutral:
            found = self._evidence_of_others(fitted, first, both)
            is_kept = found.is_kept
            self.evidence["in_search.source"] = found.source
            if found.estimate is not None:
                self.evidence |= {
                    "in_search.appeal": found.estimate,
                    "in_search.error": found.error,
                    "in_search.clicks": found.clicks,
                }
        self.evidence["in_search"] = "kept" if is_kept else "apart"
        return is_kept

    def _evidence_of_others(
        self, fitted: FunnelStages, first: ClickStage, both: ClickRows
    ) -> InSearchEvidence:
        """From stages that did not learn from the guest: each half of them judges the other."""
        if not set(_ORDER_SHOWN) & set(both.rows.column_names):
            return InSearchEvidence(is_kept=False)
        half = both.folds % 2
        own, owed = np.zeros(len(half)), np.zeros(len(half))
        for number in (0, 1):
            at = np.flatnonzero(half == number)
            other_half = both.take(np.flatnonzero(half != number))
            stage = first.fitted_again(other_half, quickly=True)
            rows = both.rows.take(pa.array(at))
            own[at] = stage.log_odds(in_the_middle(rows, fitted.neutral))
            owed[at] = stage.log_odds(rows) - own[at]
        return appeal_of_others(
            both.rows, own, owed, fewest_clicks=self.config.fewest_random_clicks
        )


def _trend(rows: FittingRows, predicted: Numbers) -> float:
    """What the level of clicks will have moved by on the next day; ``predicted`` of the sample."""
    if not len(rows.days):
        return 0.0
    place = np.searchsorted(rows.days, np.asarray(rows.sample["search_day"], dtype=np.int64))
    size = np.bincount(place, minlength=len(rows.days))
    means = np.bincount(place, predicted, minlength=len(rows.days)) / np.maximum(size, 1)
    return trend_of_levels(rows.days, means, rows.day_rates)


def _click_log_odds(fitted: FunnelStages, rows: pa.Table) -> Numbers:
    if fitted.click is None:
        return np.full(rows.num_rows, fitted.mean_log_odds[0])
    return fitted.click.log_odds(fitted.as_scored(rows))


def _later_log_odds(
    fitted: FunnelStages, model: RidgeLogistic | None, mean: float, rows: pa.Table, lead: Numbers
) -> Numbers:
    if model is None:
        return np.full(rows.num_rows, mean)
    return model.log_odds(fitted.as_scored(rows), lead)


def _neutral_of(features: FeatureSet, rows: pa.Table) -> dict[str, float]:
    """Medians of the features of the other results, of those that have any value."""
    return {
        name: float(np.nanmedian(numbers(rows, name)))
        for name in of_other_results(features)
        if np.isfinite(numbers(rows, name)).any()
    }


def _random_clicks(rows: pa.Table) -> int:
    """Clicks in searches of random order whose places are known."""
    if not set(_ORDER_SHOWN) <= set(rows.column_names):
        return 0
    is_random = np.nan_to_num(numbers(rows, "is_random_order")) > 0
    is_placed = np.isfinite(numbers(rows, "position"))
    return int((is_random & is_placed & (stages(rows) > 0)).sum())


def _log_odds_of(happened: int, rows: int) -> float:
    # Half an outcome is added to each side: a stage that nobody reached stays finite.
    return float(np.log((happened + 0.5) / (rows - happened + 0.5)))
