"""The steps of ``benchmarks/gpu.sh``: each in a process of its own, so that a crash ends one step.

A step returns its figures and one line of text. Where the hardware sets a floor, the floor is
counted from sizes and from this card's own measured rates, not from a data sheet.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

# On the CPU the kernels run in Triton's interpreter; read when triton is imported.
if "--dry-run" in sys.argv:
    os.environ["TRITON_INTERPRET"] = "1"

import numpy as np
import softmax_rivals
import torch
import two_tower as speed
from softmax_rivals import Problem
from torch import Tensor, nn

from models.two_tower import model as model_module
from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.exact_search import exact_top_k
from models.two_tower.inputs.training_set import TrainingSet
from models.two_tower.model import TwoTowerNet
from models.two_tower.training import train as train_module
from models.two_tower.training.fused_softmax import Blocks
from models.two_tower.training.minibatches import Minibatch, Minibatches, Part
from models.two_tower.training.train import batch_loss, train

ROOT = Path(__file__).parents[1]
ALL_IN_S = 410.0
TESTS_S = 100.0
FLOAT32, BFLOAT16 = 4, 2
# read gradient, weight and both moments, write weight and moments
ADAMW_PASSES = 7
BACK_AND_FORTH = 3
# CPU and GPU, 200 steps from the same weights over the same batches: the norm of the difference
# of all weights over the norm of what training changed
WEIGHTS_TOLERANCE = {"float32": 0.02, "bfloat16": 0.25}
TRAINED_STEPS = 200


@dataclass(frozen=True)
class Size:
    positives: int
    listings: int
    batch: int
    queries: int
    dimension: int = 64
    history: int = 10
    plain_s: float = 8.0
    matmul: int = 8192
    copied_bytes: int = 2**32
    timed_steps: int = 10
    repeats: int = 5
    trained_steps: int = TRAINED_STEPS


FULL = Size(20_000_000, 100_000, 65_536, 1_000_000)
THOUSANDTH = Size(
    20_000, 100, 65, 1_000, plain_s=0.3, matmul=64, copied_bytes=2**20, timed_steps=2,
    repeats=1, trained_steps=20,
)  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """What a step gets."""

    size: Size
    data: TrainingSet
    device: torch.device
    out: Path
    before: dict[str, dict[str, Any]]
    """Figures of the steps before, by name of the step."""

    def config(self, **changed: Any) -> TrainConfig:
        values = {"epochs": 1, "batch_size": self.size.batch, "loss": "full"}
        return TrainConfig(**(values | {"device": self.device.type} | changed))

    def towers(self) -> TowerConfig:
        return TowerConfig(dimension=self.size.dimension, history_length=self.size.history)

    def net(self) -> TwoTowerNet:
        torch.manual_seed(0)
        return speed.fresh_net(self.size.listings, self.towers(), self.device)

    def part(self, steps: int) -> TrainingSet:
        """The first steps' worth of the log."""
        rows = min(steps * self.size.batch, len(self.data.positives))
        queries, positives = self.data.queries, self.data.positives
        return replace(
            self.data,
            queries=replace(queries, **{k: v[:rows] for k, v in vars(queries).items()}),
            positives=replace(positives, **{k: v[:rows] for k, v in vars(positives).items()}),
        )

    def in_one_market(self) -> TrainingSet:
        """The log with all listings in one market: no pair of search and listing is masked."""
        catalogue, queries = self.data.catalogue, self.data.queries
        return replace(
            self.data,
            catalogue=replace(catalogue, market_L=np.ones_like(catalogue.market_L)),
            queries=replace(queries, market_S=np.ones_like(queries.market_S)),
        )


Outcome = tuple[str, dict[str, Any]]


def milliseconds(work: Callable[[], Any], device: torch.device, repeats: int) -> float:
    """Median time of ``work`` after one call to warm up."""
    work()
    times = [1e3 * speed.seconds(work, device) for _ in range(max(repeats, 1))]
    return statistics.median(times)


def reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return float("nan")


# ---- the steps ---------------------------------------------------------------------------------


