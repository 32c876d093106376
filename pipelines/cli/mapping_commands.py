"""``mapping``: a draft of the TOML that says what the columns of a log are."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.app import STEPS_PANEL, EncodingOption, LogArgument, app
from pipelines.config.console import Console, program

__all__ = ["mapping"]


@app.command(rich_help_panel=STEPS_PANEL)
def mapping(
    logs: LogArgument,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write. Default: standard output.")
    ] = None,
    encoding: EncodingOption = None,
) -> None:
    """Draft a mapping for a log in other columns: guesses, with the evidence for each.

    Example: stayrank mapping my_log.csv --out my_log.toml
    """
    if out is not None and out.exists():
        raise typer.BadParameter(f"{out} exists already; name another file", param_hint="--out")
    from pipelines.ingestion.draft_mapping import draft_for

    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        drafted = draft_for(logs, Path(folder), encoding)
    if out is None:
        typer.echo(drafted.toml, nl=False)
    else:
        out.write_text(drafted.toml, encoding="utf-8")
    if drafted.missing:
        lines = "one line is" if len(drafted.missing) == 1 else f"{len(drafted.missing)} lines are"
        console.err.print(f"{lines} missing in the draft, under MISSING:", markup=False)
        for name, sentence in drafted.missing.items():
            console.err.print(f"  {name}: {sentence}", markup=False)
        return
    console.err.print(drafted.tried, markup=False)
    words = shlex.join(["ingest", *logs, "--source", str(out or "FILE.toml")])
    console.err.print(f"Read the lines under UNSURE, then: {program()} {words}", markup=False)
