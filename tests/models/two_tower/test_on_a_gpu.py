"""What training and retrieval promise on a GPU; without one the same promises on the CPU.

``benchmarks/gpu.sh`` runs this file. Float sums on a GPU have no fixed order (rows' gradients
are added by atomics), so there "the same" is a tolerance; on a CPU it is to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.exact_search import exact_top_k, grouped_top_k
from models.two_tower.inputs.encoder import Encoder, sorted_rows
from models.two_tower.inputs.guest_history import GuestEvents, events_of
from models.two_tower.inputs.training_set import TrainingSet, encode_log
from models.two_tower.model import InputShape, TwoTowerNet, _TakeRows, take_rows
from models.two_tower.recommender import TwoTower
from models.two_tower.training import fused_softmax
from models.two_tower.training.loss_monitor import StepReport
from models.two_tower.training.minibatches import Minibatches, Part
from models.two_tower.training.train import batch_loss, train

HAS_GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if HAS_GPU else "cpu")
# Share of the loss by which two runs of the same training may differ.
CURVE = 2e-3 if HAS_GPU else 0.0

World = Callable[..., pa.Table]


@pytest.fixture
def settings(training: TrainConfig) -> TrainConfig:
    return replace(training, autocast=False, epochs=3, check_every=2)


@pytest.fixture(scope="module")
def encoded(world: World, towers: TowerConfig, training: TrainConfig) -> TrainingSet:
    rows = sorted_rows(world(searches=120))
    encoder = Encoder.fit(rows, towers, guest_ids=False)
    events = GuestEvents.of(events_of(rows), encoder.listings)
    return encode_log(rows, encoder, events, training)


def net_for(data: TrainingSet, towers: TowerConfig) -> TwoTowerNet:
    torch.manual_seed(0)
    shape = InputShape(
        listings=len(data.catalogue),
        guests=1,
        markets=int(data.catalogue.market_L.max()) + 1,
        query_width=data.queries.dense_SF.shape[1],
        listing_width=data.catalogue.dense_LF.shape[1],
        categories=tuple(int(c) + 1 for c in data.catalogue.category_LK.max(axis=0)),
    )
    return TwoTowerNet(shape, towers).to(DEVICE)


def assert_same_curve(one: list[float], other: list[float]) -> None:
    assert len(one) == len(other)
    assert one == pytest.approx(other, rel=CURVE, abs=0.0)


@pytest.mark.skipif(not HAS_GPU, reason="needs a GPU; to the bit on a CPU: test_train.py")
@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_a_killed_run_resumes_to_the_same_curve(
    world: World, towers: TowerConfig, settings: TrainConfig, tmp_path: Path, loss: str
) -> None:
    log = world(searches=100)
    config = replace(settings, loss=loss, checkpoint_every=2)
    whole = TwoTower(towers, config).fit(log, log.slice(0, 0))

    def kill(report: StepReport) -> None:
        if report.step >= 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TwoTower(towers, config).fit(log, log.slice(0, 0), checkpoint=tmp_path / "c", report=kill)
    resumed = TwoTower(towers, config).fit(log, log.slice(0, 0), checkpoint=tmp_path / "c")
    assert_same_curve(resumed.trained.losses, whole.trained.losses)


def test_streamed_searches_train_to_the_curve_of_resident_ones(
    encoded: TrainingSet, towers: TowerConfig, settings: TrainConfig
) -> None:
    resident = train(net_for(encoded, towers), encoded, settings)
    streaming = replace(settings, resident_bytes=0, chunk_steps=2)
    streamed = train(net_for(encoded, towers), encoded, streaming)
    assert_same_curve(streamed.losses, resident.losses)


@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_one_shape_for_all_steps_gives_the_loss_and_gradients_of_any_shape(
    encoded: TrainingSet, towers: TowerConfig, settings: TrainConfig, loss: str
) -> None:
    """Listings padded behind the last one touched, as on a GPU, or found by ``unique``."""
    config = replace(settings, loss=loss, hard_weight=0.5)
    found = []
    for is_static in (True, False):
        net = net_for(encoded, towers)
        batches = Minibatches(encoded, config, id_dropout=0.3, device=DEVICE)
        batches.has_static_shapes = is_static
        batch = batches.draw(batches.order(0), 0, 1, Part())
        value = batch_loss(net, batch, batches, config, towers)
        value.backward()
        weights = dict(net.named_parameters())
        found.append([value.detach(), *(weights[n].grad for n in sorted(weights))])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_fused_softmax_allows_what_the_mask_allows(
    world: World, towers: TowerConfig, settings: TrainConfig
) -> None:
    """Ranks of capacity, nights and so on, listing by listing, against the bounds themselves."""
    log = world(searches=120)
    rng = np.random.default_rng(0)
    number = len(log)
    columns = {
        "query_price_max": rng.choice([120.0, 200.0, np.nan], number),
        "query_price_min": rng.choice([100.0, 150.0, np.nan], number),
        "listing_minimum_nights": rng.integers(1, 4, number).astype(float),
    }
    for name, values in columns.items():
        log = log.append_column(name, pa.array(values, from_pandas=True))
    rows = sorted_rows(log)
    encoder = Encoder.fit(rows, towers, guest_ids=False)
    data = encode_log(rows, encoder, GuestEvents.of(events_of(rows), encoder.listings), settings)
    ranked = data.bounds.ranks()
    assert ranked is not None
    assert len(ranked.value_NL) >= 4
    batches = Minibatches(data, settings, id_dropout=0.0, device=torch.device("cpu"))
    batches.ranked = ranked
    batch = batches.draw(batches.order(0), 0, 0, Part())
    ranks = batches.ranks(batch)
    assert ranks is not None
    by_rank_BC = (ranks.value_NC[:, None, :] >= ranks.bound_NB[:, :, None]).all(dim=0)
    mask_BC = data.bounds(batch.search_B, batch.candidate_id_C)
    here_BC = batch.positives["market"][:, None] == batch.candidate_market_C
    assert torch.equal(by_rank_BC & here_BC, mask_BC & here_BC)
    assert 0.05 < float((mask_BC & here_BC).sum() / here_BC.sum()) < 0.95


def test_a_search_of_another_market_than_its_listing_allows_none_of_it() -> None:
    from models.two_tower.inputs.eligibility import Eligibility

    bounds = Eligibility.of(
        pa.table({"market": ["rio", "rio", None], "query_num_guests": [1, 1, 1]}),
        pa.table({"market": ["rio", "sao", "sao"], "listing_person_capacity": [2, 2, None]}),
    )
    ranked = bounds.ranks()
    assert ranked is not None
    # the first search chose in its own market, the second and third in the other
    search, chosen, of_sao = torch.tensor([0, 1, 2]), torch.tensor([0, 1, 1]), torch.tensor([1, 2])
    bound_NB, value_NC = ranked.between(search, chosen, of_sao)
    allowed = (value_NC[:, None] >= bound_NB[:, :, None]).all(dim=0)
    assert allowed[1:].tolist() == [[False, False], [True, True]]


def test_exact_top_k_on_the_device_is_that_of_the_cpu() -> None:
    """Whole numbers: every product is exact in float32, whoever adds it up."""
    chance = torch.Generator().manual_seed(0)
    query_QD = torch.randint(-50, 51, (300, 16), generator=chance).float()
    listing_LD = torch.randint(-50, 51, (7_001, 16), generator=chance).float()
    scores, places = exact_top_k(query_QD.to(DEVICE), listing_LD.to(DEVICE), 100)
    expected = torch.topk(query_QD @ listing_LD.T, 100, dim=1).values
    assert torch.equal(scores.cpu(), expected)
    # listings of one score may come in any order, but each is there once and has that score
    again = (query_QD[:, None] * listing_LD[places.cpu()]).sum(dim=2)
    assert torch.equal(again, expected)
    assert all(len(row.unique()) == 100 for row in places)


@pytest.mark.parametrize("listings", [31, 64, 320, 333, 1000])
def test_top_k_of_groups_is_top_k(listings: int) -> None:
    chance = torch.Generator().manual_seed(listings)
    score_QL = torch.randn(9, listings, generator=chance).to(DEVICE)
    score_QL[:, ::3] = float("-inf")  # what a search does not allow
    score_QL[0] = float("-inf")
    found, expected = grouped_top_k(score_QL, 6), torch.topk(score_QL, 6, dim=1)
    assert torch.equal(found[0], expected.values)
    assert torch.equal(found[1][1:], expected.indices[1:])


@pytest.mark.parametrize("rows", [5, 100])
def test_rows_taken_several_times_add_up_their_gradients(rows: int) -> None:
    """Of a few rows by a product, of many by adding in place; ``take_rows`` on either device."""
    values = torch.randn(rows, 3, device=DEVICE, requires_grad=True)
    place = torch.tensor([[0, 4, 4], [2, 4, 0]], device=DEVICE)
    weight = torch.randn(2, 3, 3, device=DEVICE)
    (expected,) = torch.autograd.grad((values[place] * weight).sum(), values)
    for taken in (take_rows(values, place), _TakeRows.apply(values, place)):
        (gradient,) = torch.autograd.grad((taken * weight).sum(), values)
        torch.testing.assert_close(gradient, expected)


class Waits(TorchDispatchMode):
    """Counts the operations for which a host would have to wait for its GPU."""

    NAMES = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "_unique2", "item")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = func.overloadpacket.__name__
        by_mask = name in {"index", "index_put", "index_put_"} and any(
            isinstance(i, Tensor) and i.dtype == torch.bool for i in args[1] if i is not None
        )
        # a Python number is a tensor on the host, which is copied over
        is_number = name == "index_put_" and args[2].ndim == 0
        if by_mask or is_number or name in self.NAMES:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_no_operation_of_a_step_makes_the_host_wait(
    encoded: TrainingSet, towers: TowerConfig, settings: TrainConfig, loss: str
) -> None:
    config = replace(settings, loss=loss, hard_weight=0.5, softmax="chunked", eligible_only=False)
    net = net_for(encoded, towers)
    batches = Minibatches(encoded, config, id_dropout=0.3, device=DEVICE)
    batches.has_static_shapes = True
    order_P = batches.order(0)
    with Waits() as waits:
        batch = batches.draw(order_P, 0, 0, Part())
        batch_loss(net, batch, batches, config, towers).backward()
    assert waits.found == []
    batches.has_static_shapes = False
    with Waits() as waits:  # and the check sees what it is for
        batches.draw(order_P, 0, 0, Part())
    assert waits.found == ([] if loss == "full" else ["_unique2"])


class _NoKernel:
    """Takes a kernel's place: its launch computes nothing."""

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return self.launch

    def launch(self, *arguments: object, **constants: object) -> None:
        pass