def ceilings(bench: Bench) -> Outcome:
    """This card's rates: a large matrix product, a large copy, the way to the host."""
    device, size = bench.device, bench.size
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    left = torch.randn(size.matmul, size.matmul, device=device, dtype=kind)
    right = torch.randn(size.matmul, size.matmul, device=device, dtype=kind)
    spent = milliseconds(lambda: left @ right, device, 20) / 1e3
    flops = 2 * size.matmul**3 / spent
    whole = torch.randint(0, 255, (size.copied_bytes,), device=device, dtype=torch.uint8)
    other = torch.empty_like(whole)
    copied = 2 * size.copied_bytes / (milliseconds(lambda: other.copy_(whole), device, 10) / 1e3)
    figures: dict[str, Any] = {"flops": flops, "bytes_per_s": copied}
    figures["device"] = speed.machine(device)
    text = (
        f"{figures['device']}: matmul {flops / 1e12:.1f} TFLOP/s, "
        f"copy {copied / 1e12:.2f} TB/s read and written"
    )
    if device.type == "cuda":
        host = torch.empty(size.copied_bytes // 4, dtype=torch.uint8)
        pinned = host.pin_memory()
        for name, source in (("pageable", host), ("pinned", pinned)):
            took = milliseconds(lambda s=source: other[: len(s)].copy_(s), device, 3) / 1e3
            figures[f"from_{name}"] = len(source) / took
        text += (
            f"; from the host {figures['from_pageable'] / 1e9:.0f} GB/s, "
            f"{figures['from_pinned'] / 1e9:.0f} pinned"
        )
    return text, figures


def gpu_test_groups() -> list[list[str]]:
    """What pytest is told, a process each: beside one another, as most of their time is compiling.

    None of them needs a package that a GPU machine may lack (tests/benchmarks/test_gpu.py).
    """
    folder = "tests/models/two_tower"
    fused = f"{folder}/training/test_fused_softmax.py"
    both = f"{folder}/test_on_a_gpu.py"
    return [
        [both, "-k", "not compiled"],
        [both, "-k", "compiled"],
        [fused, "-k", "chunked_softmax"],
        [fused, "-k", "not chunked_softmax"],
        [f"{folder}/training", f"--ignore={fused}"],
        [
            folder,
            f"--ignore={folder}/training",
            f"--ignore={both}",
            f"--ignore={folder}/retrieval",  # needs FAISS
            f"--ignore={folder}/test_gpu_machine.py",  # needs the packages that it hides
        ],
    ]


def gpu_tests(bench: Bench) -> Outcome:
    """The tests written for both devices, and the others, whose models then train on the GPU."""
    groups = gpu_test_groups()
    if bench.device.type == "cpu":
        groups = [[groups[0][0], "-k", "top_k"]]
    options = [
        "--continue-on-collection-errors",
        "-m",
        "not slow and not operations",
        "--tb=short",
        "-rfE",
        "--durations=5",
    ]
    logs = [bench.out / f"tests-{number}.log" for number, _ in enumerate(groups)]
    running = []
    for group, log in zip(groups, logs, strict=True):
        command = [sys.executable, "-m", "pytest", *group, *options]
        environment = {**os.environ, "OMP_NUM_THREADS": "2"}
        with log.open("w") as output:
            running.append(subprocess.Popen(command, stdout=output, stderr=output, env=environment))
    ends_at = time.perf_counter() + TESTS_S
    unfinished = []
    for process, group in zip(running, groups, strict=True):
        try:
            process.wait(max(1.0, ends_at - time.perf_counter()))
        except subprocess.TimeoutExpired:
            process.kill()
            unfinished.append(" ".join(group))
    printed = [log.read_text() for log in logs]
    counts = dict.fromkeys(("passed", "skipped", "failed", "error"), 0)
    for text in printed:
        for number, word in re.findall(r"(\d+) (passed|skipped|failed|error)", text[-400:]):
            counts[word] += int(number)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", "\n".join(printed), re.MULTILINE)
    text = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    if failed:
        text += ": " + ", ".join(name.rsplit("/", 1)[-1] for name in failed[:12])
    if unfinished:
        text += f"; UNFINISHED after {TESTS_S:.0f} s: {'; '.join(unfinished)}"
    return text, {**counts, "failures": failed}


def cpu_weights(bench: Bench) -> Outcome:
    """The same batches on the CPU and on the device, from the same weights."""
    figures: dict[str, Any] = {}
    for name in ("float32", "bfloat16") if bench.device.type == "cuda" else ("float32",):
        figures[name] = _weights_apart(bench, is_narrow=name == "bfloat16")
    texts = [
        f"{name} {apart:.1e} (tolerance {WEIGHTS_TOLERANCE[name]:g}: "
        f"{'within' if apart <= WEIGHTS_TOLERANCE[name] else 'OUTSIDE'})"
        for name, apart in figures.items()
    ]
    steps = bench.size.trained_steps
    return f"weights apart after {steps} steps, as a share of what they moved: " + ", ".join(
        texts
    ), figures


def _weights_apart(bench: Bench, *, is_narrow: bool) -> float:
    data = speed.made_up(positives=2_000, listings=300, history=4, seed=0)
    towers = TowerConfig(dimension=16, hidden=16, history_length=4)
    config = bench.config(batch_size=200, loss="sampled", uniform_negatives=100)
    cpu = torch.device("cpu")
    torch.manual_seed(0)
    start = speed.fresh_net(300, towers, cpu)
    drawn = Minibatches(data, config, id_dropout=0.3, device=cpu)
    ends = {}
    for device in (cpu, bench.device):
        net = speed.fresh_net(300, towers, device)
        net.load_state_dict(start.state_dict())
        batches = Minibatches(data, config, id_dropout=0.3, device=device)
        optimiser = _adamw(net, config, device)
        for step in range(bench.size.trained_steps):
            epoch, place = divmod(step, drawn.steps_per_epoch)
            batch = drawn.draw(drawn.order(epoch), epoch, place, Part())
            with torch.autocast(
                device.type, torch.bfloat16, enabled=is_narrow and device.type == "cuda"
            ):
                loss = batch_loss(net, _moved(batch, device), batches, config, towers)
            loss.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        ends[device.type] = {name: value.cpu() for name, value in net.state_dict().items()}
    apart = _norm(ends["cpu"], ends[bench.device.type])
    return apart / _norm(ends["cpu"], start.state_dict())


def _norm(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return sum(float((one[name] - other[name]).square().sum()) for name in one) ** 0.5


def _moved(batch: Minibatch, device: torch.device) -> Minibatch:
    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: moved(entry) for name, entry in value.items()}
        return value.to(device) if isinstance(value, Tensor) else value

    return replace(batch, **{name: moved(value) for name, value in vars(batch).items()})


def _adamw(net: nn.Module, config: TrainConfig, device: torch.device) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        net.parameters(), lr=config.learning_rate, fused=True if device.type == "cuda" else None
    )


