"""The funnel: calibrated P(click), P(contact | click) and P(book | contact) of a row.

Their product is P(book), as in Airbnb's Journey Ranker (Tan et al., KDD 2023); "contacted"
means contacted or booked directly, so that nothing skips a stage:

               P(click)    P(contact | click)    P(book | contact)    P(book)
    listing a      0.20                  0.10                 0.50      0.010
    listing b      0.10                  0.30                 0.50      0.015

Listing a is clicked twice as often, and b stands above it. Bookings are few: this way each
label is used where it is plentiful. Clicks are learnt by LightGBM from all impressions, the
two stages after them from the rows that reached the stage before, by a logistic regression
that starts from the log-odds of the click (or by LightGBM again). Each is calibrated per
market on the validation window, half of whose searches stop the training before.

With ``in_search="apart"`` a click's log-odds are a sum of two terms that share no feature (trees
under interaction constraints): one of the listing, the guest and the search, one of the other
results shown. The second carries the order in which they were shown, as a bias tower does where
positions are known (Guo et al., RecSys 2019). It is learnt beside the first and stands at its
median when scoring, so that the score is that of the listing, whatever was shown beside it.

Contacts and bookings of the youngest days are not all known when training: each known one
counts for as many as will have come in the end (``models.lightgbm_core.label_completeness``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.schema.feature_set import FeatureSet
from data.schema.types import BOOKED, CLICKED, CONTACTED
from models.arrow_columns import Numbers, numbers, require_columns, stages
from models.explanations.lift import Contributions
from models.funnel.config import FunnelConfig
from models.lightgbm_core.boosting import (
    Booster,
    LabelledRows,
    RoundLimits,
    load_booster,
    train_booster,
)
from models.lightgbm_core.calibration import CalibrationConfig, Calibrator, calibrate
from models.lightgbm_core.feature_matrix import FeatureMatrix
from models.lightgbm_core.label_completeness import (
    Completeness,
    expected_outcomes,
    mature_rows,
    stage_completeness,
)
from models.lightgbm_core.position_bias import estimate_examination, examination_of
from models.lightgbm_core.search_groups import downsample_unclicked
from models.linear.booking_mechanics import MECHANICS
from models.linear.ridge_logistic import RidgeLogistic
from models.ranking_order import hashed_ids, tie_keys
from models.recommender import Scores
from models.serialization import config_of, read_json, write_json

__all__ = ["FUNNEL_STAGES", "FunnelConfig", "FunnelModel"]

# In the order of the funnel: reaching data.schema.types.Stage 1, 2 and 3.
FUNNEL_STAGES = ("click", "contact", "book")


_NEEDS = ("id_search", "id_listing", "market")
_IN_SEARCH = "in_search"
_SAVED_AS = "funnel"
_PRICE = "listing_total_price"


@dataclass(frozen=True)
class _StageModel:
    """P(this stage | the one before).

    Attributes:
        learner: the model; ``None`` where there were too few outcomes for one.
        mean_log_odds: log-odds of the mean rate, which stand in for it then.
        calibrator: from log-odds to probability.
    """

    learner: Booster | RidgeLogistic | None
    mean_log_odds: float
    calibrator: Calibrator


@dataclass(frozen=True, kw_only=True)
class _FittingData:
    """What all three stages are fitted on.

    Attributes:
        train: rows to learn from.
        stopping: validation rows that stop the training.
        calibrating: validation rows that calibrate; ``stopping`` is half of them.
        completeness: by stage, how much of its outcomes is known; empty without correction.
        examination: P(looked at | place), or ``None`` without debiasing.
    """

    train: pa.Table
    stopping: pa.Table
    calibrating: pa.Table
    completeness: dict[int, Completeness]
    examination: Numbers | None


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
        self.config = config or FunnelConfig()
        self.calibration = calibration or CalibrationConfig()
        self.matrix = FeatureMatrix(features)
        self.stage_models: tuple[_StageModel, ...] = ()
        # What the features of the other results stand at when scoring; none where they are kept.
        self.neutral: dict[str, float] = {}

    @property
    def features(self) -> FeatureSet:
        """The features that the model learns from."""
        return self.matrix.features

    @property
    def features_read(self) -> FeatureSet:
        """The features that scoring reads: all but those that stand at their medians."""
        neutral = set(self.neutral)
        return FeatureSet(tuple(f for f in self.matrix.features if f.name not in neutral))

    def fit(self, train: pa.Table, valid: pa.Table) -> Self:
        """Learn each stage from ``train``, stop on half of ``valid``, calibrate on all of it.

        Raises ``ValueError`` when a column that is needed is absent.
        """
        is_debiased = self.config.debiasing == "position"
        order_columns = ("position", "is_random_order") if is_debiased else ()
        needed = (*_NEEDS, "stage", *order_columns, *self.matrix.features.names)
        for rows in (train, valid):
            require_columns(rows, needed, model=self.name)
        train, valid = _in_fixed_order(train), _in_fixed_order(valid)
        self.matrix.fit(train)
        self.neutral = {
            name: float(np.nanmedian(numbers(train, name)))
            for name in self._in_search_names()
            if np.isfinite(numbers(train, name)).any()
        }
        data = _FittingData(
            train=train,
            stopping=valid.filter(pa.array(hashed_ids(valid["id_search"]) % 2 == 0)),
            calibrating=valid,
            completeness=stage_completeness(train, valid) if self.config.corrects_maturity else {},
            examination=estimate_examination(train) if is_debiased else None,
        )
        self.stage_models = ()
        for stage in (CLICKED, CONTACTED, BOOKED):
            # One by one: the later stages start from the log-odds of the first.
            self.stage_models = (*self.stage_models, self._fit_stage(stage, data))
        return self

    def probabilities(self, rows: pa.Table) -> dict[str, Numbers]:
        """P(row gets at least as far) for ``click``, ``contact`` and ``book``, each (rows,)."""
        conditional = self.conditional(rows)
        reached = np.cumprod(np.stack([conditional[name] for name in FUNNEL_STAGES]), axis=0)
        return dict(zip(FUNNEL_STAGES, reached, strict=True))

    def conditional(self, rows: pa.Table) -> dict[str, Numbers]:
        """P(click), P(contact | click), P(book | contact) of each row, calibrated."""
        require_columns(rows, (*_NEEDS, *self.features_read.names), model=self.name)
        self._check_fitted()
        rows = self._neutralised(rows)
        clicks, *later = self.stage_models
        lead = self._log_odds(clicks, rows)
        log_odds = (lead, *(self._log_odds(model, rows, lead) for model in later))
        markets = _markets(rows)
        return {
            name: model.calibrator.probabilities(values, markets)
            for name, model, values in zip(FUNNEL_STAGES, self.stage_models, log_odds, strict=True)
        }

    def score(self, rows: pa.Table) -> Scores:
        """P(book) of each row; times the price of the stay where that is the order.

        A row without a price scores 0 there: no booking value can be expected.
        """
        booked = self.probabilities(rows)["book"]
        if self.config.order_by == "bookings":
            return booked
        require_columns(rows, (_PRICE,), model=f"{self.name} by value")
        return booked * np.nan_to_num(numbers(rows, _PRICE), nan=0.0)

    def contributions(self, rows: pa.Table) -> Contributions:
        """What each feature adds to the log-odds of the stages together; (rows, features).

        SHAP values of the click trees, as often as their log-odds lead a later stage, and the
        terms of the regressions. Stages learnt by trees, or by a mean rate, take no part.
        """
        self._check_fitted()
        rows = self._neutralised(rows)
        clicks, *later = self.stage_models
        regressions = [m.learner for m in later if isinstance(m.learner, RidgeLogistic)]
        names = list(self.matrix.features.names)
        added_NF = np.zeros((rows.num_rows, len(names)))
        if not rows.num_rows:
            return added_NF
        if clicks.learner is not None and not isinstance(clicks.learner, RidgeLogistic):
            matrix, threads = self.matrix.encode(rows, model=self.name), self.config.threads
            shap = clicks.learner.predict(matrix, pred_contrib=True, num_threads=threads)
            # LightGBM's last column is the expected score.
            shap_NF = np.asarray(shap, dtype=np.float64)[:, :-1]
            added_NF += shap_NF * (1 + sum(fitted.lead_weight for fitted in regressions))
        for fitted in regressions:
            columns = [names.index(name) for name in fitted.scaled.inputs]
            added_NF[:, columns] += fitted.contributions(rows)
        return added_NF

    def save(self, folder: Path) -> None:
        """Write boosters as LightGBM text, regressions as JSON and Parquet, the rest as JSON."""
        steps = [
            {"maps": m.calibrator.maps, "log_odds": m.mean_log_odds, "kind": _kind(m.learner)}
            for m in self.stage_models
        ]
        saved = {"model": _SAVED_AS, "config": asdict(self.config), "steps": steps}
        saved |= {"neutral": self.neutral}
        learnt = {"calibration": asdict(self.calibration), "vocabulary": self.matrix.vocabulary}
        write_json(folder / "funnel.json", saved | learnt)
        self.matrix.features.save(folder / "features.json")
        for name, model in zip(FUNNEL_STAGES, self.stage_models, strict=True):
            if isinstance(model.learner, RidgeLogistic):
                model.learner.save(folder, name)
            elif model.learner is not None:
                (folder / f"booster_{name}.txt").write_text(model.learner.model_to_string())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        saved = read_json(folder / "funnel.json", model=_SAVED_AS)
        model = cls(
            FeatureSet.load(folder / "features.json"),
            FunnelConfig(**config_of(saved)),
            CalibrationConfig(**saved["calibration"]),
        )
        model.neutral = {k: float(v) for k, v in saved.get("neutral", {}).items()}
        model.matrix.vocabulary = {k: tuple(v) for k, v in saved["vocabulary"].items()}
        model.stage_models = tuple(
            _StageModel(
                model._load_learner(folder, name, step["kind"]),
                step["log_odds"],
                Calibrator(step["maps"]),
            )
            for name, step in zip(FUNNEL_STAGES, saved["steps"], strict=True)
        )
        return model

    def _load_learner(self, folder: Path, name: str, kind: str) -> Booster | RidgeLogistic | None:
        if kind == "linear":
            return RidgeLogistic.load(self.matrix.features, folder, name)
        return load_booster(folder / f"booster_{name}.txt") if kind == "trees" else None

    def _fit_stage(self, stage: int, data: _FittingData) -> _StageModel:
        """The model of reaching ``stage``, fitted on the rows that reached the stage before."""
        train, stopping, calibrating = (
            _reached(rows, stage - 1) for rows in (data.train, data.stopping, data.calibrating)
        )
        if stage == CLICKED and self.config.unclicked_share < 1:
            share, seed = self.config.unclicked_share, self.config.seed
            train, stopping = (
                downsample_unclicked(rows, share=share, seed=seed) for rows in (train, stopping)
            )
        if stage in data.completeness:
            share = self.config.mature_share
            train = mature_rows(train, stage, data.completeness[stage], share)
        positives = int((stages(train) >= stage).sum())
        negatives = train.num_rows - positives
        learner: Booster | RidgeLogistic | None = None
        if min(positives, negatives) >= self.config.fewest_outcomes:
            if stage > CLICKED and self.config.later_stages == "linear":
                learner = self._fit_logistic(stage, train)
            else:
                # A place decides whether a result is looked at, not what follows a click.
                examination = data.examination if stage == CLICKED else None
                learner = self._fit_trees(stage, train, stopping, examination)
        # Half an outcome is added to each side: a stage that nobody reached stays finite.
        mean_log_odds = float(np.log((positives + 0.5) / (negatives + 0.5)))
        uncalibrated = _StageModel(learner, mean_log_odds, Calibrator({}))
        log_odds = self._log_odds(uncalibrated, self._neutralised(calibrating))
        outcomes = expected_outcomes(calibrating, stage, data.completeness)
        calibrator = calibrate(log_odds, outcomes, _markets(calibrating), self.calibration)
        return _StageModel(learner, mean_log_odds, calibrator)

    def _fit_logistic(self, stage: int, train: pa.Table) -> RidgeLogistic:
        happened = (stages(train) >= stage).astype(np.float64)
        rows = self._neutralised(train)
        lead = self._log_odds(self.stage_models[0], rows)
        return RidgeLogistic.fit(self.matrix.features, rows, lead, happened, self._penalty_of)

    def _penalty_of(self, name: str) -> float:
        return self.config.mechanics_penalty if name in MECHANICS else self.config.penalty

    def _in_search_names(self) -> tuple[str, ...]:
        """Features that compare a row with the other results of its search, if held apart."""
        if self.config.in_search == "kept":
            return ()
        return tuple(f.name for f in self.matrix.features if f.group == _IN_SEARCH)

    def _neutralised(self, rows: pa.Table) -> pa.Table:
        """The rows with the features of the other results at their medians."""
        present = [name for name in self.neutral if name in rows.column_names]
        rows = rows.drop_columns(present)
        for name, value in self.neutral.items():
            rows = rows.append_column(name, pa.array(np.full(rows.num_rows, value)))
        return rows

    def _check_fitted(self) -> None:
        if not self.stage_models:
            raise ValueError("the funnel model has not been fitted or loaded")

    def _fit_trees(
        self, stage: int, train: pa.Table, stopping: pa.Table, examination: Numbers | None
    ) -> Booster:
        learnt, stop = (self._labelled(r, stage, examination) for r in (train, stopping))
        parameters = self.config.parameters()
        apart = set(self._in_search_names()) if stage == CLICKED else set()
        if apart:
            names = self.matrix.features.names
            split = ([name not in apart for name in names], [name in apart for name in names])
            parameters["interaction_constraints"] = [
                np.flatnonzero(part).tolist() for part in split
            ]
        return train_booster(
            parameters,
            learnt,
            # Rows that all came out alike cannot tell when to stop.
            stop if 0 < stop.labels.sum() < len(stop.labels) else None,
            limits=RoundLimits(most=self.config.max_rounds, patience=self.config.patience),
        ).booster

    def _labelled(self, rows: pa.Table, stage: int, examination: Numbers | None) -> LabelledRows:
        return LabelledRows(
            matrix=self.matrix.encode(rows, model=self.name),
            labels=(stages(rows) >= stage).astype(np.int64),
            categories=self.matrix.features.categories,
            # P(click) = P(looked at) · P(click | looked at): a sum of logarithms. Chances of a
            # click are small, where log-odds are as good as logarithms.
            offsets=None if examination is None else np.log(examination_of(rows, examination)),
        )

    def _log_odds(self, model: _StageModel, rows: pa.Table, lead: Numbers | None = None) -> Numbers:
        """What a stage gives before calibration.

        ``lead`` are the log-odds of a click, computed here where a regression needs them and
        they are not given.
        """
        if model.learner is None or not rows.num_rows:
            return np.full(rows.num_rows, model.mean_log_odds)
        if isinstance(model.learner, RidgeLogistic):
            lead = self._log_odds(self.stage_models[0], rows) if lead is None else lead
            return model.learner.log_odds(rows, lead)
        matrix = self.matrix.encode(rows, model=self.name)
        raw = model.learner.predict(matrix, raw_score=True, num_threads=self.config.threads)
        return np.asarray(raw, dtype=np.float64)


def _kind(learnt: Booster | RidgeLogistic | None) -> str:
    if learnt is None:
        return "rate"
    return "linear" if isinstance(learnt, RidgeLogistic) else "trees"


def _in_fixed_order(rows: pa.Table) -> pa.Table:
    return rows.take(pa.array(np.argsort(tie_keys(rows), kind="stable")))


def _reached(rows: pa.Table, stage: int) -> pa.Table:
    return rows if stage == 0 else rows.filter(pa.array(stages(rows) >= stage))


def _markets(rows: pa.Table) -> np.ndarray[Any, Any]:
    return np.asarray(pc.fill_null(rows["market"].cast(pa.string()), "").to_pylist(), dtype=object)
