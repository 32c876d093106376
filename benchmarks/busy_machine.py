"""What training costs beside other programs: with threads that spin while they wait, and as it is.

Trains each model on the same simulated rows, alone and beside so many busy processes per core: with
threads that spin by the libraries' default (``spins``: as it was), with threads that sleep
(``sleeps``: as the program sets it), and that on one thread (``one``). SIMULATED data.

    python benchmarks/busy_machine.py --searches 1500 --load 6
    python benchmarks/busy_machine.py --models two_tower --ways sleeps one --load 2

Of a load of L per core a fair scheduler leaves each thread 1/(L + 1) of a core: a fit then takes
L + 1 times as long, which nothing but a priority beats. The column *fair* is the busy time over
that: 1 is fair, more is the waiting of threads for each other. That holds on a machine that is
otherwise free. On a shared one compare ways, by CPU seconds (what grows is spinning) and by what
the leading thread did with its time: it ran, was queued for a core, or slept till others were
done. The load stays in the session of the benchmark, or Linux would first share out between
sessions, and the whole load count as one.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.feather as feather
from reproducibility import write_rows

from data.schema.feature_set import FeatureSet
from models.passive_threads import BLAS_VARIABLE, WAIT_VARIABLES
from pipelines.config.settings import Settings, load_settings
from pipelines.training.model_factory import make_recommender

HERE = Path(__file__).parents[1]
MODELS = ("two_tower", "als", "ranker", "lambdarank")
# What GNU's OpenMP and OpenBLAS do by default, written out so that the program lets it be.
SPINNING = {"GOMP_SPINCOUNT": "300000", BLAS_VARIABLE: "26"}
# A load ends by itself when the benchmark does, however that ends.
LOAD = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    sum(range(100_000))"


@dataclass(frozen=True)
class Way:
    """How a fit waits: its part of the environment, and its number of threads."""

    environment: dict[str, str]
    threads: int


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Seconds of one fit: by the clock, of all threads, and what the leading thread did."""

    wall: float
    cpu: float
    ran: float
    queued: float

    @property
    def slept(self) -> float:
        """Neither running nor waiting for a core: waiting for other threads."""
        return max(0.0, self.wall - self.ran - self.queued)


def main() -> None:
    """Print a line per model, way of waiting and load."""
    options = _options()
    if options.fit:
        fit_when_asked(options)
        return
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ending:
        rows = options.rows or Path(folder) / "rows"
        if not options.rows:
            write_rows(options.searches, options.seed, rows)
        ways = all_ways()
        processes = {name: FittingProcess(ways[name], rows, options) for name in options.ways}
        for process in processes.values():
            ending.callback(process.end)
        _print_heading(rows, options)
        for model in options.models:
            print_model(model, processes, options.load)


def _print_heading(rows: Path, options: argparse.Namespace) -> None:
    impressions = feather.read_table(rows / "train.arrow", columns=["stage"]).num_rows
    print(f"SIMULATED, {impressions:,} impressions to train on; {cores()} cores, {others()} others")
    print(f"at work; busy processes per core: none, then {options.load}")
    print(f"{'':18}{'load':>5}{'wall s':>9}{'CPU s':>8}{'ran':>7}{'queued':>8}{'slept':>7}", end="")
    print(f"{'busy/quiet':>12}{'CPU ratio':>11}{'fair':>7}")


def print_model(model: str, processes: dict[str, FittingProcess], load: int) -> None:
    """A way after the other, each alone and at once beside the load."""
    for name, process in processes.items():
        process.warm_up(model)
        quiet = process.fit(model)
        print(_line(model, name, 0, quiet), flush=True)
        if quiet is None:
            continue
        with busy_cores(load):
            busy = process.fit(model)
        print(_line(model, name, load, busy) + _ratios(quiet, busy, load), flush=True)


def _line(model: str, way: str, load: int, spent: Spent | None) -> str:
    if spent is None:
        return f"{model:11}{way:7}{load:5}  stopped"
    return (
        f"{model:11}{way:7}{load:5}{spent.wall:9.2f}{spent.cpu:8.2f}"
        f"{spent.ran:7.2f}{spent.queued:8.2f}{spent.slept:7.2f}"
    )


def _ratios(quiet: Spent, busy: Spent | None, load: int) -> str:
    if busy is None:
        return ""
    ratio = busy.wall / quiet.wall
    return f"{ratio:12.1f}{busy.cpu / quiet.cpu:11.2f}{ratio / (load + 1):7.2f}"


