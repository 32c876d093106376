"""P(the stay is free | what the log showed before), learnt from the log alone.

    P(shown) = P(free) · P(shown | free)

A dated search shows only what can be booked on its nights, so that being shown proves a stay
free, and not being shown may mean two things. That is an occupancy model with imperfect
detection (MacKenzie et al., Ecology 2002): a listing's stay is a site, each search that could
have shown it a visit. Detection is learnt first, from pairs known to be free from other searches
(:mod:`models.availability.detection`). With its probabilities p held fixed, the log-odds of being
free are linear in what was seen before the morning of the search
(:mod:`models.availability.night_evidence`), with the coefficients under which what was shown
is likeliest:

    free = 1 / (1 + exp(−x·b))
    b    = arg min −Σ w (y log(free·p) + (1 − y) log(1 − free·p)) + c|b|²/2

y: the search showed the listing. It is learnt on the last days before the test window: what was
known in the morning against what the day's searches showed. Nothing is filtered by it: it is a
probability, and multiplies what a listing is worth.

A dateless search asks for no nights. It gets the mean over the stays that guests of its market
ask for (:meth:`Availability.of_typical_stays`).

Shapes: P pairs, L listings, D inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from data.schema.time import DAY_S
from models.arrow_columns import Codes, Numbers
from models.availability.config import AvailabilityConfig
from models.availability.detection import DetectionRows, detection_probabilities
from models.availability.night_evidence import INPUTS, NightEvidence
from models.availability.stays import DatedSearches
from models.serialization import config_of, read_json, write_json

__all__ = ["AvailabilityModel", "OccupancyRows", "typical_stays"]

Probabilities = np.ndarray[Any, np.dtype[np.float32]]

_FILE = "availability.json"
_NAME = "availability"
_ITERATIONS = 300
_PAIRS_AT_ONCE = 1 << 19
_TYPICAL_STAYS = 64


@dataclass(frozen=True, kw_only=True)
class OccupancyRows:
    """Pairs of a dated search and a listing that it allows, with what was known that morning.

    Attributes:
        inputs_PD: as :meth:`NightEvidence.inputs` gives them.
        detection: the same pairs, for detection.
    """

    inputs_PD: Numbers
    detection: DetectionRows


@dataclass(frozen=True, kw_only=True)
class AvailabilityModel:
    """Log-odds of being free, linear in scaled inputs.

    Attributes:
        config: how it was learnt.
        mean_D, spread_D: of the inputs.
        coefficients: intercept first; shape (1 + D,).
        shape: of the gamma distribution that detection chose.
        pairs: how many were learnt from.
    """

    config: AvailabilityConfig
    mean_D: Numbers
    spread_D: Numbers
    coefficients: Numbers
    shape: float
    pairs: int

    @classmethod
    def fit(cls, days: Sequence[OccupancyRows], config: AvailabilityConfig) -> Self:
        """Learn from the pairs of some days.

        Raises ``ValueError`` where there are no days, too few shown pairs, or none of them is
        known to be free.
        """
        if not days:
            raise ValueError("no day with dated searches follows another day of the log")
        detection = _together([day.detection for day in days])
        if int(detection.was_shown_P.sum()) < config.fewest_shown:
            raise ValueError(
                f"{int(detection.was_shown_P.sum())} rows of dated searches are too few to learn "
                f"which nights are free ({config.fewest_shown} are needed)"
            )
        chance_P, shape = detection_probabilities(detection, config)
        inputs_PD = np.concatenate([day.inputs_PD for day in days]).astype(np.float64)
        mean_D, spread_D = inputs_PD.mean(axis=0), inputs_PD.std(axis=0)
        spread_D = np.where(spread_D > 0, spread_D, 1.0)
        design = np.column_stack([np.ones(len(inputs_PD)), (inputs_PD - mean_D) / spread_D])
        coefficients = _likeliest(design, detection, chance_P, config.penalty)
        return cls(
            config=config,
            mean_D=mean_D,
            spread_D=spread_D,
            coefficients=coefficients,
            shape=shape,
            pairs=len(inputs_PD),
        )

    def probabilities(
        self, seen: NightEvidence, listing_P: Codes, checkin_P: Codes, checkout_P: Codes
    ) -> Probabilities:
        """P(free) of each stay; shape (P,)."""
        slopes_D = self.coefficients[1:] / self.spread_D
        base = self.coefficients[0] - slopes_D @ self.mean_D
        free_P = np.empty(len(listing_P), dtype=np.float32)
        for start in range(0, len(listing_P), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            inputs_PD = seen.inputs(listing_P[part], checkin_P[part], checkout_P[part])
            free_P[part] = expit(base + inputs_PD @ slopes_D.astype(np.float32))
        return np.asarray(free_P)

    def of_typical_stays(
        self, seen: NightEvidence, stays: Sequence[tuple[Codes, Codes]]
    ) -> Numbers:
        """P(free) of each listing, the mean over the stays that its market's guests ask for.

        A stay of fewer or more nights than the listing takes is not free.

        ``stays``: check-in and check-out days of a sample per market code; NaN for a market
        without one. Shape (L,).
        """
        market_L = seen.listings.market_L
        mean_L = np.full(len(market_L), np.nan)
        for market, (checkin, checkout) in enumerate(stays):
            here = np.flatnonzero(market_L == market)
            if not len(here) or not len(checkin):
                continue
            listing_P = np.repeat(here, len(checkin))
            stay = (np.tile(checkin, len(here)), np.tile(checkout, len(here)))
            free_P = self.probabilities(seen, listing_P, *stay)
            free_P = free_P * seen.listings.takes(listing_P, stay[1] - stay[0])
            mean_L[here] = free_P.reshape(len(here), -1).mean(axis=1)
        return mean_L

    def save(self, folder: Path) -> None:
        """Write ``availability.json``."""
        saved = {
            "model": _NAME,
            "config": asdict(self.config),
            "inputs": list(INPUTS),
            "mean": self.mean_D.tolist(),
            "spread": self.spread_D.tolist(),
            "coefficients": self.coefficients.tolist(),
            "shape": self.shape,
            "pairs": self.pairs,
        }
        write_json(folder / _FILE, saved)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote; raises ``ValueError`` where it cannot."""
        saved: dict[str, Any] = read_json(folder / _FILE, model=_NAME)
        if tuple(saved["inputs"]) != INPUTS:
            raise ValueError(f"{folder / _FILE}: saved with other inputs; train again")
        return cls(
            config=AvailabilityConfig(**config_of(saved)),
            mean_D=np.array(saved["mean"]),
            spread_D=np.array(saved["spread"]),
            coefficients=np.array(saved["coefficients"]),
            shape=float(saved["shape"]),
            pairs=int(saved["pairs"]),
        )