class Stepper:
    """Takes training steps as ``train`` does, one call a step."""

    def __init__(self, bench: Bench, config: TrainConfig, steps: int) -> None:
        self.bench, self.config, self.net = bench, config, bench.net()
        self.batches = Minibatches(
            bench.part(steps), config, id_dropout=self.net.config.id_dropout, device=bench.device
        )
        self.optimiser = _adamw(self.net, config, bench.device)
        self.take_gradients = train_module.forward_and_backward(
            self.net, self.batches, config, Part()
        )
        self.order_P, self.step = self.batches.order(0), 0

    def __call__(self) -> None:
        place = self.step % self.batches.steps_per_epoch
        self.take_gradients(self.batches.draw(self.order_P, 0, place, Part()))
        self.optimiser.step()
        self.step += 1

    def several(self) -> None:
        for _ in range(self.bench.size.timed_steps):
            self()

    def milliseconds(self) -> float:
        """Time of a step, many in a row, the host ahead of the device."""
        device, count = self.bench.device, self.bench.size.timed_steps
        return milliseconds(self.several, device, min(self.bench.size.repeats, 3)) / count


def floors(bench: Bench, net: TwoTowerNet) -> dict[str, float]:
    """What a step cannot do without: operations, and bytes through the device's memory.

    Operations: the softmax has three products of all searches with their markets' listings;
    each weight of a tower works once for each row, forward, and for the gradients of weights
    and of inputs. Bytes: the batch's and the catalogue's rows once, the optimiser's passes, the
    vectors of both sides and of the histories written and read forward, and their gradients
    backward.
    """
    size = bench.size
    queries, catalogue = bench.data.queries, bench.data.catalogue
    market_S, market_L = queries.market_S[: size.batch], catalogue.market_L[1:]
    pairs = int((np.bincount(market_L, minlength=9)[market_S]).sum())
    per_row = sum(value.nbytes // len(queries) for value in vars(queries).values())
    per_listing = sum(value.nbytes // len(catalogue) for value in vars(catalogue).values())
    dense = {"listing": 0, "query": 0}
    for name, parameter in net.named_parameters():
        if parameter.ndim == 2 and "table" not in name:
            dense[name.split(".")[0]] += parameter.numel()
    weights = sum(parameter.numel() for parameter in net.parameters())
    history = size.batch * size.history * size.dimension
    vectors = (size.batch + size.listings) * size.dimension
    return {
        "softmax_flop": 2.0 * BACK_AND_FORTH * pairs * size.dimension,
        "tower_flop": 2.0
        * BACK_AND_FORTH
        * (size.listings * dense["listing"] + size.batch * dense["query"]),
        "bytes": float(
            size.batch * per_row
            + size.listings * per_listing
            + ADAMW_PASSES * FLOAT32 * weights
            + 2 * 2 * BFLOAT16 * (history + vectors)
        ),
    }


def step_speed(bench: Bench) -> Outcome:
    """Training end to end, all listings in one market: no tile of the softmax is skipped."""
    return _speed(replace(bench, data=bench.in_one_market()))


def two_markets(bench: Bench) -> Outcome:
    """The same log in two markets: half of the pairs are of different markets, and not visited."""
    return _speed(bench)


def _speed(bench: Bench) -> Outcome:
    device, size, config = bench.device, bench.size, bench.config()
    figures: dict[str, Any] = {}
    reset_peak(device)
    train(bench.net(), bench.part(3), config)  # compiles kernels, fills the allocator
    net = bench.net()
    wall = speed.seconds(lambda: train(net, bench.data, config), device)
    figures |= {"seconds": wall, "rows_per_s": len(bench.data.positives) / wall}
    figures["peak_gib"] = peak_gib(device)
    stepper = Stepper(bench, config, 3 * size.timed_steps)
    figures["step_ms"] = stepper.milliseconds()
    figures["phases_ms"] = {
        name: 1e3 * spent
        for name, spent in speed.per_phase(stepper.batches, stepper.net, config).items()
    }
    figures["busy"] = speed.busy_share(stepper.several, device)
    counted, rates = floors(bench, stepper.net), bench.before["ceilings"]
    flop_ms = 1e3 * (counted["softmax_flop"] + counted["tower_flop"]) / rates["flops"]
    bytes_ms = 1e3 * counted["bytes"] / rates["bytes_per_s"]
    figures |= {"floor": counted, "flop_floor_ms": flop_ms, "bytes_floor_ms": bytes_ms}
    phases = ", ".join(f"{name} {spent:.2f}" for name, spent in figures["phases_ms"].items())
    step_ms = figures["step_ms"]
    return (
        f"{figures['rows_per_s']:,.0f} rows/s end to end ({wall:.1f} s); step {step_ms:.2f} ms = "
        f"{size.batch / step_ms * 1e3:,.0f} rows/s, busy {figures['busy']} (launched one by one: "
        f"{phases}); floors {flop_ms:.2f} ms of products ({flop_ms / step_ms:.0%} of the matmul's "
        f"rate), {bytes_ms:.2f} ms of bytes ({bytes_ms / step_ms:.0%} of the copy's); "
        f"peak {figures['peak_gib']:.1f} GiB"
    ), figures


def plain_trainer(bench: Bench) -> Outcome:
    """The trainer that one writes first: same towers, same rows, batch against itself."""
    speed.PLAIN_SECONDS = bench.size.plain_s
    rows = speed.plain_rows_per_second(bench.data, bench.net(), min(bench.size.batch, 1024), 0)
    ours = bench.before["step_speed"]["rows_per_s"]
    text = f"{rows:,.0f} rows/s; ours end to end is {ours / rows:,.1f} times as fast"
    return text, {"rows_per_s": rows, "times": ours / rows}


@contextlib.contextmanager
def sorted_gradients(*, is_on: bool) -> Iterator[None]:
    """Rows taken as torch takes them, whose gradients it sums up by sorting."""
    kept, keptlook_up = model_module.take_rows, model_module.look_up
    if is_on:
        model_module.look_up = lambda table, index: table(index)
        for module in (model_module, train_module):
            module.take_rows = lambda values, place: values[place]  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in (model_module, train_module):
            module.take_rows = kept  # type: ignore[attr-defined]
        model_module.look_up = keptlook_up


def optimisations(bench: Bench) -> Outcome:
    """One change at a time, each on top of the last; all listings in one market."""
    bench = replace(bench, data=bench.in_one_market())
    steps = 3 * bench.size.timed_steps
    before: dict[str, Any] = {"softmax": "chunked", "cuda_graph": False}
    rows: list[tuple[str, dict[str, Any], bool]] = [
        ("chunked softmax, gradients of rows by sorting", before, True),
        ("fused softmax", {"cuda_graph": False}, True),
        ("gradients of rows by atomic adds", {"cuda_graph": False}, False),
    ]
    if bench.device.type == "cuda":
        rows += [
            ("forward and backward as a CUDA graph", {}, False),
            ("towers compiled, static shapes", {"compile_towers": True}, False),
        ]
    figures: dict[str, Any] = {}
    for label, changed, is_sorted in rows:
        try:
            with sorted_gradients(is_on=is_sorted):
                reset_peak(bench.device)
                stepper = Stepper(bench, bench.config(**changed), steps)
                spent = stepper.milliseconds()
                figures[label] = {"ms": spent, "peak_gib": peak_gib(bench.device)}
                del stepper
        except Exception as error:  # noqa: BLE001 - one way that fails must not hide the others
            figures[label] = {"failed": f"{type(error).__name__}: {str(error)[:300]}"}
    texts = [f"{label} {row.get('ms', float('nan')):.2f} ms" for label, row in figures.items()]
    return "; ".join(texts), figures


def sampled_step(bench: Bench) -> Outcome:
    """The sampled softmax, its listings padded to one shape or found by ``unique``."""
    config = bench.config(loss="sampled", uniform_negatives=bench.size.batch)
    figures = {}
    for label, is_static in (("padded", True), ("unique, no graph", False)):
        config = replace(config, cuda_graph=is_static)
        stepper = Stepper(bench, config, 3 * bench.size.timed_steps)
        stepper.batches.has_static_shapes = is_static
        figures[label] = stepper.milliseconds()
    texts = [f"{label} {spent:.2f} ms" for label, spent in figures.items()]
    return f"a step with {2 * bench.size.batch:,} candidates: " + ", ".join(texts), figures


def softmaxes(bench: Bench) -> Outcome:
    """Loss and gradients of the full softmax, by everybody who offers one."""
    size, device = bench.size, bench.device
    problem = Problem.of(size.batch, size.listings, size.dimension, device)
    without_bias = problem.without_bias()
    references = {
        made: _loss_and_grads(made.double(), lambda p: p.ours("chunked", 512))
        for made in (problem, without_bias)
    }
    floor = 6.0 * size.batch * size.listings * size.dimension / bench.before["ceilings"]["flops"]
    figures: dict[str, Any] = {"floor_ms": 1e3 * floor}
    for name, way in softmax_rivals.rivals().items():
        if isinstance(way, str):
            figures[name] = {"not run": way}
            continue
        try:
            reset_peak(device)
            started_with = peak_gib(device)
            asked = without_bias if "no bias" in name else problem
            loss, *grads = _loss_and_grads(asked, way)
            true_loss, *true_grads = references[asked]
            errors = [  # of the vectors alone: not everybody returns the appeal's
                float((g[:, :-1].double() - t[:, :-1]).norm() / t[:, :-1].norm())
                for g, t in zip(grads, true_grads, strict=True)
            ]
            spent = milliseconds(lambda p=asked, w=way: _loss_and_grads(p, w), device, size.repeats)
            figures[name] = {
                "ms": spent,
                "share_of_matmul": 1e3 * floor / spent,
                "loss_error": float(abs(loss - true_loss) / true_loss),
                "grad_errors": errors,
                "more_gib": peak_gib(device) - started_with,
            }
        except Exception as error:  # noqa: BLE001 - one rival that fails must not hide the others
            figures[name] = {"failed": f"{type(error).__name__}: {str(error)[:300]}"}
    for label, masks in (
        ("fused, two markets", {"markets": 2}),
        ("fused, a bound", {"bounds": 1}),
        ("fused, five bounds", {"bounds": 5}),
    ):
        masked = Problem.of(size.batch, size.listings, size.dimension, device, **masks)
        figures[label] = {
            "ms": milliseconds(
                lambda p=masked: _loss_and_grads(p, lambda q: q.ours("fused")), device, size.repeats
            )
        }
    texts = [
        f"{name} {row['ms']:.2f} ms"
        for name, row in figures.items()
        if isinstance(row, dict) and "ms" in row
    ]
    return f"floor {1e3 * floor:.2f} ms; " + ", ".join(texts), figures


def _loss_and_grads(problem: Problem, way: Callable[[Problem], Tensor]) -> list[Tensor]:
    kind, device = problem.query_BW.dtype, problem.query_BW.device.type
    narrow = device == "cuda" and kind == torch.float32
    with torch.autocast(device, torch.bfloat16, enabled=narrow):
        loss = way(problem)
    grads = torch.autograd.grad(loss, problem.leaves())
    return [loss.detach().double(), *grads]


def tune(bench: Bench) -> Outcome:
    """Tiles of the two kernels, timed apart."""
    size, device = bench.size, bench.device
    tiles = (
        Blocks(128, 64, 4, 3),
        Blocks(128, 64, 4, 4),
        Blocks(128, 64, 4, 2),
        Blocks(128, 32, 4, 3),
        Blocks(128, 32, 4, 4),
        Blocks(64, 64, 4, 4),
        Blocks(64, 128, 4, 3),
        Blocks(64, 32, 4, 4),
        Blocks(128, 128, 8, 3),
        Blocks(256, 64, 8, 3),
    )
    if device.type == "cuda":
        _compile_beside_one_another(tiles, size.dimension)
    problem = Problem.of(size.batch, size.listings, size.dimension, device)
    figures: dict[str, Any] = {}
    for tile in tiles if device.type == "cuda" else tiles[:1]:
        try:
            forward, backward = softmax_rivals.fused_halves(problem, (tile, tile))
            figures[str(tile)] = {
                "forward": milliseconds(forward, device, size.repeats),
                "backward": milliseconds(backward, device, size.repeats),
            }
        except Exception as error:  # noqa: BLE001 - a tile that does not fit is an answer
            figures[str(tile)] = {"failed": f"{type(error).__name__}: {str(error)[:200]}"}
    return "; ".join(
        f"{name[6:]} {row.get('forward', 0):.2f}+{row.get('backward', 0):.2f}"
        for name, row in figures.items()
    ), figures


def _compile_beside_one_another(tiles: Sequence[Blocks], width: int) -> None:
    """Leave the kernels of all tiles in Triton's cache, before this process asks for a GPU."""
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_compile_tile, args=(tile, width)) for tile in tiles]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _compile_tile(tile: Blocks, width: int) -> None:
    # sizes that are multiples of 16, as the large ones: Triton compiles those apart
    problem = Problem.of(1024, 1600, width, torch.device("cuda"))
    with contextlib.suppress(Exception):  # a tile that does not fit is reported where it is timed
        for half in softmax_rivals.fused_halves(problem, (tile, tile)):
            half()