def all_ways() -> dict[str, Way]:
    """By name; two threads at least, or there is nothing to wait for."""
    threads = max(2, cores())
    return {"spins": Way(SPINNING, threads), "sleeps": Way({}, threads), "one": Way({}, 1)}


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def others() -> int:
    """Threads of the whole machine that want a core now, this one left out."""
    return int(Path("/proc/loadavg").read_text().split()[3].split("/")[0]) - 1


@contextmanager
def busy_cores(per_core: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many processes per core that always want one, until the block ends."""
    command = [sys.executable, "-c", LOAD, str(os.getpid())]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes += [subprocess.Popen(command) for _ in range(per_core * cores())]
        yield processes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


class FittingProcess:
    """A process with a way's environment that fits the models whose names it reads."""

    def __init__(self, way: Way, rows: Path, options: argparse.Namespace) -> None:
        settled = (*WAIT_VARIABLES, BLAS_VARIABLE)
        inherited = {k: v for k, v in os.environ.items() if k not in settled}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(way.threads))
        self.environment = {**inherited, **threads, **way.environment, "PYTHONPATH": str(HERE)}
        self.command = [sys.executable, __file__, "--fit", "--rows", str(rows)]
        self.command += ["--threads", str(way.threads), "--seed", str(options.seed)]
        self.limit_s: float = options.limit_s
        self.process: subprocess.Popen[str] | None = None

    def warm_up(self, model: str) -> None:
        """A first fit loads libraries and starts threads; it may take as long as it takes."""
        self._answer(model, None)

    def fit(self, model: str) -> Spent | None:
        """What a fit took; ``None`` where it took longer than the limit and was stopped."""
        answer = self._answer(model, self.limit_s)
        return Spent(**json.loads(answer)) if answer else None

    def end(self) -> None:
        """Stop the process, if there is one."""
        if self.process:
            self.process.kill()
            self.process.communicate()
        self.process = None

    def _answer(self, model: str, limit_s: float | None) -> str:
        if self.process is None:
            self.process = subprocess.Popen(
                self.command,
                cwd=HERE,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
        asked, answered = self.process.stdin, self.process.stdout
        if asked is None or answered is None:
            raise ValueError("the process was started without pipes")
        asked.write(model + "\n")
        is_ready = select.select([answered], [], [], limit_s)[0]
        line = answered.readline() if is_ready else ""
        if is_ready and not line:
            raise SystemExit(f"the fit of {model} failed, see above")
        if not is_ready:
            self.end()
        return line


def fit_when_asked(options: argparse.Namespace) -> None:
    """For each model's name read, fit it and print the fields of :class:`Spent`."""
    train, valid = (feather.read_table(options.rows / f"{w}.arrow") for w in ("train", "valid"))
    features = FeatureSet.load(options.rows / "features.json")
    settings = fit_settings(options.seed, options.threads)
    for name in sys.stdin:
        model = make_recommender(name.strip(), features, settings)
        before, cpu, (ran, queued) = time.perf_counter(), time.process_time(), leading_thread()
        model.fit(train, valid)
        after = leading_thread()
        spent = Spent(
            wall=time.perf_counter() - before,
            cpu=time.process_time() - cpu,
            ran=after[0] - ran,
            queued=after[1] - queued,
        )
        print(json.dumps(asdict(spent)), flush=True)


def leading_thread() -> tuple[float, float]:
    """Seconds in which this thread ran, and in which it wanted a core and had none."""
    ran_ns, queued_ns, _ = Path("/proc/thread-self/schedstat").read_text().split()
    return int(ran_ns) / 1e9, int(queued_ns) / 1e9


def fit_settings(seed: int, threads: int) -> Settings:
    """Each model told to use so many threads, and to be done soon: ratios need no good model."""
    shared = {"threads": threads}
    trees = shared | {"max_rounds": 30}
    choices = {"folds": 2, "click_penalties": [100.0], "later_penalties": [3_000.0]}
    return load_settings(
        seed=seed, als=shared, two_tower=shared, ranker=trees | choices, lambdarank=trees
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=1_500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--load", type=int, default=6, help="busy processes per core")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--ways", nargs="+", choices=list(all_ways()), default=list(all_ways()))
    parser.add_argument("--limit-s", type=float, default=120.0, help="longest time of a fit")
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    parser.add_argument("--rows", type=Path, help="rows of an earlier run, instead of new ones")
    parser.add_argument("--fit", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.small:
        options.searches, options.load, options.limit_s = 300, 1, 3.0
        options.ways = ["spins", "sleeps"]
    return options


if __name__ == "__main__":
    main()
