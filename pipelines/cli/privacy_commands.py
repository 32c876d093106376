"""``forget-user``: the guest's right to erasure."""

from __future__ import annotations

from typing import Annotated

import typer

from data.counted import counted
from pipelines.cli.app import PRIVACY_PANEL, HomeOption, SettingsOption, app, context_of

__all__ = ["forget_user"]


@app.command("forget-user", rich_help_panel=PRIVACY_PANEL)
def forget_user(
    guest: Annotated[
        str, typer.Argument(help="The guest's id, as the logs have it.", metavar="ID")
    ],
    home: HomeOption = None,
    settings: SettingsOption = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            help="Column mapping of logs in the inbox, where the settings do not name it.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Erase a guest from every table, version, model input, report and file of the home.

    Says what was removed, which models were trained on the guest, and when they are next;
    where nobody has this id it says so, and changes nothing. Waits until no run uses the home.
    What could not be done is named, with exit code 1; the same command goes on from there.
    Logs outside the home are not touched: a log that names the guest brings them back.

    Example: stayrank forget-user U1234567 --home data/home
    """
    from data.errors import DataError

    context = context_of(home, settings, None)
    if not (context.home.root / "lake").is_dir():
        raise DataError(
            f"{context.home.root} holds no lake, so there is nobody to forget. Name the home that "
            "holds the guest: --home DIR"
        )
    from pipelines.privacy import forget_guest

    erasure = forget_guest(context, guest, source)
    for line in erasure.lines(guest):
        context.console.say(line)
    if erasure.not_rewritten:
        raise DataError(
            f"{counted(len(erasure.not_rewritten), 'thing')} could not be done, named above; mend "
            "it and give the same command again"
        )
