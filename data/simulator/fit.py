"""Fit the simulator's Rio parameters to a folder of Inside Airbnb files; run once.

Run as ``python -m data.simulator.fit FOLDER [OUT]``; it writes ``rio_de_janeiro.toml``.
Only quantiles, shares, centres and correlations leave the folder, never a listing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["fit_rio", "main", "to_toml"]

LISTINGS = "listings_2026-03.parquet"
DETAILED = "listings_2018-04_detailed_1000.csv"
OCCUPANCY = "occupancy.parquet"
SOURCE = (
    "Inside Airbnb (CC BY 4.0), Rio de Janeiro: 29,011 listings of March 2026 with an "
    "occupancy estimate, and 1,000 detailed listings of April 2018"
)
LEVELS = np.round(
    np.concatenate([[0.0, 0.01, 0.02], np.arange(0.05, 1.0, 0.05), [0.98, 0.99, 1.0]]), 2
)
AREAS = 24
ELSEWHERE = "elsewhere"
ROOM_TYPES = {
    "Entire home/apt": "entire_home",
    "Private room": "private_room",
    "Shared room": "shared_room",
    "Hotel room": "hotel_room",
}
SUB_RATINGS = ("location", "cleanliness", "checkin", "value", "communication", "accuracy")
MOST_GUESTS = 16
CAPACITY_BANDS = (2, 4, 6, 8, MOST_GUESTS)
MOST_ROOMS = 6
Numbers = Any


def fit_rio(folder: Path) -> dict[str, Any]:
    """Fitted parameters of the Rio catalogue as nested dicts of numbers, ready for TOML.

    Raises ``FileNotFoundError`` when one of the three files is not in ``folder``.
    """
    listings = _with_occupancy(
        pd.read_parquet(folder / LISTINGS, dtype_backend="numpy_nullable"),
        pd.read_parquet(folder / OCCUPANCY),
    )
    detailed = pd.read_csv(folder / DETAILED, sep=";", skiprows=[1, 2], dtype=str)
    return {
        "source": SOURCE,
        "listings": len(listings),
        "quantile_levels": LEVELS.tolist(),
        "areas": _areas(listings),
        "room_types": _room_types(listings),
        "price": _price(listings),
        "capacity": _capacity(listings),
        "rooms": _rooms(listings),
        "history": _history(listings),
        "nights": _nights(listings, detailed),
        "details": _details(detailed),
        "sub_ratings": _sub_ratings(detailed),
    }


def _with_occupancy(listings: pd.DataFrame, occupancy: pd.DataFrame) -> pd.DataFrame:
    # one row per listing in both files, so a left join keeps the row count
    joined = listings.merge(occupancy, on="listing_id", how="left", validate="1:1")
    return joined.assign(room=joined["room_type"].map(ROOM_TYPES))


def _quantiles(values: Numbers) -> list[float]:
    known = np.asarray(pd.Series(values).dropna(), dtype=float)
    return _rounded(np.quantile(known, LEVELS))


def _rounded(values: Numbers, digits: int = 4) -> list[float]:
    return [round(float(v), digits) for v in np.asarray(values, dtype=float)]


def _share_of(values: Numbers, levels: Numbers) -> list[float]:
    counts = np.array([(np.asarray(values) == level).sum() for level in levels], dtype=float)
    return _rounded(counts / counts.sum(), 5)


def _areas(listings: pd.DataFrame) -> dict[str, Any]:
    """The largest neighbourhoods and all others together: share, centre, robust spread.

    The spread is the median absolute deviation, scaled to a normal's standard deviation.
    """
    largest = listings["neighbourhood"].value_counts().head(AREAS).index
    area = listings["neighbourhood"].where(listings["neighbourhood"].isin(largest), ELSEWHERE)
    names = [*(str(name) for name in largest), ELSEWHERE]
    groups = [listings[area == name] for name in names]
    log_price = np.log(listings["price"].astype(float))
    return {
        "names": names,
        "shares": _rounded([len(group) / len(listings) for group in groups], 5),
        "lat": _rounded([g["latitude"].median() for g in groups], 5),
        "lng": _rounded([g["longitude"].median() for g in groups], 5),
        "sd_lat": _rounded([_spread(g["latitude"]) for g in groups], 5),
        "sd_lng": _rounded([_spread(g["longitude"]) for g in groups], 5),
        "entire_home_shares": _rounded([(g["room"] == "entire_home").mean() for g in groups]),
        "log_price_effects": _area_effects(groups, float(log_price.mean())),
    }


def _spread(values: pd.Series) -> float:
    return float(1.4826 * (values - values.median()).abs().median())


def _area_effects(groups: list[pd.DataFrame], overall: float) -> list[float]:
    """Mean log price of two-to-four-guest entire homes in the area, against the city."""
    means = []
    for group in groups:
        usual = group[(group["room"] == "entire_home") & group["accommodates"].between(2, 4)]
        means.append(np.log(usual["price"].astype(float)).mean() - overall)
    return _rounded(means)


def _room_types(listings: pd.DataFrame) -> dict[str, Any]:
    others = listings.loc[listings["room"] != "entire_home", "room"]
    return {
        "entire_home_share": round(float((listings["room"] == "entire_home").mean()), 4),
        "others": ["private_room", "shared_room", "hotel_room"],
        "other_shares": _share_of(others, ["private_room", "shared_room", "hotel_room"]),
    }


def _price(listings: pd.DataFrame) -> dict[str, Any]:
    """Price quantiles, and a linear model of log price within areas (least squares)."""
    known = listings.dropna(subset=["bedrooms"])
    log_price = np.log(known["price"].astype(float))
    columns = {
        "log_capacity": np.log(known["accommodates"].astype(float)),
        "bedrooms": known["bedrooms"].astype(float).clip(upper=MOST_ROOMS),
        "private_room": (known["room"] == "private_room").astype(float),
        "shared_room": (known["room"] == "shared_room").astype(float),
        "hotel_room": (known["room"] == "hotel_room").astype(float),
    }
    area = known["neighbourhood"]
    design = np.column_stack([c - c.groupby(area).transform("mean") for c in columns.values()])
    target = np.asarray(log_price - log_price.groupby(area).transform("mean"), dtype=float)
    weights, *_ = np.linalg.lstsq(design.astype(float), target, rcond=None)
    residual = target - design.astype(float) @ weights
    fitted = {name: round(float(w), 4) for name, w in zip(columns, weights, strict=True)}
    quantiles = _quantiles(listings["price"])
    return {"quantiles": quantiles, "residual_sd": round(float(residual.std()), 4), **fitted}


def _capacity(listings: pd.DataFrame) -> dict[str, Any]:
    sizes = range(1, MOST_GUESTS + 1)
    entire = listings["room"] == "entire_home"
    return {
        "entire_home": _share_of(listings.loc[entire, "accommodates"], sizes),
        "others": _share_of(listings.loc[~entire, "accommodates"], sizes),
    }


def _rooms(listings: pd.DataFrame) -> dict[str, Any]:
    """Shares of 0–6 bedrooms and beds by band of capacity, of bathrooms by bedrooms."""
    known = listings.dropna(subset=["bedrooms", "beds", "bathrooms_num"])
    band = np.digitize(known["accommodates"].to_numpy(int), [b + 1 for b in CAPACITY_BANDS[:-1]])
    counts = range(MOST_ROOMS + 1)
    bedrooms = known["bedrooms"].clip(upper=MOST_ROOMS).to_numpy(int)
    beds = known["beds"].clip(upper=2 * MOST_ROOMS).to_numpy(int)
    halves = np.arange(0.5, 4.01, 0.5)
    baths = known["bathrooms_num"].clip(lower=0.5, upper=4.0).to_numpy(float)
    bands = range(len(CAPACITY_BANDS))
    return {
        "capacity_bands": list(CAPACITY_BANDS),
        "bedroom_shares": [_share_of(bedrooms[band == b], counts) for b in bands],
        "bed_shares": [_share_of(beds[band == b], range(2 * MOST_ROOMS + 1)) for b in bands],
        "bathroom_levels": halves.tolist(),
        "bathroom_shares": [_share_of(baths[bedrooms == n], halves) for n in counts],
    }


def _history(listings: pd.DataFrame) -> dict[str, Any]:
    """Reviews, rating and occupancy: quantiles, and the rank correlations between them.

    The last variable is the residual of log price in its area: what a listing asks
    beyond its neighbours.
    """
    reviewed = listings[
        (listings["number_of_reviews"] > 0) & listings["review_scores_rating"].notna()
    ]
    log_price = np.log(reviewed["price"].astype(float))
    residual = log_price - log_price.groupby(reviewed["neighbourhood"]).transform("mean")
    ranks = pd.DataFrame(
        {
            "reviews": reviewed["number_of_reviews"].astype(float),
            "rating": reviewed["review_scores_rating"].astype(float),
            "occupancy": reviewed["occupancy_est"].astype(float),
            "price": residual,
        }
    ).corr("spearman")
    return {
        "never_reviewed_share": round(float((listings["number_of_reviews"] == 0).mean()), 4),
        "review_quantiles": _quantiles(reviewed["number_of_reviews"]),
        "rating_quantiles": _quantiles(reviewed["review_scores_rating"]),
        "occupancy_quantiles": _quantiles(listings["occupancy_est"]),
        "superhost_share": round(float(listings["host_is_superhost"].astype(float).mean()), 4),
        "order": ["reviews", "rating", "occupancy", "price"],
        "rank_correlations": [_rounded(row) for row in ranks.to_numpy()],
    }


def _nights(listings: pd.DataFrame, detailed: pd.DataFrame) -> dict[str, Any]:
    shortest = listings["min_nights"].dropna().astype(int)
    levels = sorted(shortest.unique().tolist())
    longest = pd.to_numeric(detailed["maximum_nights"], errors="coerce").dropna().astype(int)
    common = longest.value_counts().head(8).index.tolist()
    return {
        "minimum": levels,
        "minimum_shares": _share_of(shortest, levels),
        "maximum": [int(n) for n in common],
        "maximum_shares": _share_of(longest, common),
    }


def _money(values: pd.Series) -> Numbers:
    return pd.to_numeric(values.str.replace(r"[$,]", "", regex=True), errors="coerce")


def _details(detailed: pd.DataFrame) -> dict[str, Any]:
    ratio = (_money(detailed["cleaning_fee"]) / _money(detailed["price"])).dropna()
    described = detailed.dropna(subset=["room_type"])
    return {
        "cleaning_fee_null_share": round(float(described["cleaning_fee"].isna().mean()), 4),
        "cleaning_fee_to_price_quantiles": _quantiles(ratio[ratio > 0]),
        "instant_bookable_share": round(float((described["instant_bookable"] == "t").mean()), 4),
        "superhost_share_2018": round(float((described["host_is_superhost"] == "t").mean()), 4),
    }


def _sub_ratings(detailed: pd.DataFrame) -> dict[str, Any]:
    """Sub-rating on 1–5 regressed on the overall one: intercept, slope, residual spread."""
    overall = pd.to_numeric(detailed["review_scores_rating"], errors="coerce") / 20
    fitted: dict[str, Any] = {}
    for name in SUB_RATINGS:
        part = pd.to_numeric(detailed[f"review_scores_{name}"], errors="coerce") / 2
        both = overall.notna() & part.notna()
        slope, intercept = np.polyfit(overall[both], part[both], 1)
        residual = part[both] - (intercept + slope * overall[both])
        fitted[name] = _rounded([intercept, slope, residual.std()])
    return fitted


def to_toml(parameters: dict[str, Any]) -> str:
    """TOML text of one level of tables over numbers, strings and (nested) lists of them."""
    tops = {k: v for k, v in parameters.items() if not isinstance(v, dict)}
    lines = [f"{key} = {_toml_value(value)}" for key, value in tops.items()]
    for name, table in parameters.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]", *(f"{k} = {_toml_value(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "[\n" + "".join(f"    {_toml_value(row)},\n" for row in value) + "]"
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return repr(value)


def main(arguments: list[str]) -> int:
    """``FOLDER [OUT]``; returns the exit code: 2 on usage, 1 when a file is not there."""
    if not 1 <= len(arguments) <= 2:
        sys.stderr.write("usage: python -m data.simulator.fit FOLDER [OUT]\n")
        return 2
    out = (
        Path(arguments[1]) if len(arguments) > 1 else Path(__file__).parent / "rio_de_janeiro.toml"
    )
    try:
        text = to_toml(fit_rio(Path(arguments[0])))
    except FileNotFoundError as missing:
        sys.stderr.write(f"cannot fit: {missing}\n")
        return 1
    out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
