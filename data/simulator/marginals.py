"""Simulated marginals of the Rio catalogue beside the fitted ones: the table to show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.simulator.draws import Array
from data.simulator.listings import ROOM_TYPES, Catalogue
from data.simulator.parameters import MarketFit, load_world

__all__ = ["Marginal", "marginals"]

SHOWN_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, kw_only=True)
class Marginal:
    """One figure of the catalogue, fitted and simulated.

    ``tolerance`` is the relative difference that chance explains in a full catalogue.
    """

    name: str
    fitted: float
    simulated: float
    tolerance: float


def marginals(catalogue: Catalogue) -> list[Marginal]:
    """The figures of Rio's listings that the fit prescribes, one per row."""
    fit = load_world().markets[0]
    rio = catalogue.market == 0
    return [
        *_quantile_rows(catalogue, fit, rio),
        *_share_rows(catalogue, fit, rio),
        *_area_rows(catalogue, fit, rio),
    ]


def _quantile_rows(catalogue: Catalogue, fit: MarketFit, rio: Array) -> Iterator[Marginal]:
    history = fit.tables["history"]
    known = catalogue.reviews > 0
    columns = {
        "price": (catalogue.price[rio], fit.tables["price"]["quantiles"]),
        "reviews": (catalogue.reviews[rio & known], history["review_quantiles"]),
        "rating": (catalogue.rating[rio & known], history["rating_quantiles"]),
        "occupancy": (
            catalogue.occupancy[rio & ~catalogue.is_new],
            history["occupancy_quantiles"],
        ),
    }
    for name, (values, quantiles) in columns.items():
        for level in SHOWN_LEVELS:
            yield Marginal(
                name=f"{name}, quantile {level}",
                fitted=float(np.interp(level, fit.levels, quantiles)),
                simulated=float(np.quantile(values, level)),
                tolerance=0.08,
            )


def _share_rows(catalogue: Catalogue, fit: MarketFit, rio: Array) -> Iterator[Marginal]:
    details, history = fit.tables["details"], fit.tables["history"]
    room_type = catalogue.room_type[rio]
    entire = float(np.dot(fit.areas.shares, fit.areas.entire_home_shares))
    others = np.asarray(fit.tables["room_types"]["other_shares"]) * (1 - entire)
    fitted = {
        "never reviewed, share": history["never_reviewed_share"],
        "cleaning fee null, share": details["cleaning_fee_null_share"],
        "instant bookable, share": details["instant_bookable_share"],
        **{f"{n}, share": s for n, s in zip(ROOM_TYPES, (entire, *others), strict=True)},
    }
    simulated = {
        "never reviewed, share": (catalogue.reviews[rio] == 0).mean(),
        "cleaning fee null, share": np.isnan(catalogue.cleaning_fee[rio]).mean(),
        "instant bookable, share": catalogue.instant[rio].mean(),
        **{f"{n}, share": (room_type == i).mean() for i, n in enumerate(ROOM_TYPES)},
    }
    for name, share in fitted.items():
        yield Marginal(
            name=name, fitted=float(share), simulated=float(simulated[name]), tolerance=0.05
        )
    for nights, share in zip(
        fit.tables["nights"]["minimum"], fit.tables["nights"]["minimum_shares"], strict=True
    ):
        same = (catalogue.minimum_nights[rio] == nights).mean()
        yield Marginal(
            name=f"minimum nights {nights}, share",
            fitted=share,
            simulated=float(same),
            tolerance=0.1,
        )


def _area_rows(catalogue: Catalogue, fit: MarketFit, rio: Array) -> Iterator[Marginal]:
    counts = np.bincount(catalogue.area[rio], minlength=len(fit.areas.names)) / rio.sum()
    for index, name in enumerate(fit.areas.names):
        yield Marginal(
            name=f"{name}, share of listings",
            fitted=fit.areas.shares[index],
            simulated=float(counts[index]),
            tolerance=0.15,
        )
