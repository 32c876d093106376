"""Train P(free): the last days before the test window, each morning against what its day showed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data.errors import DataError
from data.schema.geo import EARTH_RADIUS_KM
from data.schema.tables import IMPRESSIONS
from data.schema.time import DAY_S
from models.availability.availability_model import AvailabilityModel, OccupancyRows
from models.availability.config import AvailabilityConfig
from models.availability.detection import DetectionRows
from models.availability.night_evidence import MOST_NIGHTS, NightEvidence
from models.availability.stays import StayLog
from pipelines.candidates.catalogue import catalogue_of
from pipelines.candidates.eligible_pairs import eligible_pairs
from pipelines.candidates.stay_log import has_stays, listings_of, read_stay_log
from pipelines.run_context import RunContext, config_of

__all__ = ["FOLDER", "load_availability", "train_availability"]

FOLDER = "availability"

# What is learnt from of one day; more searches are sampled, and so are unshown pairs.
_SEARCHES_A_DAY = 4_000
_UNSHOWN_A_DAY = 250_000
_DAYS = 2

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Codes = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


def train_availability(context: RunContext, run: str, *, end_day: int) -> AvailabilityModel | None:
    """Learn P(free) from the days before ``end_day`` and keep it with the run.

    ``None``, and a line that says why, where the log cannot tell which nights are free.
    """
    impressions = context.lake.scan(IMPRESSIONS.name).filter(pl.col("search_day") < end_day)
    if not has_stays(impressions):
        context.console.say("availability: left out; the log has no dated searches")
        return None
    config = config_of(AvailabilityConfig, "availability", {"seed": context.settings.seed})
    try:
        model = AvailabilityModel.fit(_days(impressions, end_day, config), config)
    except ValueError as error:
        context.console.say(f"availability: left out; {error}")
        return None
    model.save(context.home.runs / run / FOLDER)
    return model


def load_availability(run: Path) -> AvailabilityModel | None:
    """The model of a run; ``None`` where its log could not tell which nights are free.

    Raises ``DataError`` naming the file when it is damaged.
    """
    folder = run / FOLDER
    if not folder.is_dir():
        return None
    try:
        return AvailabilityModel.load(folder)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the availability model in {folder} cannot be loaded: {error}") from error


def _days(
    impressions: pl.LazyFrame, end_day: int, config: AvailabilityConfig
) -> Sequence[OccupancyRows]:
    first = int(impressions.select(pl.col("search_day").min()).collect().item())
    days = [day for day in range(end_day - _DAYS, end_day) if day > first]
    rows = (_day(impressions, day, config) for day in days)
    return [of_day for of_day in rows if of_day is not None]


def _day(impressions: pl.LazyFrame, day: int, config: AvailabilityConfig) -> OccupancyRows | None:
    """Pairs of one day's dated searches and the listings known that morning."""
    catalogue = catalogue_of(impressions.filter(pl.col("search_day") < day))
    rng = np.random.default_rng((config.seed, day))
    known_markets = pl.col("market").is_in(catalogue["market"].unique().implode())
    searches = _searches_of(impressions.filter(known_markets), day, rng)
    if catalogue.is_empty() or searches.is_empty():
        return None
    log, listings = read_stay_log(impressions, catalogue), listings_of(catalogue)
    farthest = int(searches["checkout_day"].max()) - day + 1  # type: ignore[arg-type]
    nights = min(MOST_NIGHTS, max(1, farthest))

    def seen(part: StayLog) -> NightEvidence:
        return NightEvidence.of(part, listings, first_night=day, nights=nights)

    known = _Known(
        morning=seen(log.before(day * DAY_S)),
        later=seen(log.since((day + 1) * DAY_S)),
        all=seen(log),
    )
    shown = _shown_keys(impressions, searches, catalogue)
    pairs = _sampled_pairs(shown, searches, catalogue, known.morning.rate_L, rng)
    return _rows(searches, pairs, catalogue, known, day)


def _searches_of(impressions: pl.LazyFrame, day: int, rng: np.random.Generator) -> pl.DataFrame:
    """The dated searches of a day, one row each, at most some thousand of them."""
    names = impressions.collect_schema().names()
    asked = [n for n in names if n.startswith("query_") or n in ("checkin_day", "checkout_day")]
    dated = impressions.filter(
        pl.col("search_day") == day, pl.col("checkout_day") > pl.col("checkin_day")
    )
    first = [pl.col(name).sort_by("id_listing").first() for name in ("market", *asked)]
    searches = dated.group_by("id_search").agg(first).sort("id_search").collect()
    size = min(_SEARCHES_A_DAY, searches.height)
    return searches[np.sort(rng.choice(searches.height, size=size, replace=False))]


@dataclass(frozen=True)
class _Pairs:
    """Pairs of a search and a listing that it allows: all shown ones, a sample of the others.

    ``eligible_P``: listings that the search allows; ``place_P``: of these the share that is
    shown more often in general.
    """

    search_P: Codes
    listing_P: Codes
    eligible_P: Codes
    place_P: Numbers
    was_shown_P: Flags
    weight_P: Numbers


@dataclass(frozen=True)
class _Known:
    """What was known in the morning, what was seen after the day, and both with the day."""

    morning: NightEvidence
    later: NightEvidence
    all: NightEvidence