def test_the_fused_softmax_makes_the_host_wait_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernels = import_module("models.two_tower.training.softmax_kernels")
    for name in ("lay_out", "from_queries", "from_candidates"):
        monkeypatch.setattr(kernels, name, _NoKernel())
    query, positive, candidate = (
        torch.randn(*shape, device=DEVICE, requires_grad=True) for shape in ((6, 17), (6,), (9, 17))
    )
    ids, markets = torch.arange(9, device=DEVICE), torch.ones(9, dtype=torch.int64, device=DEVICE)
    weight = torch.ones(6, device=DEVICE)
    constants = (ids[:6], markets[:6], weight, ids, markets, torch.zeros(9, device=DEVICE))
    with Waits() as waits:
        fused_softmax.fused_softmax(query, positive, candidate, constants, None).backward()
    assert waits.found == []


@pytest.mark.skipif(not HAS_GPU, reason="needs a GPU")
@pytest.mark.parametrize("loss", ["full", "sampled"])
@pytest.mark.parametrize("resident_bytes", [None, 0])
def test_no_step_of_an_epoch_waits_for_the_gpu(
    encoded: TrainingSet,
    towers: TowerConfig,
    settings: TrainConfig,
    loss: str,
    resident_bytes: int | None,
) -> None:
    """The steps of ``train``, once it has begun and until the epoch's last loss is read."""
    config = replace(
        settings, loss=loss, epochs=1, batch_size=16, autocast=True, resident_bytes=resident_bytes
    )
    kept = Minibatches.draw
    modes: list[str] = []

    def draw(batches: Minibatches, order: Tensor, epoch: int, step: int, part: Part) -> object:
        is_last = step == batches.steps_per_epoch - 1
        mode = "default" if step == 0 or is_last else "error"
        modes.append(mode)
        torch.cuda.set_sync_debug_mode(mode)
        return kept(batches, order, epoch, step, part)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Minibatches, "draw", draw)
        try:
            train(net_for(encoded, towers), encoded, config)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert modes.count("error") > 10


@pytest.mark.skipif(not HAS_GPU, reason="needs a GPU")
@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_bfloat16_training_ends_near_float32_training(
    encoded: TrainingSet, towers: TowerConfig, settings: TrainConfig, loss: str
) -> None:
    config = replace(settings, loss=loss, epochs=8)
    wide = train(net_for(encoded, towers), encoded, config).losses
    narrow = train(net_for(encoded, towers), encoded, replace(config, autocast=True)).losses
    assert np.mean(narrow[-5:]) == pytest.approx(np.mean(wide[-5:]), rel=0.02)


@pytest.mark.skipif(not HAS_GPU, reason="needs a GPU")
@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_compiled_towers_train_to_the_same_curve(
    encoded: TrainingSet, towers: TowerConfig, settings: TrainConfig, loss: str
) -> None:
    config = replace(settings, loss=loss, epochs=1)
    plain = train(net_for(encoded, towers), encoded, config).losses
    compiled = train(net_for(encoded, towers), encoded, replace(config, compile_towers=True)).losses
    assert compiled == pytest.approx(plain, rel=1e-2)
