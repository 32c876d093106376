"""The default log: a simulated week, written once per seed and size."""

from __future__ import annotations

from pathlib import Path

from data.counted import counted
from data.ranges import OutOfRangeError
from data.simulator import SimulationConfig, write_simulation
from data.simulator.write import FileFormat
from pipelines.config.console import Console
from pipelines.config.home_use import uses_home
from pipelines.config.settings import Settings, SettingsError
from pipelines.run_context import RunContext

__all__ = ["check_simulation", "simulate_log", "simulate_to"]


@uses_home
def simulate_log(context: RunContext) -> Path:
    """The folder of the log that the settings describe, under the home; written if missing.

    The simulator renames its folder into place at the end, so one that exists is complete.
    """
    simulation = context.settings.simulation
    name = f"{simulation.scenario}_{simulation.searches}_seed{context.settings.seed}"
    folder = context.home.prepare().simulated_log / name
    if not folder.is_dir():
        simulate_to(
            context.console,
            folder,
            searches=simulation.searches,
            seed=context.settings.seed,
            scenario=simulation.scenario,
        )
    return folder / "log"


def check_simulation(settings: Settings) -> None:
    """Raise ``SettingsError`` where the settings describe no log that can be simulated."""
    simulation = settings.simulation
    _config(simulation.searches, settings.seed, simulation.scenario, with_position=False)


def _config(searches: int, seed: int, scenario: str, *, with_position: bool) -> SimulationConfig:
    try:
        return SimulationConfig(
            searches=searches, seed=seed, scenario=scenario, with_position=with_position
        )
    except OutOfRangeError as error:
        raise SettingsError(error.told) from error
    except ValueError as error:
        raise SettingsError(str(error)) from error


def simulate_to(  # the options of `stayrank simulate`
    console: Console,
    out: Path,
    *,
    searches: int,
    seed: int,
    scenario: str,
    file_format: FileFormat = "parquet",
    with_position: bool = False,
) -> None:
    """Simulate into ``out``; raises ``SettingsError`` for unsound options."""
    config = _config(searches, seed, scenario, with_position=with_position)
    with console.step(
        f"simulating {counted(searches, 'search')} ({scenario}, seed {seed})"
    ) as moved:
        summary = write_simulation(config, out, file_format=file_format, progress=moved)
    labels = ", ".join(f"{count:,} {label}" for label, count in summary.labels.items())
    console.say(f"simulated, not real guests: {counted(summary.searches, 'search')}, {labels}")
    console.say(f"  log {summary.log}, truth {summary.truth}")