def kernels(bench: Bench) -> Outcome:
    """The step's kernels by time; the whole list goes to the log."""
    if bench.device.type != "cuda":
        activity = torch.profiler.ProfilerActivity.CPU
        key = "self_cpu_time_total"
    else:
        activity = torch.profiler.ProfilerActivity.CUDA
        key = "self_device_time_total"
    bench = replace(bench, data=bench.in_one_market())
    stepper = Stepper(bench, bench.config(), 3 * bench.size.timed_steps)
    stepper.several()
    with torch.profiler.profile(activities=[activity]) as profile:
        speed.seconds(stepper.several, bench.device)
    per_step = bench.size.timed_steps
    found = [
        (getattr(event, key) / 1e3 / per_step, event.count / per_step, event.key)
        for event in profile.key_averages()
        if getattr(event, key) > 0
    ]
    found.sort(reverse=True)
    lines = [f"{ms:9.4f} ms {count:6.1f} x  {name[:160]}" for ms, count, name in found]
    (bench.out / "kernels.log").write_text("\n".join(lines) + "\n")
    calls = sum(count for _, count, _ in found)
    top = "; ".join(f"{ms:.2f} ms {name[:40]}" for ms, _, name in found[:8])
    return f"{calls:.0f} kernels a step, {sum(f[0] for f in found):.2f} ms; {top}", {
        "kernels": [{"ms": ms, "calls": count, "name": name[:200]} for ms, count, name in found]
    }


