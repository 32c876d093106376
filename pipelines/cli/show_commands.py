"""``show guest``, ``show listing`` and ``show search``: one of them looked up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.app import RESULTS_PANEL, HomeOption, SettingsOption, app, context_of
from pipelines.cli.early_checks import parse_day

if TYPE_CHECKING:
    from pipelines.look_up import Found
    from pipelines.run_context import RunContext

__all__ = ["guest", "listing", "search"]

show = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Look up one guest, listing or search: what was shown, what is recommended, and why.\n\n"
    "Example: stayrank show guest U1234567 --checkin 2026-02-13 --nights 4 --guests 2",
)
app.add_typer(show, name="show", rich_help_panel=RESULTS_PANEL)

CheckinOption = Annotated[
    str | None,
    typer.Option("--checkin", help="What if: this first night instead, YYYY-MM-DD."),
]
NightsOption = Annotated[
    int | None, typer.Option("--nights", min=1, max=365, help="What if: so many nights.")
]
GuestsOption = Annotated[
    int | None, typer.Option("--guests", min=1, max=100, help="What if: so many guests.")
]
MarketOption = Annotated[
    str | None, typer.Option("--market", help="What if: in this market of the home.")
]
TopOption = Annotated[
    int, typer.Option("--top", min=1, max=1_000, help="Places of each list to print.")
]


@show.command()
def guest(  # noqa: PLR0913  # a command's options are its arguments
    id: Annotated[str, typer.Argument(metavar="ID", help="The guest's id in the log.")],  # noqa: A002
    checkin: CheckinOption = None,
    nights: NightsOption = None,
    guests: GuestsOption = None,
    market: MarketOption = None,
    top: TopOption = 10,
    home: HomeOption = None,
    settings: SettingsOption = None,
) -> None:
    """A guest's last search and past, and what is recommended; or would be, for other dates.

    Example: stayrank show guest simU00001400 --checkin 2026-02-13 --nights 4 --guests 2
    """
    asked = _asked(checkin, nights, guests, market)
    context = context_of(home, settings, None)
    from pipelines.look_up import look_up_guest

    _print(context, lambda: look_up_guest(context, id, top=top, **asked))


@show.command()
def listing(  # noqa: PLR0913  # a command's options are its arguments
    id: Annotated[str, typer.Argument(metavar="ID", help="The listing's id in the log.")],  # noqa: A002
    guest: Annotated[
        str | None, typer.Option("--guest", help="Why is it recommended to this guest, or not?")
    ] = None,
    search: Annotated[
        str | None, typer.Option("--search", help="The same of one search.", metavar="ID")
    ] = None,
    checkin: CheckinOption = None,
    nights: NightsOption = None,
    guests: GuestsOption = None,
    market: MarketOption = None,
    top: TopOption = 10,
    home: HomeOption = None,
    settings: SettingsOption = None,
) -> None:
    """A listing: price, place, how it does, to whom it is recommended, and why not to others.

    Example: stayrank show listing simL00000495 --guest simU00001400
    """
    asked = _asked(checkin, nights, guests, market)
    context = context_of(home, settings, None)
    from pipelines.look_up import look_up_listing

    _print(
        context,
        lambda: look_up_listing(context, id, guest=guest, search=search, top=top, **asked),
    )


@show.command()
def search(  # noqa: PLR0913  # a command's options are its arguments
    id: Annotated[str, typer.Argument(metavar="ID", help="The search's id in the log.")],  # noqa: A002
    checkin: CheckinOption = None,
    nights: NightsOption = None,
    guests: GuestsOption = None,
    market: MarketOption = None,
    top: TopOption = 10,
    home: HomeOption = None,
    settings: SettingsOption = None,
) -> None:
    """A search: its results as shown, as the ranker orders them, and by popularity.

    Example: stayrank show search simS00000013
    """
    asked = _asked(checkin, nights, guests, market)
    context = context_of(home, settings, None)
    from pipelines.look_up import look_up_search

    _print(context, lambda: look_up_search(context, id, top=top, **asked))


def _asked(
    checkin: str | None, nights: int | None, guests: int | None, market: str | None
) -> dict[str, Any]:
    """What is asked, its date read before anything slow is imported."""
    day = None if checkin is None else parse_day(checkin)
    return {"checkin": day, "nights": nights, "guests": guests, "market": market}


def _print(context: RunContext, look_up: Callable[[], Found]) -> None:
    from pipelines.look_up import AskingError

    try:
        found = look_up()
    except AskingError as error:
        raise typer.BadParameter(str(error)) from None
    for line in found.lines():
        context.console.say(line)