def _sampled_pairs(
    shown: Codes,
    searches: pl.DataFrame,
    catalogue: pl.DataFrame,
    rate_L: Numbers,
    rng: np.random.Generator,
) -> _Pairs:
    per_search = max(1, _UNSHOWN_A_DAY // searches.height)
    parts = []
    for block in eligible_pairs(searches, catalogue):
        sizes = np.bincount(block.query_P, minlength=searches.height)
        eligible = sizes[block.query_P]
        by_rate = np.lexsort((-rate_L[block.listing_P], block.query_P))
        starts = (np.cumsum(sizes) - sizes)[block.query_P]
        place = np.empty(len(block))
        place[by_rate] = (np.arange(len(block)) - starts + 0.5) / eligible
        was_shown = np.isin(block.query_P * catalogue.height + block.listing_P, shown)
        share = np.minimum(1.0, per_search / eligible)
        at = np.flatnonzero(was_shown | (rng.random(len(block)) < share))
        weight = np.where(was_shown, 1.0, 1 / share)[at]
        columns = (block.query_P, block.listing_P, eligible, place, was_shown)
        parts.append((*(column[at] for column in columns), weight))
    return _Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _shown_keys(
    impressions: pl.LazyFrame, searches: pl.DataFrame, catalogue: pl.DataFrame
) -> Codes:
    """Row of the search times the catalogue's size, plus row of the listing, of what was shown."""
    numbered = searches.lazy().select("id_search").with_row_index("search")
    known = catalogue.lazy().select("market", "id_listing").with_row_index("listing")
    rows = (
        impressions.select("id_search", "market", "id_listing")
        .join(numbered, on="id_search", how="inner")
        .join(known, on=["market", "id_listing"], how="inner")
        .select(key=pl.col("search").cast(pl.Int64) * catalogue.height + pl.col("listing"))
    )
    return rows.collect(engine="streaming")["key"].to_numpy()


def _rows(
    searches: pl.DataFrame,
    pairs: _Pairs,
    catalogue: pl.DataFrame,
    known: _Known,
    day: int,
) -> OccupancyRows:
    checkin_S, checkout_S = (
        searches[name].cast(pl.Int64).to_numpy() for name in ("checkin_day", "checkout_day")
    )
    stay = (pairs.listing_P, checkin_S[pairs.search_P], checkout_S[pairs.search_P])
    morning = known.morning
    expected, times_seen = known.all.expected_and_seen(*stay)
    return OccupancyRows(
        inputs_PD=morning.inputs(*stay),
        detection=DetectionRows(
            inputs_PD=_detection_inputs(searches, pairs, catalogue, morning, stay, day),
            search_P=pairs.search_P,
            was_shown_P=pairs.was_shown_P,
            weight_P=pairs.weight_P,
            is_anchor_P=morning.is_covered(*stay) | known.later.is_covered(*stay),
            # Without the search itself: it counts among the searches, and among those that showed.
            expected_P=expected - morning.rate_L[pairs.listing_P],
            seen_P=times_seen - pairs.was_shown_P,
        ),
    )


def _detection_inputs(
    searches: pl.DataFrame,
    pairs: _Pairs,
    catalogue: pl.DataFrame,
    morning: NightEvidence,
    stay: tuple[Codes, Codes, Codes],
    day: int,
) -> Numbers:
    """What decides whether a free listing is shown: its rank, and what the search asked for."""
    listing_P, checkin_P, checkout_P = stay
    market_P = morning.listings.market_L[listing_P]

    def asked(name: str) -> Numbers:
        if name not in searches.columns:
            return np.full(len(listing_P), np.nan)
        values = searches[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return np.asarray(values[pairs.search_P])

    columns = (
        np.log(morning.rate_L[listing_P]),
        np.log(pairs.eligible_P),
        pairs.place_P,
        pairs.place_P * pairs.eligible_P,
        _distance_km(searches, catalogue, pairs),
        asked("query_radius"),
        asked("query_num_guests"),
        checkout_P - checkin_P,
        checkin_P - day,
        morning.demand_per_night(market_P, checkin_P, checkout_P),
        np.full(len(listing_P), day),
    )
    own = morning.listings.attributes_LA[listing_P]
    return np.column_stack([*columns, own]).astype(np.float64)


def _distance_km(searches: pl.DataFrame, catalogue: pl.DataFrame, pairs: _Pairs) -> Numbers:
    """From the searched centre; flat earth, which is enough to rank by. NaN where unknown."""
    names = ("query_center_lat", "query_center_lng")
    places = ("listing_lat", "listing_lng")
    if not set(names) <= set(searches.columns) or not set(places) <= set(catalogue.columns):
        return np.full(len(pairs.search_P), np.nan)
    lat_S, lng_S = (np.radians(searches[n].fill_null(float("nan")).to_numpy()) for n in names)
    lat_L, lng_L = (np.radians(catalogue[n].fill_null(float("nan")).to_numpy()) for n in places)
    lat, other = lat_S[pairs.search_P], lat_L[pairs.listing_P]
    east = (lng_L[pairs.listing_P] - lng_S[pairs.search_P]) * np.cos(lat)
    return np.asarray(EARTH_RADIUS_KM * np.hypot(other - lat, east))
