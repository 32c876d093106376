"""How fast the features are built, against a bare copy and against plain pandas and DuckDB.

``python benchmarks/bench_features.py LOG.parquet`` with a Parquet file of impressions, or
without, to simulate them first: ``--size 1M``, ``10M``, ``50M``, or ``--searches``. Each
figure comes from a process of its own, so that peak memory is that of the one job. Spark
runs only where ``--jobs`` names it: ``--jobs bare spark``. Prints one line per job, and whether
the eight features have the same values in all jobs that compute them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from data.ingest import ingest
from data.lake.store import Lake
from data.prefetch import prefetched
from data.simulator import SimulationConfig, write_simulation
from features.all_features import available_features
from features.build_in_blocks import build_by_day
from features.build_on_spark import build_on_spark
from features.on_spark.pieces import pieces_of
from pipelines.feature_table.build_on_spark import spark_session
from pipelines.feature_table.kept_totals import KEPT_DAYS, KeptTotals

EIGHT = (
    "query_nights",
    "listing_nightly_price",
    "in_search_price_rank",
    "in_search_price_to_median",
    "listing_past_impressions",
    "listing_past_clicks",
    "guest_past_searches",
    "guest_saw_listing",
)
"""Representative: one of the query, one of the listing, two in the search, four of the past."""


def bare(log: Path, out: Path) -> None:
    """Scan and sink, nothing else."""
    pl.scan_parquet(log).sink_parquet(out)


def all_groups(log: Path, out: Path) -> None:
    """Every feature but the co-engagement one, whose training is timed apart.

    With the totals at the end of the last two days, for :func:`one_more_day` to begin from.
    """
    _built(log, out, last_day_only=False, keeps=True)


def one_more_day(log: Path, out: Path) -> None:
    """The last day alone, on top of the others, from the totals that ``all_groups`` kept."""
    _built(log, out, last_day_only=True, kept=out.parent / all_groups.__name__ / "past")


def one_more_day_anew(log: Path, out: Path) -> None:
    """The last day alone, its totals summed from the events of the others."""
    _built(log, out, last_day_only=True)


def co_engagement(log: Path, out: Path) -> None:
    """The co-engagement feature alone: learning the vectors of every day, and using them."""
    _built(log, out, last_day_only=False, names=["guest_clicks_similarity"])


def spark(log: Path, out: Path) -> tuple[float, float]:
    """Every feature but the co-engagement one, on Spark; what Java and its workers used."""
    scan = pl.scan_parquet(log)
    columns = scan.collect_schema()
    features = available_features(columns).without(["co_engagement"])
    days = scan.select(pl.col("search_day").unique().sort()).collect().to_series().to_list()
    rows = scan.select(pl.len()).collect().item()
    out.mkdir()
    with spark_session("local[2]") as session:
        pieces = pieces_of([(str(log), rows, {})], columns)
        build_on_spark(session, pieces, out, features=features, days=days)
        return _of_descendants()


def eight_here(log: Path, out: Path) -> None:
    """The eight features, by this project; written with the ids alone, as pandas and DuckDB do."""
    _built(log, out, last_day_only=False, names=EIGHT, written=("id_search", "id_listing", *EIGHT))


def eight_pandas(log: Path, out: Path) -> None:
    """The eight features in plain pandas."""
    import pandas as pd

    columns = [
        "id_search", "id_listing", "id_user", "search_s", "stage", "checkin_day", "checkout_day",
        "listing_total_price", "listing_cleaning_fee", "listing_weekly_price_factor",
        "listing_monthly_price_factor",
    ]  # fmt: skip
    rows = pd.read_parquet(log, columns=columns)
    rows["query_nights"] = rows["checkout_day"] - rows["checkin_day"]
    nights = rows["query_nights"].fillna(1)
    factor = rows["listing_weekly_price_factor"].fillna(1.0).where(nights >= 7, 1.0)
    factor = factor.where(nights < 28, rows["listing_monthly_price_factor"].fillna(factor))
    for_nights = rows["listing_total_price"] - rows["listing_cleaning_fee"].fillna(0)
    price = for_nights / (nights * factor)
    rows["listing_nightly_price"] = price.where(price > 0)
    by_search = rows.groupby("id_search")["listing_nightly_price"]
    rows["in_search_price_rank"] = by_search.rank(method="min")
    rows["in_search_price_to_median"] = price / by_search.transform("median")
    rows["clicked"] = (rows["stage"] >= 1).astype("int64")
    rows["one"] = 1
    for key, names in (
        (["id_listing"], ("listing_past_impressions", "listing_past_clicks")),
        (["id_user", "id_listing"], ("guest_saw_listing", None)),
    ):
        sums = rows.groupby([*key, "search_s"])[["one", "clicked"]].sum().sort_index()
        before = sums.groupby(level=list(range(len(key)))).cumsum() - sums
        before.columns = [name or "unused" for name in names]
        rows = rows.merge(before.reset_index(), on=[*key, "search_s"], how="left")
    searches = rows.drop_duplicates("id_search").groupby(["id_user", "search_s"]).size()
    before = (searches.groupby(level=0).cumsum() - searches).rename("guest_past_searches")
    rows = rows.merge(before.reset_index(), on=["id_user", "search_s"], how="left")
    rows[["id_search", "id_listing", *EIGHT]].to_parquet(out)


def eight_duckdb(log: Path, out: Path) -> None:
    """The eight features in hand-written SQL."""
    import duckdb

    duckdb.sql(_SQL.format(log=log, out=out))


_SQL = """
COPY (
  WITH r AS (
    SELECT *, checkout_day - checkin_day AS query_nights,
      coalesce(checkout_day - checkin_day, 1) AS n FROM '{log}'
  ), p AS (
    SELECT *, nullif(greatest((listing_total_price - coalesce(listing_cleaning_fee, 0)) / (n *
      CASE WHEN n >= 28 THEN coalesce(listing_monthly_price_factor,
                                      listing_weekly_price_factor, 1)
           WHEN n >= 7 THEN coalesce(listing_weekly_price_factor, 1) ELSE 1 END), 0), 0)
      AS listing_nightly_price FROM r
  ), u AS (
    SELECT id_user, search_s, count(DISTINCT id_search) AS s FROM r GROUP BY ALL
  ), v AS (
    SELECT id_user, search_s,
      sum(s) OVER (PARTITION BY id_user ORDER BY search_s) - s AS guest_past_searches FROM u
  )
  SELECT id_search, id_listing, query_nights, listing_nightly_price,
    rank() OVER (PARTITION BY id_search ORDER BY listing_nightly_price) AS in_search_price_rank,
    listing_nightly_price / median(listing_nightly_price) OVER (PARTITION BY id_search)
      AS in_search_price_to_median,
    count(*) OVER w - count(*) OVER (PARTITION BY id_listing, search_s)
      AS listing_past_impressions,
    count(*) FILTER (stage >= 1) OVER w - count(*) FILTER (stage >= 1)
      OVER (PARTITION BY id_listing, search_s) AS listing_past_clicks,
    guest_past_searches,
    count(*) OVER (PARTITION BY id_user, id_listing ORDER BY search_s)
      - count(*) OVER (PARTITION BY id_user, id_listing, search_s) AS guest_saw_listing
  FROM p LEFT JOIN v USING (id_user, search_s)
  WINDOW w AS (PARTITION BY id_listing ORDER BY search_s)
) TO '{out}' (FORMAT parquet)
"""

SMALL = {"searches": 600}
SIZES = {"1M": 57_000, "10M": 570_000, "50M": 2_850_000}
"""Impressions, and the searches that show about so many."""

TOLERANCE = 1e-9

JOBS: dict[str, Callable[[Path, Path], tuple[float, float] | None]] = {
    job.__name__: job
    for job in (
        bare,
        all_groups,
        one_more_day,
        one_more_day_anew,
        co_engagement,
        eight_here,
        eight_pandas,
        eight_duckdb,
        spark,
    )
}
BY_DEFAULT = tuple(name for name in JOBS if name != "spark")


def _built(
    log: Path,
    out: Path,
    *,
    last_day_only: bool,
    names: Sequence[str] | None = None,
    written: Sequence[str] | None = None,
    keeps: bool = False,
    kept: Path | None = None,
) -> None:
    """Build and write block by block, the next one being built while one is written."""
    frame = pl.scan_parquet(log)
    available = available_features(frame.collect_schema())
    features = available.without(["co_engagement"]) if names is None else available.only(names)
    days = frame.select(pl.col("search_day").unique().sort()).collect().to_series().to_list()
    chosen = days[-1:] if last_day_only else days
    out.mkdir()
    files = {str(day): ("", day) for day in days}
    totals = KeptTotals(folder=kept or out / "past", code="", partitions=files)
    built = build_by_day(
        frame,
        chosen,
        features=features,
        opening=None if kept is None else totals.before(chosen[0]),
        closing_days=chosen[-KEPT_DAYS:] if keeps or kept else (),
        on_close=totals.keep,
    )
    with prefetched(built, ahead=1) as blocks:
        for number, block in enumerate(blocks):
            rows = block.rows if written is None else block.rows.select(written)
            rows.lazy().sink_parquet(out / f"{number:04d}.parquet")


def _agreement(here: Path, other: Path) -> str:
    """The eight features of two jobs compared row by row."""
    key = ["id_search", "id_listing"]
    ours, theirs = (
        pl.scan_parquet(path if path.is_file() else path / "*.parquet")
        .select(*key, *EIGHT)
        .sort(key)
        .collect()
        for path in (here, other)
    )
    unlike = [name for name in EIGHT if not _are_close(ours[name], theirs[name])]
    return "all eight agree" if not unlike else f"unlike: {', '.join(unlike)}"


def _are_close(left: pl.Series, right: pl.Series) -> bool:
    a, b = (s.cast(pl.Float64).fill_nan(None) for s in (left, right))
    known = a.is_not_null() & b.is_not_null()
    near = ((a - b).abs() <= TOLERANCE * a.abs().clip(1.0)) | ~known
    return bool((a.is_null() == b.is_null()).all() and near.all())


def _measured(job: str, log: Path, out: Path) -> dict[str, float]:
    command = [sys.executable, __file__, str(log), "--job", job, "--out", str(out)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise SystemExit(f"{job} failed:\n{finished.stderr}")
    return dict(json.loads(finished.stdout.splitlines()[-1]))


def _run(job: str, log: Path, out: Path) -> None:
    started, used = time.perf_counter(), os.times()
    children = JOBS[job](log, out) or (0.0, 0.0)
    now = os.times()
    own_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        json.dumps(
            {
                "wall_s": time.perf_counter() - started,
                "cpu_s": now.user + now.system - used.user - used.system + children[0],
                "peak_gb": own_gb + children[1],
            }
        )
    )


def _of_descendants() -> tuple[float, float]:
    """CPU seconds, and the sum of the peaks of memory in GB, of what this process has started.

    With what their own children used that have ended: Spark's workers come and go.
    """
    cpu_s = peak_gb = 0.0
    left = [os.getpid()]
    while left:
        pid = left.pop()
        children = Path(f"/proc/{pid}/task").glob("*/children")
        for child in " ".join(path.read_text() for path in children).split():
            ticks = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:15]
            cpu_s += sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
            # One that has ended and is not yet buried holds nothing.
            peak = Path(f"/proc/{child}/status").read_text().partition("VmHWM:")[2].split()
            peak_gb += int(peak[0]) / 1024**2 if peak else 0.0
            left.append(int(child))
    return cpu_s, peak_gb


def _report(log: Path, jobs: list[str], folder: Path) -> None:
    rows = pl.scan_parquet(log).select(pl.len()).collect().item()
    print(f"{rows:,} impressions, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    base: dict[str, float] | None = None
    for job in jobs:
        if job == "eight_duckdb" and find_spec("duckdb") is None:
            print("eight_duckdb    left out: DuckDB is not installed")
            continue
        figures = _measured(job, log, folder / job)
        base = base or figures
        print(
            f"{job:14s} {figures['wall_s']:8.1f} s {rows / figures['wall_s']:12,.0f} rows/s "
            f"{figures['wall_s'] / base['wall_s']:6.1f}x {jobs[0]} "
            f"(cpu {figures['cpu_s']:.1f} s, {figures['cpu_s'] / base['cpu_s']:.1f}x) "
            f"peak {figures['peak_gb']:.2f} GB",
            flush=True,
        )
    for other in ("eight_pandas", "eight_duckdb"):
        if other in jobs and "eight_here" in jobs and (folder / other).exists():
            print(f"{other}: {_agreement(folder / 'eight_here', folder / other)}")


def _simulated(searches: int, home: Path) -> Path:
    summary = write_simulation(SimulationConfig(searches=searches), home / "raw", "parquet")
    ingest([summary.log], home=home / "lake-home")
    log = home / "impressions.parquet"
    Lake(home / "lake-home").scan("impressions").sink_parquet(log)
    return log


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path, nargs="?", help="Parquet file of impressions")
    parser.add_argument("--searches", type=int, default=50_000, help="to simulate without a log")
    parser.add_argument("--size", choices=tuple(SIZES), help="impressions to simulate instead")
    parser.add_argument("--jobs", nargs="+", choices=tuple(JOBS), default=list(BY_DEFAULT))
    parser.add_argument("--job", choices=tuple(JOBS), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    arguments = parser.parse_args()
    if arguments.small:
        vars(arguments).update(SMALL)
    if arguments.job:
        _run(arguments.job, arguments.log, arguments.out)
        return
    searches = SIZES[arguments.size] if arguments.size else arguments.searches
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "out").mkdir()
        log = arguments.log or _simulated(searches, Path(folder))
        _report(log, arguments.jobs, Path(folder) / "out")


if __name__ == "__main__":
    main()
