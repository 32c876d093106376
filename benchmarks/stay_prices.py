"""How far is the estimated price of a stay from the one that the next day shows?

    python benchmarks/stay_prices.py --scenarios default carnival drift --searches 30000
    python benchmarks/stay_prices.py --home data/home

Learns from all days of a log but the last, and estimates the price of every row that the last
day shows: by `models.stay_price`, and by the listing's median nightly price, the way without
nights and seasons. Beside each other, ratio of the estimate to the price shown: median and
mean by month of check-in, lead time, number of nights, market, weekend and Carnival. Then how
many months and lead times with 200 rows or more have both within 5%, what the half-life of a
price does, and what the fit took. Simulated weeks (``--scenarios``) are said to be simulated;
in ``drift`` all prices jump on the fifth day. The simulator's prices follow a formula to the
cent; ``--noise 0.1`` puts every price off by about 10%, always alike for the same listing and
stay.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import ndtri

from data.lake.store import Lake
from data.schema.long_stay import MONTH_NIGHTS, WEEK_NIGHTS
from data.schema.tables import IMPRESSIONS
from data.schema.time import date_of, day_number
from data.simulator.prices import CARNIVAL_NIGHTS
from data.simulator.scenario import carnival_day
from features.formulas.nightly_price import nightly_price, stay_price
from models.arrow_columns import Numbers
from models.stay_price.stay_prices import StayPrices, StayPricesConfig
from models.stay_price.stays import Stays
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.ingestion.simulate_log import simulate_log
from pipelines.run_context import RunContext

COLUMNS = (
    "market", "id_listing", "search_s", "search_day", "checkin_day", "checkout_day",
    "listing_total_price", "listing_cleaning_fee", "listing_weekly_price_factor",
    "listing_monthly_price_factor",
)  # fmt: skip
LISTING = ["market", "id_listing"]
HALF_LIVES = (0.25, 0.5, 1.0, 2.0, float("inf"))
LEAD_BOUNDS = (0, 3, 7, 14, 30, 60, 90, 180)
SMALL = (2_000, 100_000)
LEAST_ROWS, ALLOWED = 200, 0.05


def simulated_home(scenario: str, seed: int, searches: int, folder: Path) -> Path:
    """Simulate a week into ``folder`` and ingest it, silently."""
    settings = load_settings(seed=seed, simulation={"searches": searches, "scenario": scenario})
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        context = RunContext(home=Home(folder), settings=settings, console=Console())
        ingest_logs(context, [simulate_log(context)])
    return folder


def last_day_apart(home: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows with a price before the log's last day, and those of it."""
    log = Lake(home).scan(IMPRESSIONS.name)
    has = log.collect_schema().names()
    if absent := {"market", "id_listing", "listing_total_price", "search_day"} - set(has):
        raise SystemExit(f"this log has no {', '.join(sorted(absent))}: no price to learn from")
    rows = log.select(c for c in COLUMNS if c in has).filter(pl.col("listing_total_price") > 0)
    known = rows.collect()
    is_last = pl.col("search_day") == known["search_day"].max()
    return known.filter(~is_last), known.filter(is_last)


def estimated(prices: StayPrices, rows: pl.DataFrame) -> Numbers:
    """The estimate of every row; NaN for a listing without a price before."""
    bases = pl.DataFrame(pl.from_arrow(prices.bases))
    base = rows.join(bases, on=LISTING, how="left", maintain_order="left")["base_price"].to_numpy()
    stays = arrow(rows)
    return prices.estimate(base, Stays.of_rows(stays, prices.market_codes(stays["market"])))


def by_median(before: pl.DataFrame, rows: pl.DataFrame) -> Numbers:
    """The way without nights: median nightly price × nights × factor + fee."""
    nightly = nightly_price(before.columns).alias("nightly")
    priced = before.with_columns(nightly)
    median = priced.group_by(LISTING).agg(pl.col("nightly").median())
    joined = rows.join(median, on=LISTING, how="left", maintain_order="left")
    price = stay_price(joined.columns, nightly="nightly").alias("price")
    return joined.select(price)["price"].to_numpy()