def top_100(bench: Bench) -> Outcome:
    """Exact top-100 of all queries, from host memory to host memory."""
    size, device = bench.size, bench.device
    chance = torch.Generator().manual_seed(0)
    query_QD = torch.randn(size.queries, size.dimension, generator=chance)
    listing_LD = torch.randn(size.listings, size.dimension, generator=chance)

    def retrieved() -> list[Tensor]:
        top = exact_top_k(query_QD.to(device), listing_LD.to(device), 100)
        return [part.cpu() for part in top]

    def on_device() -> None:
        exact_top_k(moved[0], moved[1], 100)

    exact_top_k(query_QD[:5000].to(device), listing_LD.to(device), 100)
    spent = speed.seconds(retrieved, device)
    moved = query_QD.to(device), listing_LD.to(device)
    alone = speed.seconds(on_device, device)
    figures = {"seconds": spent, "seconds_on_device": alone, "queries_per_s": size.queries / spent}
    return (
        f"{size.queries:,} queries x {size.listings:,} listings in {spent:.2f} s, "
        f"{alone:.2f} s of it on the device"
    ), figures


# ---- the runner --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    work: Callable[[Bench], Outcome]
    limit_s: float
    is_usual: bool = True

    @property
    def name(self) -> str:
        return self.work.__name__


