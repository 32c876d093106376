"""How long Python takes to open a home, beside importing the two libraries that everybody knows.

Each is a process of its own, several times in turn, the median of which is told. The ratio, and not
the seconds, tells whether something heavy is imported that no reader of a home needs.

    python benchmarks/opening_a_home.py --home data/home
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = {
    "import pandas, polars": "import pandas, polars",
    "open_home": "import sys; from pipelines.analysis import open_home; open_home(sys.argv[1])",
    "open_home, recommendations": (
        "import sys; from pipelines.analysis import open_home; "
        "open_home(sys.argv[1]).recommendations"
    ),
    "open_home, one search scored": (
        "import sys; from pipelines.analysis import open_home; home = open_home(sys.argv[1]); "
        "home.champion().predict(home.search_rows())"
    ),
}


def seconds_of(program: str, home: Path) -> float:
    """Wall time of one process, from its start to its end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, str(home)], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="a finished home")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    # In turn, so that a busy minute of the machine is in all of them.
    rounds = [
        {name: seconds_of(program, options.home) for name, program in PROGRAMS.items()}
        for _ in range(options.repeats)
    ]
    medians = {name: statistics.median(times[name] for times in rounds) for name in PROGRAMS}
    reference = next(iter(medians.values()))
    for name, seconds in medians.items():
        print(f"{name:<30} {seconds:6.2f} s  {seconds / reference:5.1f} times")


if __name__ == "__main__":
    main()
