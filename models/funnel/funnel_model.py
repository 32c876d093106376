"""The funnel: calibrated P(click), P(contact | click) and P(book | contact) of a row.

Their product is P(book), as in Airbnb's Journey Ranker (Tan et al., KDD 2023); "contacted"
means contacted or booked directly, so that nothing skips a stage:

               P(click)    P(contact | click)    P(book | contact)    P(book)
    listing a      0.20                  0.10                 0.50      0.010
    listing b      0.10                  0.30                 0.50      0.015

Listing a is clicked twice as often, and b stands above it. Bookings are few: this way each
label is used where it is plentiful. Clicks are learnt from all impressions
(:mod:`models.funnel.click_stage`), the two stages after them from the rows that reached the
stage before, led by the log-odds of the click (:mod:`models.funnel.later_stage`).

What a click owes to the other results shown is learnt apart: it carries the order in which they
were shown, as a bias tower does where positions are known (Guo et al., RecSys 2019). It goes
into the score where the log shows that most of it is appeal
(:mod:`models.funnel.in_search_evidence`); else the score is that of the listing, whatever was
shown beside it. A listing that was never shown, and has no such columns, stands in the middle
of any results.

Contacts and bookings of the youngest days are not all known when training: each known one
counts for as many as will have come in the end (``models.lightgbm_core.label_completeness``).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Numbers, numbers, require_columns
from models.explanations.lift import Contributions
from models.funnel.click_stage import ClickStage
from models.funnel.config import FunnelConfig
from models.funnel.fit_funnel import FunnelFitting
from models.funnel.funnel_stages import FUNNEL_STAGES, FunnelStages
from models.lightgbm_core.calibration import CalibrationConfig, Calibrator
from models.linear.ridge_logistic import RidgeLogistic
from models.recommender import Scores
from models.row_source import Rows
from models.serialization import config_of, read_json, write_json

__all__ = ["FUNNEL_STAGES", "FunnelConfig", "FunnelModel"]

_NEEDS = ("id_search", "id_listing", "market")
_PRICE = "listing_total_price"
_MODEL = "the funnel"
_FILE, _SAVED_AS, _FORMAT = "funnel.json", "funnel", 2


class FunnelModel:
    """The three stages behind the recommender protocol; the score is P(book)."""

    # In runs, registry and gate it goes by its role.
    name: str = "ranker"

    def __init__(
        self,
        features: FeatureSet,
        config: FunnelConfig | None = None,
        calibration: CalibrationConfig | None = None,
    ) -> None:
        self.features = features
        self.config = config or FunnelConfig()
        self.calibration = calibration or CalibrationConfig()
        self.fitted: FunnelStages | None = None
        self.held_out: FunnelStages | None = None

    @property
    def stages(self) -> FunnelStages:
        """What was fitted or loaded; raises ``ValueError`` before."""
        if self.fitted is None:
            raise ValueError("the funnel has not been fitted or loaded")
        return self.fitted

    @property
    def evidence(self) -> dict[str, Any]:
        """What was measured in the log and decided the model: a flat dict of numbers and words."""
        return {} if self.fitted is None else self.fitted.evidence

    @property
    def features_read(self) -> FeatureSet:
        """The features that scoring needs.

        Those that compare a row with the other results stand in the middle where they are absent.
        """
        neutral = set(self.fitted.neutral) if self.fitted is not None else set()
        return FeatureSet(tuple(f for f in self.features if f.name not in neutral))

    def fit(self, train: Rows, valid: Rows) -> Self:
        """Learn each stage, and calibrate it.

        ``valid`` stops the trees by half of its searches, and shapes the calibration; then all
        is learnt from both windows. Of rows that are not learnt from the features are not read.
        Raises ``ValueError`` when a column that is needed is absent.
        """
        for rows in (train, valid):
            require_columns(rows, (*_NEEDS, "stage", *self.features.names), model=_MODEL)
        # How BLAS adds up depends on its threads, and the same rows must give the same bits.
        with threadpool_limits(limits=1, user_api="blas"):
            fitting = FunnelFitting(self.features, self.config, self.calibration)
            self.fitted = fitting.fit(train, valid)
            self.held_out = replace(self.fitted, click=fitting.first)
        return self

    def probabilities(self, rows: pa.Table) -> dict[str, Numbers]:
        """P(row gets at least as far) for ``click``, ``contact`` and ``book``, each (rows,)."""
        conditional = self.conditional(rows)
        reached = np.cumprod(np.stack([conditional[name] for name in FUNNEL_STAGES]), axis=0)
        return dict(zip(FUNNEL_STAGES, reached, strict=True))

    def conditional(self, rows: pa.Table) -> dict[str, Numbers]:
        """P(click), P(contact | click), P(book | contact) of each row, calibrated."""
        require_columns(rows, (*_NEEDS, *self.features_read.names), model=_MODEL)
        return self.stages.conditional(rows)

    def score(self, rows: pa.Table) -> Scores:
        """P(book) of each row; times the price of the stay where that is the order.

        A row without a price scores 0 there: no booking value can be expected.
        """
        booked = self.probabilities(rows)["book"]
        if self.config.order_by == "bookings":
            return booked
        require_columns(rows, (_PRICE,), model="the funnel by value")
        return booked * np.nan_to_num(numbers(rows, _PRICE), nan=0.0)

    def score_held_out(self, rows: pa.Table) -> Scores:
        """P(book) by the click stage that did not learn from validation rows.

        What is chosen on them is chosen by this. Raises ``ValueError`` where the model was loaded,
        not fitted.
        """
        if self.held_out is None:
            raise ValueError("only a funnel that was fitted here has held-out scores")
        conditional = self.held_out.conditional(rows)
        return np.asarray(np.prod([conditional[name] for name in FUNNEL_STAGES], axis=0))

    def contributions(self, rows: pa.Table) -> Contributions:
        """What each feature adds to the log-odds of the stages together; (rows, features).

        SHAP values of the click trees, as often as their log-odds lead a later stage, and the
        terms of the regressions. Stages that are a mean rate take no part.
        """
        fitted, names = self.stages, list(self.features.names)
        added_NF = np.zeros((rows.num_rows, len(names)))
        if not rows.num_rows:
            return added_NF
        rows = fitted.as_scored(rows)
        regressions = [model for model in fitted.later if model is not None]
        if fitted.click is not None:
            leads = 1 + sum(regression.lead_weight for regression in regressions)
            added_NF += fitted.click.contributions(rows) * leads
        for regression in regressions:
            columns = [names.index(name) for name in regression.scaled.inputs]
            added_NF[:, columns] += regression.contributions(rows)
        return added_NF

    def save(self, folder: Path) -> None:
        """Write boosters as LightGBM text, regressions as JSON and Parquet, the rest as JSON."""
        fitted = self.stages
        folder.mkdir(parents=True, exist_ok=True)
        for name, model in zip(FUNNEL_STAGES[1:], fitted.later, strict=True):
            if model is not None:
                model.save(folder, name)
        saved = {
            "model": _SAVED_AS,
            "format": _FORMAT,
            "config": asdict(self.config),
            "calibration": asdict(self.calibration),
            "click": None if fitted.click is None else fitted.click.save(folder),
            "has_later": [model is not None for model in fitted.later],
            "mean_log_odds": fitted.mean_log_odds,
            "maps": [calibrator.maps for calibrator in fitted.calibrators],
            "neutral": fitted.neutral,
            "keeps_in_search": fitted.keeps_in_search,
            "evidence": fitted.evidence,
        }
        write_json(folder / _FILE, saved)
        self.features.save(folder / "features.json")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        saved = read_json(folder / _FILE, model=_SAVED_AS)
        if saved.get("format") != _FORMAT:
            raise ValueError(
                f"{folder / _FILE}: written by an earlier version; train again: stayrank train"
            )
        features = FeatureSet.load(folder / "features.json")
        config = FunnelConfig(**config_of(saved))
        model = cls(features, config, CalibrationConfig(**saved["calibration"]))
        click = saved["click"]
        model.fitted = FunnelStages(
            click=None if click is None else ClickStage.load(features, config, folder, click),
            later=tuple(
                RidgeLogistic.load(features, folder, name) if has else None
                for name, has in zip(FUNNEL_STAGES[1:], saved["has_later"], strict=True)
            ),
            mean_log_odds=tuple(saved["mean_log_odds"]),
            calibrators=tuple(Calibrator(maps) for maps in saved["maps"]),
            neutral=dict(saved["neutral"]),
            keeps_in_search=bool(saved["keeps_in_search"]),
            evidence=dict(saved["evidence"]),
        )
        return model
