"""Are the simulated listings of Rio those that were fitted? A table, and a picture.

    python benchmarks/marginals.py

Draws both catalogues in full and holds Rio's listings against the fitted figures in
``data/simulator/rio_de_janeiro.toml``, which :mod:`data.simulator.fit` made from Inside
Airbnb's files. The picture goes to ``docs/pictures/marginals.svg``, the same bytes each
time; with ``--small`` a small catalogue is drawn and the picture thrown away.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from data.simulator import SimulationConfig
from data.simulator.listings import Catalogue, draw_catalogue
from data.simulator.marginals import Marginal, marginals
from data.simulator.parameters import load_world

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "marginals.svg"
# The markets' listings as counted: 29,011 in Rio, the rest in São Paulo.
FULL_CATALOGUES = sum(market.listings for market in load_world().markets)
SMALL = {"listings": 4_000}
LARGEST_CAPACITY = 8
# Okabe & Ito's colours: told apart by colour-blind readers.
FITTED, SIMULATED = "#E69F00", "#0072B2"


def capacity_rows(catalogue: Catalogue) -> Iterator[Marginal]:
    """Shares of Rio's listings by capacity; the largest are taken together."""
    fit = load_world().markets[0]
    entire = float(np.dot(fit.areas.shares, fit.areas.entire_home_shares))
    tables = fit.tables["capacity"]
    fitted = entire * np.array(tables["entire_home"]) + (1 - entire) * np.array(tables["others"])
    capacity = catalogue.capacity[catalogue.market == 0]
    for guests in range(1, LARGEST_CAPACITY):
        yield Marginal(
            name=f"capacity {guests}, share",
            fitted=float(fitted[guests - 1]),
            simulated=float((capacity == guests).mean()),
            tolerance=0.05,
        )
    yield Marginal(
        name=f"capacity {LARGEST_CAPACITY}+, share",
        fitted=float(fitted[LARGEST_CAPACITY - 1 :].sum()),
        simulated=float((capacity >= LARGEST_CAPACITY).mean()),
        tolerance=0.05,
    )


def standard_errors(row: Marginal, listings: int) -> float | None:
    """How many standard errors of a share lie between both; ``None`` where it is no share."""
    if "share" not in row.name:
        return None
    error = np.sqrt(row.fitted * (1 - row.fitted) / listings)
    return float((row.simulated - row.fitted) / error)


def print_table(rows: Sequence[Marginal], listings: int) -> None:
    """Fitted, simulated, the relative difference, and for shares what chance would do."""
    heads = ("fitted", "simulated", "difference", "std errors")
    print(f"{'':<44}" + "".join(f"{head:>12}" for head in heads))
    for row in rows:
        errors = standard_errors(row, listings)
        print(
            f"{row.name:<44}{row.fitted:>12.5g}{row.simulated:>12.5g}"
            f"{row.simulated / row.fitted - 1:>+12.1%}"
            + (f"{errors:>+12.1f}" if errors is not None else f"{'—':>12}")
        )
    sizes = [abs(e) for row in rows if (e := standard_errors(row, listings)) is not None]
    print(f"{len(sizes)} shares: {sum(e > 2 for e in sizes)} beyond 2 standard errors, ", end="")
    print(f"{sum(e > 3 for e in sizes)} beyond 3")


def ending(rows: Sequence[Marginal], what: str) -> dict[str, Marginal]:
    """The rows named ``… what``, by the rest of their name."""
    return {r.name.removesuffix(what): r for r in rows if r.name.endswith(what)}


def starting(rows: Sequence[Marginal], what: str) -> dict[str, Marginal]:
    """The rows named ``what …``, by the rest of their name without ``, share``."""
    by_rest = {r.name.removeprefix(what): r for r in rows if r.name.startswith(what)}
    return {name.removesuffix(", share"): row for name, row in by_rest.items()}