STEPS = (
    Step(ceilings, 40),
    Step(gpu_tests, TESTS_S + 15),
    Step(cpu_weights, 40),
    Step(softmaxes, 90),
    Step(tune, 120, is_usual=False),
    Step(step_speed, 60),
    Step(two_markets, 60),
    Step(plain_trainer, 40),
    Step(kernels, 40),
    Step(top_100, 40),
    Step(optimisations, 120),
    Step(sampled_step, 40),
)


def _child(step: Step, bench: Bench, sending: Connection, threads: int) -> None:
    torch.set_num_threads(threads)
    try:
        text, figures = step.work(bench)
        sending.send({"text": text, "figures": figures})
    except BaseException as error:  # noqa: BLE001 - the parent prints it and goes on
        (bench.out / f"{step.name}.error").write_text(traceback.format_exc())
        sending.send({"text": f"FAILED: {type(error).__name__}: {str(error)[:400]}"})
    sending.close()


def run_step(step: Step, bench: Bench, limit_s: float, threads: int) -> dict[str, Any]:
    """The step's outcome from a process of its own, ended at its limit."""
    context = multiprocessing.get_context("fork")  # nothing is imported a second time
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(step, bench, sending, threads))
    started = time.perf_counter()
    process.start()
    sending.close()
    outcome: dict[str, Any] = {"text": f"FAILED: nothing within {limit_s:.0f} s"}
    if receiving.poll(limit_s):
        try:
            outcome = receiving.recv()
        except EOFError:
            process.join(5)
            outcome = {"text": f"FAILED: the process ended with code {process.exitcode}"}
    process.join(0 if "FAILED: nothing" in outcome["text"] else 5)
    if process.is_alive():
        process.kill()
        process.join()
    return outcome | {"seconds": time.perf_counter() - started}


