"""What the gate demands of a challenger: section ``[gate]`` of ``stayrank.toml``."""

from __future__ import annotations

from dataclasses import dataclass, fields

from data.ranges import AT_LEAST_0, Range, refuse_outside
from pipelines.config.settings import Settings
from pipelines.run_context import config_of

__all__ = ["GateConfig", "gate_config"]


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """The primary metric, how much evidence a verdict takes, and what loss is tolerated.

    A guardrail fails where a loss beyond the tolerated one is *shown*: where the whole
    interval of the difference lies below it. The intervals are widened for the number of
    guardrails measured, so that ``guardrail_error`` holds for all of them together.
    How the defaults were chosen: ``docs/decisions/0035-the-gate.md``.

    Attributes:
        primary: metric whose paired interval must lie above zero.
        fallback: the same where the primary metric is not known or has too little behind it.
        promotion_error: chance that the interval gives to promoting an equal challenger. 0.0125
            (an interval of 97.5%) makes a measured 2.5%: differences vary by a tenth more
            than the bootstrap over guests says.
        gain_of_interest: relative gain that is worth waiting for. Where no difference is
            shown, the reason says whether one of this size is excluded.
        fewest_searches, fewest_guests, fewest_clicks: searches, guests and clicked rows that a
            figure made of clicks needs behind it to be judged by.
        fewest_bookings: bookings, and guests who booked, behind a figure made of bookings.
        guardrail_error: chance that a challenger at the edge of every tolerance fails any
            of the guardrails.
        value_loss: tolerated loss of the primary metric in a market or on new listings,
            relative.
        ndcg_loss: tolerated loss of NDCG@10 of bookings.
        recall_loss: tolerated loss of recall@100 over the catalogue.
        new_exposure_loss: tolerated loss of new listings' share of the top 10, relative.
        first_new_exposure_loss: the same against popularity, whose lists no guest was shown.
        gini_rise: tolerated rise of the Gini coefficient of the places in the top 10.
        coverage_loss: tolerated loss of the share of listings that are seen in a top 10.
        calibration_from, calibration_to: Σ predicted / Σ actual outcomes of a stage is
            sound between these.
        calibration_loss: an unsound ratio may be further from 1 than the champion's by this
            factor, less 1.
        fewest_outcomes: below these many outcomes a stage's calibration is not checked.
        slower: scoring may take these many times the champion's time.
        slower_ms: or these many milliseconds more per thousand rows.
    """

    primary: str = "value_dcg_at_10"
    fallback: str = "ndcg_at_10"
    promotion_error: float = 0.0125
    gain_of_interest: float = 0.05
    fewest_searches: int = 1_000
    fewest_guests: int = 300
    fewest_clicks: int = 500
    fewest_bookings: int = 50
    guardrail_error: float = 0.05
    value_loss: float = 0.02
    ndcg_loss: float = 0.02
    recall_loss: float = 0.02
    new_exposure_loss: float = 0.1
    first_new_exposure_loss: float = 0.5
    gini_rise: float = 0.03
    coverage_loss: float = 0.03
    calibration_from: float = 0.8
    calibration_to: float = 1.25
    calibration_loss: float = 0.05
    fewest_outcomes: int = 50
    slower: float = 2.0
    slower_ms: float = 5.0

    def __post_init__(self) -> None:
        numbers = (field.name for field in fields(self) if field.type != "str")
        # of half or more an interval would have no width
        errors = dict.fromkeys(("promotion_error", "guardrail_error"), Range(above=0, below=0.5))
        around_1 = {
            "calibration_from": Range(at_least=0, below=1),
            "calibration_to": Range(above=1),
        }
        refuse_outside(self, {**dict.fromkeys(numbers, AT_LEAST_0), **errors, **around_1})


def gate_config(settings: Settings) -> GateConfig:
    """The demands that the settings say; raises ``SettingsError`` naming what is unsound."""
    return config_of(GateConfig, "gate", dict(settings.gate), settings.written)