def draw_quantiles(axes: Any, of_level: dict[str, Marginal], title: str, *, log: bool) -> None:
    """Value by quantile level: the fitted ones a line, the simulated ones dots."""
    levels = [f"{float(level):.0%}" for level in of_level]
    rows = of_level.values()
    axes.plot(levels, [r.fitted for r in rows], color=FITTED, linewidth=3, label="fitted")
    axes.plot(levels, [r.simulated for r in rows], "o", color=SIMULATED, label="simulated")
    if log:
        axes.set_yscale("log")
        axes.set_yticks([r.fitted for r in rows])
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    axes.set_title(title)
    axes.set_xlabel("quantile")


def draw_shares(axes: Any, shares: dict[str, Marginal], title: str, *, flat: bool = False) -> None:
    """Shares as pairs of bars, beside each other, or below each other where ``flat``."""
    places = np.arange(len(shares))
    bars = axes.barh if flat else axes.bar
    for shift, name, colour in ((-0.2, "fitted", FITTED), (0.2, "simulated", SIMULATED)):
        values = [getattr(row, name) for row in shares.values()]
        bars(places + shift, values, 0.4, color=colour, label=name)
    axis, values_axis = (axes.yaxis, axes.xaxis) if flat else (axes.xaxis, axes.yaxis)
    axis.set_ticks(places, list(shares))
    values_axis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
    if flat:
        axes.invert_yaxis()
    axes.set_title(title)


def draw(rows: Sequence[Marginal], listings: int) -> Figure:
    """Small multiples: prices, capacity, ratings, reviews, room types, nights, areas."""
    figure = Figure(figsize=(11, 8.5), layout="constrained", facecolor="white")
    grid = figure.add_gridspec(3, 3, width_ratios=(1, 1, 1.15))
    panels = [figure.add_subplot(grid[at // 2, at % 2]) for at in range(6)]
    draw_quantiles(panels[0], starting(rows, "price, quantile "), "price of a night, R$", log=True)
    draw_shares(panels[1], starting(rows, "capacity "), "guests that a listing takes")
    ratings = starting(rows, "rating, quantile ")
    draw_quantiles(panels[2], ratings, "mean rating, reviewed listings", log=False)
    reviews = starting(rows, "reviews, quantile ")
    draw_quantiles(panels[3], reviews, "reviews, reviewed listings", log=True)
    rooms = ending(rows, "_home, share") | ending(rows, "_room, share")
    draw_shares(panels[4], rooms, "room types")
    draw_shares(panels[5], starting(rows, "minimum nights "), "minimum nights")
    areas = figure.add_subplot(grid[:, 2])
    draw_shares(areas, ending(rows, ", share of listings"), "neighbourhoods", flat=True)
    for axes in (*panels, areas):
        axes.spines[["top", "right"]].set_visible(False)
    areas.legend(frameon=False, loc="lower right")
    figure.suptitle(
        f"Rio de Janeiro: {listings:,} simulated listings beside the figures fitted to Inside"
        " Airbnb\n(CC BY 4.0: 29,011 listings of March 2026, details of 1,000 of April 2018)",
        fontsize=11,
    )
    return figure


def write_picture(figure: Figure, path: Path) -> None:
    """Write the SVG without a date and with fixed ids: the same bytes each time."""
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "stayrank"
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None, "Creator": None})
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Print the table and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listings", type=int, default=FULL_CATALOGUES, help="of both markets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    arguments = parser.parse_args()
    if arguments.small:
        vars(arguments).update(SMALL)
    config = SimulationConfig(searches=1, seed=arguments.seed, listings=arguments.listings)
    catalogue = draw_catalogue(config)
    rows = [*marginals(catalogue), *capacity_rows(catalogue)]
    in_rio = int((catalogue.market == 0).sum())
    print(f"SIMULATED listings of Rio de Janeiro: {in_rio:,}, seed {arguments.seed}")
    print_table(rows, in_rio)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PICTURE.name if arguments.small else arguments.picture
        write_picture(draw(rows, in_rio), path)


if __name__ == "__main__":
    main()