@dataclass(frozen=True)
class Goal:
    """``figure`` of ``step`` is to reach ``wanted``, or where it is a time to stay within it."""

    what: str
    step: str
    figure: tuple[str, ...]
    wanted: float
    is_time: bool = False

    def row(self, outcomes: dict[str, Any], *, is_full_size: bool) -> tuple[str, str, str, str]:
        found: Any = outcomes.get(self.step, {}).get("figures", {})
        for name in self.figure:
            found = found.get(name, {}) if isinstance(found, dict) else {}
        wanted = f"{'within' if self.is_time else 'at least'} {self.wanted:,.10g}"
        if not isinstance(found, float):
            return self.what, wanted, "-", "unmeasured"
        measured = f"{found:,.0f}" if found >= 1000 else f"{found:.3g}"
        if not is_full_size:
            return self.what, wanted, measured, "unmeasured: another size or machine"
        is_met = found <= self.wanted if self.is_time else found >= self.wanted
        return self.what, wanted, measured, "met" if is_met else "missed"


GOALS = (
    Goal("rows a second, end to end", "step_speed", ("rows_per_s",), 2e6),
    Goal("the same, further", "step_speed", ("rows_per_s",), 4e6),
    Goal("times the plain trainer", "plain_trainer", ("times",), 20),
    Goal("softmax, of the matmul's rate", "softmaxes", ("fused, ours", "share_of_matmul"), 0.5),
    Goal("top-100 of all queries, s", "top_100", ("seconds",), 3.0, is_time=True),
)