def typical_stays(
    searches: DatedSearches, markets: int, day: int, *, seed: int
) -> list[tuple[Codes, Codes]]:
    """For each market a sample of the stays asked for, moved to be as far ahead of ``day``.

    A search of 1 March for 11 to 14 March, moved to 5 March, asks for 15 to 18 March.
    """
    ahead = searches.checkin_S - searches.second_S // DAY_S
    nights = searches.checkout_S - searches.checkin_S
    rng = np.random.default_rng(seed)
    stays = []
    for market in range(markets):
        here = np.flatnonzero(searches.market_S == market)
        drawn = rng.choice(here, size=min(_TYPICAL_STAYS, len(here)), replace=False)
        checkin = day + np.maximum(ahead[drawn], 0)
        stays.append((checkin, checkin + nights[drawn]))
    return stays


def _likeliest(design: Numbers, rows: DetectionRows, chance_P: Numbers, penalty: float) -> Numbers:
    """The coefficients with the least loss; see the formula at the top."""
    shown_P, weight_P = rows.was_shown_P, rows.weight_P

    def loss_and_slope(b: Numbers) -> tuple[float, Numbers]:
        free_P = expit(design @ b)
        seen_P = np.clip(free_P * chance_P, 1e-12, 1 - 1e-12)
        loss = -weight_P @ np.where(shown_P, np.log(seen_P), np.log1p(-seen_P))
        by_seen_P = weight_P * np.where(shown_P, -1 / seen_P, 1 / (1 - seen_P))
        slope = design.T @ (by_seen_P * chance_P * free_P * (1 - free_P))
        shrunk = np.r_[0.0, b[1:]]
        return float(loss + penalty * shrunk @ shrunk / 2), slope + penalty * shrunk

    options = {"maxiter": _ITERATIONS}
    start = np.zeros(design.shape[1])
    result = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B", options=options)
    return np.asarray(result.x, dtype=np.float64)


def _together(parts: Sequence[DetectionRows]) -> DetectionRows:
    names = [name for name in DetectionRows.__dataclass_fields__ if name != "search_P"]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    # The codes of each day's searches begin at 0.
    sizes = np.cumsum([0, *(int(part.search_P.max(initial=-1)) + 1 for part in parts)])
    search_P = np.concatenate([p.search_P + s for p, s in zip(parts, sizes, strict=False)])
    return DetectionRows(search_P=search_P, **arrays)
