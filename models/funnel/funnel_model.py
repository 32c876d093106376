"""The funnel: calibrated P(click), P(contact | click) and P(book | contact) of a row.

Clicks are learnt by LightGBM from all impressions, the two stages after them from the rows
that reached the stage before, by a logistic regression led by the log-odds of the click (or
by LightGBM again). Each is calibrated per market on a later window. "Contacted" means
contacted or booked directly, so that the product of the three is P(book), as Airbnb's
Journey Ranker has it (Tan et al., KDD 2023). Bookings are few; a model of P(book) that learns
clicks from all impressions, and what follows a click from the clicked ones, uses each label
where it is plentiful. The validation window calibrates; half of its searches stopped the
training.

Contacts and bookings of the youngest days are not all known when training: each known one
stands for as many as will have come in the end (``models.lightgbm_core.label_completeness``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Numbers, need, numbers, stages
from models.funnel.config import FunnelConfig
from models.funnel.led_logistic import LedLogistic
from models.lightgbm_core.boosting import Booster, Labelled, load_booster, train_booster
from models.lightgbm_core.calibration import CalibrationConfig, Calibrator, calibrate
from models.lightgbm_core.feature_matrix import FeatureMatrix
from models.lightgbm_core.label_completeness import (
    Completeness,
    in_the_end,
    known_shares,
    mature_rows,
)
from models.lightgbm_core.position_bias import examination_of, examined
from models.lightgbm_core.search_groups import thinned
from models.ranking_order import hashed_ids, tie_keys
from models.recommender import Scores
from models.serialization import config_of, read_json, write_json

__all__ = ["STEPS", "FunnelConfig", "FunnelModel"]

STEPS = ("click", "contact", "book")

_NEEDS = ("id_search", "id_listing", "market")
_PRICE = "listing_total_price"


@dataclass(frozen=True)
class _Step:
    """One stage: what learnt it, or the log-odds of the mean rate alone, and the calibrator."""

    learnt: Booster | LedLogistic | None
    log_odds: float
    calibrator: Calibrator


class FunnelModel:
    """The three stages behind the recommender protocol; the score is P(book)."""

    name: str = "funnel"

    def __init__(
        self,
        features: FeatureSet,
        config: FunnelConfig | None = None,
        calibration: CalibrationConfig | None = None,
    ) -> None:
        self.config = config or FunnelConfig()
        self.calibration = calibration or CalibrationConfig()
        self.matrix = FeatureMatrix(features)
        self.steps: tuple[_Step, ...] = ()

    def fit(self, train: pa.Table, valid: pa.Table) -> Self:
        """Learn each stage from ``train``, stop and calibrate on the halves of ``valid``.

        Raises ``ValueError`` when a column that is needed is absent.
        """
        shown = ("position", "is_random_order") if self.config.debiasing == "position" else ()
        needed = (*_NEEDS, "stage", *shown, *self.matrix.features.names)
        for rows in (train, valid):
            need(rows, needed, model=self.name)
        ordered, later = _in_fixed_order(train), _in_fixed_order(valid)
        self.matrix.fit(ordered)
        examination = examination_of(ordered) if shown else None
        stopping = later.filter(pa.array(hashed_ids(later["id_search"]) % 2 == 0))
        known = known_shares(ordered, later) if self.config.corrects_maturity else {}
        self.steps = ()
        for stage in (1, 2, 3):
            step = self._step(stage, (ordered, stopping, later), known, examination)
            self.steps = (*self.steps, step)
        return self

    def probabilities(self, rows: pa.Table) -> dict[str, Numbers]:
        """P(row gets at least as far) for ``click``, ``contact`` and ``book``, each (rows,)."""
        conditional = self.conditional(rows)
        reached = np.cumprod(np.stack([conditional[step] for step in STEPS]), axis=0)
        return dict(zip(STEPS, reached, strict=True))

    def conditional(self, rows: pa.Table) -> dict[str, Numbers]:
        """P(click), P(contact | click), P(book | contact) of each row, calibrated."""
        need(rows, (*_NEEDS, *self.matrix.features.names), model=self.name)
        if not self.steps:
            raise ValueError("the funnel model has not been fitted or loaded")
        markets, lead = _markets(rows), self._log_odds(self.steps[0], rows)
        given = {}
        for name, step in zip(STEPS, self.steps, strict=True):
            given[name] = step.calibrator.of(self._log_odds(step, rows, lead), markets)
        return given

    def score(self, rows: pa.Table) -> Scores:
        """P(book) of each row; times the price of the stay where that is the order.

        A row without a price is worth nothing there: no booking value can be expected.
        """
        booked = self.probabilities(rows)["book"]
        if self.config.order_by == "bookings":
            return booked
        need(rows, (_PRICE,), model=f"{self.name} by value")
        return booked * np.nan_to_num(numbers(rows, _PRICE), nan=0.0)

    def save(self, folder: Path) -> None:
        """Write boosters as LightGBM text, regressions as JSON and Parquet, the rest as JSON."""
        steps = [
            {"maps": s.calibrator.maps, "log_odds": s.log_odds, "kind": _kind(s.learnt)}
            for s in self.steps
        ]
        saved = {"model": self.name, "config": asdict(self.config), "steps": steps}
        learnt = {"calibration": asdict(self.calibration), "vocabulary": self.matrix.vocabulary}
        write_json(folder / "funnel.json", saved | learnt)
        self.matrix.features.save(folder / "features.json")
        for name, step in zip(STEPS, self.steps, strict=True):
            if isinstance(step.learnt, LedLogistic):
                step.learnt.save(folder, name)
            elif step.learnt is not None:
                (folder / f"booster_{name}.txt").write_text(step.learnt.model_to_string())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        saved = read_json(folder / "funnel.json", model=cls.name)
        model = cls(
            FeatureSet.load(folder / "features.json"),
            FunnelConfig(**config_of(saved)),
            CalibrationConfig(**saved["calibration"]),
        )
        model.matrix.vocabulary = {k: tuple(v) for k, v in saved["vocabulary"].items()}
        model.steps = tuple(
            _Step(
                model._loaded(folder, name, step["kind"]),
                step["log_odds"],
                Calibrator(step["maps"]),
            )
            for name, step in zip(STEPS, saved["steps"], strict=True)
        )
        return model

    def _loaded(self, folder: Path, name: str, kind: str) -> Booster | LedLogistic | None:
        if kind == "linear":
            return LedLogistic.load(self.matrix.features, folder, name)
        return load_booster(folder / f"booster_{name}.txt") if kind == "trees" else None

    def _step(
        self,
        stage: int,
        parts: tuple[pa.Table, pa.Table, pa.Table],
        known: dict[int, Completeness],
        examination: Numbers | None,
    ) -> _Step:
        """The model of reaching ``stage``, of the rows that reached the stage before.

        ``parts`` are the rows to learn from, to stop by and to calibrate on.
        """
        train, stopping, calibrating = (_reached(rows, stage - 1) for rows in parts)
        if stage == 1 and self.config.unclicked_share < 1:
            share, seed = self.config.unclicked_share, self.config.seed
            train, stopping = (thinned(r, share=share, seed=seed) for r in (train, stopping))
        if stage in known:
            train = mature_rows(train, stage, known[stage], self.config.mature_share)
        positives = int((stages(train) >= stage).sum())
        others = train.num_rows - positives
        learnt: Booster | LedLogistic | None = None
        if min(positives, others) >= self.config.fewest_outcomes:
            is_led = stage > 1 and self.config.later_stages == "linear"
            learnt = (
                self._led(stage, train)
                if is_led
                else self._boosted(stage, train, stopping, examination if stage == 1 else None)
            )
        log_odds = float(np.log((positives + 0.5) / (others + 0.5)))
        raw = self._log_odds(_Step(learnt, log_odds, Calibrator({})), calibrating)
        happened = in_the_end(calibrating, stage, known)
        calibrator = calibrate(raw, happened, _markets(calibrating), self.calibration)
        return _Step(learnt, log_odds, calibrator)

    def _led(self, stage: int, train: pa.Table) -> LedLogistic:
        happened = (stages(train) >= stage).astype(np.float64)
        lead = self._log_odds(self.steps[0], train)
        return LedLogistic.fitted(self.matrix.features, train, lead, happened, self.config.penalty)

    def _boosted(
        self, stage: int, train: pa.Table, stopping: pa.Table, examination: Numbers | None
    ) -> Booster:
        learnt, stop = (self._labelled(r, stage, examination) for r in (train, stopping))
        return train_booster(
            self.config.parameters(),
            learnt,
            stop if 0 < stop.labels.sum() < len(stop.labels) else None,
            rounds=self.config.max_rounds,
            patience=self.config.patience,
        )

    def _labelled(self, rows: pa.Table, stage: int, examination: Numbers | None) -> Labelled:
        return Labelled(
            matrix=self.matrix.of(rows, model=self.name),
            labels=(stages(rows) >= stage).astype(np.int64),
            categories=self.matrix.features.categories,
            # Chances of a click are small, where log-odds are as good as logarithms.
            offsets=None if examination is None else np.log(examined(rows, examination)),
        )

    def _log_odds(self, step: _Step, rows: pa.Table, lead: Numbers | None = None) -> Numbers:
        """What the step says before calibration; ``lead`` is what the first one says, if known."""
        if step.learnt is None or not rows.num_rows:
            return np.full(rows.num_rows, step.log_odds)
        if lead is not None and step is self.steps[0]:
            return lead
        if isinstance(step.learnt, LedLogistic):
            lead = self._log_odds(self.steps[0], rows) if lead is None else lead
            return step.learnt.log_odds(rows, lead)
        matrix = self.matrix.of(rows, model=self.name)
        raw = step.learnt.predict(matrix, raw_score=True, num_threads=self.config.threads)
        return np.asarray(raw, dtype=np.float64)


def _kind(learnt: Booster | LedLogistic | None) -> str:
    if learnt is None:
        return "rate"
    return "linear" if isinstance(learnt, LedLogistic) else "trees"


def _in_fixed_order(rows: pa.Table) -> pa.Table:
    return rows.take(pa.array(np.argsort(tie_keys(rows), kind="stable")))


def _reached(rows: pa.Table, stage: int) -> pa.Table:
    return rows if stage == 0 else rows.filter(pa.array(stages(rows) >= stage))


def _markets(rows: pa.Table) -> np.ndarray[Any, Any]:
    return np.asarray(pc.fill_null(rows["market"].cast(pa.string()), "").to_pylist(), dtype=object)
