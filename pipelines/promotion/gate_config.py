"""What the gate demands of a challenger: section ``[gate]`` of ``stayrank.toml``."""

from __future__ import annotations

from dataclasses import dataclass, fields

from pipelines.config.settings import Settings
from pipelines.run_context import config_of

__all__ = ["GateConfig", "gate_config"]


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """The primary metric, and how much worse a guarded figure may look.

    A guardrail fails where harm is shown (the paired interval lies below zero), or where
    the loss looks larger than is tolerated, shown or not. Figures without a pairing
    (exposure, calibration, latency) have the second part only.

    Attributes:
        primary: metric whose paired interval must lie above zero.
        fallback: the same where no search of the test window has a booking.
        ndcg_loss: tolerated loss of the primary metric in a market or on new listings.
        recall_loss: tolerated loss of recall@100 over the catalogue.
        new_exposure_loss: tolerated loss of new listings' share of the top 10, relative.
        gini_rise: tolerated rise of the Gini coefficient of the places in the top 10.
        coverage_loss: tolerated loss of the share of listings that are seen in a top 10.
        calibration_from, calibration_to: Σ predicted / Σ actual outcomes of a stage must
            lie between these, or be no further from 1 than the champion's.
        fewest_outcomes: below these many outcomes a stage's calibration is not checked.
        slower: scoring may take at most these many times the champion's time.
    """

    primary: str = "ndcg_at_10"
    fallback: str = "graded_ndcg_at_10"
    ndcg_loss: float = 0.02
    recall_loss: float = 0.02
    new_exposure_loss: float = 0.1
    gini_rise: float = 0.03
    coverage_loss: float = 0.03
    calibration_from: float = 0.8
    calibration_to: float = 1.25
    fewest_outcomes: int = 50
    slower: float = 2.0

    def __post_init__(self) -> None:
        numbers = {f.name: getattr(self, f.name) for f in fields(self) if f.type != "str"}
        wrong = [name for name, value in numbers.items() if value < 0]
        if not self.calibration_from < 1 < self.calibration_to:
            wrong.append("calibration_from, calibration_to")
        if wrong:
            raise ValueError(f"GateConfig out of range: {', '.join(wrong)}")


def gate_config(settings: Settings) -> GateConfig:
    """The demands that the settings say; raises ``SettingsError`` naming what is unsound."""
    return config_of(GateConfig, "gate", dict(settings.gate))
