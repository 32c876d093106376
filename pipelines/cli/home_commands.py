"""``home``: what a home holds, and its records rewritten after a move."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data.errors import DataError
from pipelines.cli.app import RESULTS_PANEL, HomeOption, app
from pipelines.config.console import Console
from pipelines.config.home import Home, home_for

__all__ = ["home"]

MEGABYTE = 1e6


@app.command("home", rich_help_panel=RESULTS_PANEL)
def home(
    home: HomeOption = None,
    relocate: Annotated[
        bool, typer.Option("--relocate", help="Rewrite the records of a home that was moved.")
    ] = False,
) -> None:
    """Say where the home is, whether its records know that, and how large each part is.

    A home that was moved or copied is repaired by the first command that uses it; --relocate does
    only that.

    Example: stayrank home --home /data/stayrank --relocate
    """
    from pipelines.tracking.relocate_home import earlier_places, relocate_if_moved

    place, say = home_for(home, "simulated"), Console().say
    if not place.root.is_dir():
        raise DataError(f"{place.root}: there is no such home. Name another with --home DIR")
    if relocate and relocate_if_moved(place, say) is None:
        say("nothing to rewrite: the records name this place")
    say(f"home     {place.root.resolve()}")
    for earlier in earlier_places(place):
        say(f"moved    its records still name {earlier}; rewrite them with --relocate")
    for name, size in _sizes(place):
        say(f"{size / MEGABYTE:8.1f} MB  {name}")


def _sizes(place: Home) -> list[tuple[str, int]]:
    """Bytes of each file and folder of the home, the largest first."""
    sizes = {part.name: _size(part) for part in place.root.iterdir() if not part.is_symlink()}
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))


def _size(part: Path) -> int:
    files = part.rglob("*") if part.is_dir() else [part]
    return sum(file.lstat().st_size for file in files if not file.is_dir())