def described(rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with what they are grouped by; a log without dates has the market alone."""
    if not {"checkin_day", "checkout_day"} <= set(rows.columns):
        return rows.select("market")
    checkin, nights = pl.col("checkin_day"), pl.col("checkout_day") - pl.col("checkin_day")
    friday = day_number(carnival_day(date_of(int(rows["search_day"].max()))))
    of_carnival = pl.min_horizontal("checkout_day", pl.lit(friday + CARNIVAL_NIGHTS))
    of_carnival -= pl.max_horizontal("checkin_day", pl.lit(friday))
    # Nights from the check-in to the next Friday or Saturday: day 0 was a Thursday.
    weekday = (checkin + 3) % 7
    is_weekend = pl.when(weekday == 5).then(0).otherwise((4 - weekday) % 7) < nights
    long = [1, 3, WEEK_NIGHTS - 1, MONTH_NIGHTS - 1]
    return rows.select(
        "market",
        checkin.cast(pl.Date).dt.strftime("%Y-%m").fill_null("dateless").alias("month"),
        _bucket(checkin - pl.col("search_day"), LEAD_BOUNDS).alias("lead days"),
        _bucket(nights, long).alias("nights"),
        _said(nights, {"Friday or Saturday night": is_weekend}, "other nights").alias("weekend"),
        _said(
            nights,
            {"every night": of_carnival == nights, "some nights": of_carnival > 0},
            "no night",
        ).alias("Carnival"),
    )


def _bucket(value: pl.Expr, bounds: Sequence[int]) -> pl.Expr:
    lows = [0, *(bound + 1 for bound in bounds)]
    upto = [
        pl.when(value <= bound).then(pl.lit(f"{low:>3} to {bound:>3}"))
        for low, bound in zip(lows, bounds, strict=False)
    ]
    above = pl.when(value > bounds[-1]).then(pl.lit(f"{lows[-1]:>3} and up"))
    return pl.coalesce(*upto, above, pl.lit("dateless"))


def _said(nights: pl.Expr, cases: Mapping[str, pl.Expr], otherwise: str) -> pl.Expr:
    said = pl.coalesce(*(pl.when(is_so).then(pl.lit(name)) for name, is_so in cases.items()),
                       pl.lit(otherwise))  # fmt: skip
    return pl.when(nights.is_null()).then(pl.lit("dateless")).otherwise(said)


def biases(groups: pl.DataFrame, ratio: pl.DataFrame) -> pl.DataFrame:
    """One row per kind of group and group: its rows, median and mean ratio of each way."""
    tables = []
    for kind in groups.columns:
        of_kind = ratio.with_columns(groups[kind].alias("group")).group_by("group")
        figures = [
            getattr(pl.col(way), figure)().alias(f"{way} {figure}")
            for way in ratio.columns
            for figure in ("median", "mean")
        ]
        table = of_kind.agg(pl.len().alias("rows"), *figures).sort("group")
        tables.append(table.select(pl.lit(kind).alias("by"), pl.all()))
    return pl.concat(tables)


def within(table: pl.DataFrame, way: str) -> str:
    """How many months and lead times with enough rows have median and mean within bounds."""
    asked = table.filter(
        pl.col("by").is_in(["month", "lead days"]) & (pl.col("rows") >= LEAST_ROWS)
    )
    off = pl.max_horizontal((pl.col(f"{way} {f}") - 1).abs() for f in ("median", "mean"))
    good = asked.filter(off <= ALLOWED).height
    return f"{way}: {good} of {asked.height} months and lead times within {ALLOWED:.0%}"


def with_noise(rows: pl.DataFrame, noise: float) -> pl.DataFrame:
    """Prices off by about ``noise``, always alike for the same listing and stay."""
    if not noise:
        return rows
    stay = [c for c in (*LISTING, "checkin_day", "checkout_day") if c in rows.columns]
    hashed = rows.select((pl.struct(stay).hash(seed=7) / 2.0**64).clip(1e-9, 1 - 1e-9))
    factor = np.exp(noise * ndtri(hashed.to_series().to_numpy()))
    return rows.with_columns(pl.col("listing_total_price") * pl.Series(factor))


def measure(home: Path, title: str, *, noise: float, stays: int) -> None:
    """Print the tables of one log, and how long ``stays`` estimates take."""
    before, rows = (with_noise(part, noise) for part in last_day_apart(home))
    learnt = arrow(before)
    since = time.process_time()
    prices = StayPrices.fit(learnt)
    seconds = time.process_time() - since
    shown = rows["listing_total_price"].to_numpy()
    ways = {"learnt": estimated(prices, rows), "by median": by_median(before, rows)}
    ratio = pl.DataFrame({way: price / shown for way, price in ways.items()}, nan_to_null=True)
    known = ratio["learnt"].is_not_null() & ratio["by median"].is_not_null()
    table = biases(described(rows).filter(known), ratio.filter(known))
    if noise:
        title += f", prices off by {noise:.0%}"
    print(f"\n{title}: {before.height:,} rows learnt from, {rows.height:,} rows of "
          f"{date_of(int(rows['search_day'][0]))} estimated, {1 - known.mean():.2%} of them of "
          "listings without a price before (left out)")  # fmt: skip
    with pl.Config(tbl_rows=-1, tbl_cols=-1, float_precision=3, tbl_hide_dataframe_shape=True,
                   tbl_hide_column_data_types=True, tbl_formatting="ASCII_MARKDOWN",
                   tbl_width_chars=120):  # fmt: skip
        print(table)
    print("\n".join(within(table, way) for way in ways))
    for half_life in HALF_LIVES:
        other = StayPrices.fit(learnt, StayPricesConfig(half_life_days=half_life))
        print(f"half-life {half_life:4} days: {_summary(estimated(other, rows) / shown)}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"fit {seconds:.1f} CPU-seconds; {speed(prices, rows, stays)}; peak {peak:,.0f} MB")


def _summary(ratio: Numbers) -> str:
    known = ratio[np.isfinite(ratio)]
    off = np.abs(known - 1)
    return (
        f"median {np.median(known):.3f}, mean {known.mean():.3f}, mean distance {off.mean():.2%}, "
        f"within {ALLOWED:.0%}: {np.mean(off <= ALLOWED):.1%}"
    )


def speed(prices: StayPrices, rows: pl.DataFrame, at_least: int) -> str:
    """CPU-seconds of the estimate alone, for the stays of ``rows`` over and over."""
    times = -(-at_least // rows.height)
    stays = Stays.of_rows(arrow(rows), prices.market_codes(arrow(rows)["market"]))
    many = Stays(**{
        name: None if values is None else np.tile(values, times)
        for name, values in vars(stays).items()
    })  # fmt: skip
    base = np.ones(len(many))
    since = time.process_time()
    prices.estimate(base, many)
    return f"estimate of {len(many):,} stays {time.process_time() - since:.1f} CPU-seconds"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="a home with a log; instead of simulated weeks")
    parser.add_argument("--scenarios", nargs="+", default=["default", "carnival", "drift"])
    parser.add_argument("--searches", type=int, default=30_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--noise", type=float, default=0.0, help="spread of log prices to add")
    parser.add_argument("--stays", type=int, default=10_000_000, help="to time the estimate with")
    parser.add_argument("--small", action="store_true", help="small weeks")
    arguments = parser.parse_args()
    if arguments.home:
        measure(arguments.home, str(arguments.home), noise=arguments.noise, stays=arguments.stays)
        return
    searches, stays = arguments.searches, arguments.stays
    if arguments.small:
        searches, stays = SMALL
    for scenario in arguments.scenarios:
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as folder:
                home = simulated_home(scenario, seed, searches, Path(folder))
                title = f"simulated {scenario}, seed {seed}"
                measure(home, title, noise=arguments.noise, stays=stays)


if __name__ == "__main__":
    main()