def table(outcomes: dict[str, Any], *, is_full_size: bool) -> str:
    """The goals, and what each softmax and each change of the step came to."""
    rows = [("goal", "wanted", "measured", "")]
    rows += [goal.row(outcomes, is_full_size=is_full_size) for goal in GOALS]
    for step in ("softmaxes", "optimisations"):
        rows.append(("", "", "", ""))
        rows.append((step, "ms", "GiB", ""))
        for name, row in outcomes.get(step, {}).get("figures", {}).items():
            if isinstance(row, dict):
                memory = row.get("more_gib", row.get("peak_gib", float("nan")))
                missing = row.get("not run") or row.get("failed", "")
                spent = f"{row['ms']:.2f}" if "ms" in row else "-"
                rows.append((name, spent, f"{memory:.2f}", missing[:60]))
    return "\n".join(f"{a:<48}{b:>20}{c:>14}  {d}".rstrip() for a, b, c, d in rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data/home/gpu"))
    parser.add_argument("--within", type=float, default=ALL_IN_S, help="seconds for everything")
    parser.add_argument("--dry-run", action="store_true", help="a thousandth, on the CPU")
    parser.add_argument("--tune", action="store_true", help="try tiles of the kernels as well")
    parser.add_argument("--positives", type=int, help="another size of the log")
    parser.add_argument("--only", nargs="+", choices=[step.name for step in STEPS])
    return parser.parse_args()


def about() -> dict[str, str]:
    import importlib.metadata

    found = {"date": str(date.today()), "torch": torch.__version__}  # noqa: DTZ011
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        found["triton"] = importlib.metadata.version("triton")
    return found


def main() -> int:
    options = arguments()
    started = time.perf_counter()
    # a process that has started torch's threads cannot be forked: they would be missing
    threads = 1 if options.dry_run else torch.get_num_threads()
    torch.set_num_threads(1)
    if options.dry_run:
        import_module("torch._dynamo")  # AdamW needs it, and each step would import it anew
    size = THOUSANDTH if options.dry_run else FULL
    size = replace(size, positives=options.positives or size.positives)
    # asking torch for a GPU here would make the forked steps unable to use it
    device = torch.device("cpu" if options.dry_run else "cuda")
    options.out.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)
    data = speed.made_up(size.positives, size.listings, size.history, seed=0)
    print(f"data of {size.positives:,} rows made in {time.perf_counter() - started:.1f} s")
    outcomes: dict[str, Any] = {"about": about() | {"size": asdict(size)}}
    before: dict[str, dict[str, Any]] = {}
    for step in STEPS:
        if options.only and step.name not in options.only:
            continue
        if not (step.is_usual or options.tune or options.only):
            continue
        left = options.within - (time.perf_counter() - started)
        if left < 5:
            outcomes[step.name] = {"text": "not run: out of time", "seconds": 0.0}
        else:
            bench = Bench(size, data, device, options.out.resolve(), before)
            outcomes[step.name] = run_step(step, bench, min(step.limit_s, left), threads)
        outcome = outcomes[step.name]
        before[step.name] = outcome.get("figures", {})
        print(f"{step.name:<14} {outcome['seconds']:5.1f} s  {outcome['text']}", flush=True)
        (options.out / "gpu.json").write_text(json.dumps(outcomes, indent=1, default=str))
    print()
    print(table(outcomes, is_full_size=size == FULL))
    return 0


if __name__ == "__main__":
    sys.exit(main())
