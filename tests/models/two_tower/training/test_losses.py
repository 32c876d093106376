"""Each loss on a tiny case against the softmax written out in full."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from models.two_tower.training.losses import Candidates, contrast, expected_log_count, journey_loss

TEMPERATURE = 0.5


@pytest.fixture
def vectors() -> tuple[Tensor, Tensor]:
    """Four searches and six listings, float64 so that equal means equal."""
    chance = torch.Generator().manual_seed(0)
    query_BD = torch.randn(4, 3, generator=chance, dtype=torch.float64, requires_grad=True)
    listing_LD = torch.randn(6, 3, generator=chance, dtype=torch.float64, requires_grad=True)
    return query_BD, listing_LD


CHOSEN = torch.tensor([0, 2, 2, 5])
WEIGHT = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)


def written_out(query_BD: Tensor, listing_LD: Tensor) -> Tensor:
    logit_BL = query_BD @ listing_LD.T / TEMPERATURE
    return (WEIGHT * functional.cross_entropy(logit_BL, CHOSEN, reduction="none")).sum()


def contrasted(
    query_BD: Tensor,
    listing_LD: Tensor,
    *,
    drawn: Tensor,
    log_count: Tensor | None = None,
    market_L: Tensor | None = None,
    chunk_rows: int = 3,
) -> Tensor:
    market_L = torch.zeros(6, dtype=torch.int64) if market_L is None else market_L
    count = torch.zeros(len(drawn), dtype=torch.float64) if log_count is None else log_count
    candidates = Candidates(
        vector_CD=listing_LD[drawn], id_C=drawn, market_C=market_L[drawn], log_count_C=count
    )
    positives = {"id": CHOSEN, "market": market_L[CHOSEN], "weight": WEIGHT}
    return contrast(
        query_BD,
        listing_LD[CHOSEN],
        candidates,
        positives,
        temperature=TEMPERATURE,
        chunk_rows=chunk_rows,
    )


def test_every_listing_as_candidate_is_the_full_softmax(vectors: tuple[Tensor, Tensor]) -> None:
    loss = contrasted(*vectors, drawn=torch.arange(6))
    torch.testing.assert_close(loss, written_out(*vectors))


def test_gradients_are_those_of_the_full_softmax(vectors: tuple[Tensor, Tensor]) -> None:
    expected = torch.autograd.grad(written_out(*vectors), vectors)
    gradients = torch.autograd.grad(contrasted(*vectors, drawn=torch.arange(6)), vectors)
    torch.testing.assert_close(gradients, expected)


def test_log_count_is_subtracted(vectors: tuple[Tensor, Tensor]) -> None:
    """Drawn as often as expected, each listing counts once: exactly the full softmax."""
    times = torch.tensor([1, 4, 2, 1, 3, 2])
    drawn = torch.repeat_interleave(torch.arange(6), times)
    log_count = times.double().log()[drawn]
    full = written_out(*vectors)
    torch.testing.assert_close(contrasted(*vectors, drawn=drawn, log_count=log_count), full)
    for wrong in (torch.zeros_like(log_count), -log_count):
        assert contrasted(*vectors, drawn=drawn, log_count=wrong) > full + 0.05


def test_sampled_softmax_approaches_the_full_one_on_average(
    vectors: tuple[Tensor, Tensor],
) -> None:
    chance = torch.Generator().manual_seed(1)
    share_L = torch.tensor([0.4, 0.05, 0.2, 0.1, 0.05, 0.2], dtype=torch.float64)
    drawn = torch.multinomial(share_L, 50_000, replacement=True, generator=chance)
    none = torch.zeros(6, dtype=torch.float64)
    log_count = expected_log_count(drawn, share_L, len(drawn), none)
    loss = contrasted(*vectors, drawn=drawn, log_count=log_count)
    torch.testing.assert_close(loss, written_out(*vectors), rtol=0.01, atol=0.0)


def test_expected_count_adds_batch_and_uniform_draws() -> None:
    share_L, uniform_L = torch.tensor([0.0, 0.25, 0.75]), torch.tensor([0.0, 2.0, 4.0])
    counted = expected_log_count(torch.tensor([1, 2]), share_L, 8, uniform_L)
    torch.testing.assert_close(counted, torch.tensor([4.0, 10.0]).log())


def test_copies_of_the_positive_are_masked(vectors: tuple[Tensor, Tensor]) -> None:
    positive_copies = torch.cat([torch.arange(6), CHOSEN[:1], CHOSEN[:1]])
    only_first_BD = vectors[0][:1]
    candidates = Candidates(
        vector_CD=vectors[1][positive_copies],
        id_C=positive_copies,
        market_C=torch.zeros(8, dtype=torch.int64),
        log_count_C=torch.zeros(8, dtype=torch.float64),
    )
    positives = {
        "id": CHOSEN[:1],
        "market": torch.zeros(1, dtype=torch.int64),
        "weight": torch.ones(1, dtype=torch.float64),
    }
    loss = contrast(
        only_first_BD,
        vectors[1][CHOSEN[:1]],
        candidates,
        positives,
        temperature=TEMPERATURE,
        chunk_rows=8,
    )
    logit = only_first_BD @ vectors[1].T / TEMPERATURE
    torch.testing.assert_close(loss, functional.cross_entropy(logit, CHOSEN[:1]))


def test_listings_of_another_market_take_no_part(vectors: tuple[Tensor, Tensor]) -> None:
    market_L = torch.tensor([0, 1, 0, 1, 0, 0])
    loss = contrasted(*vectors, drawn=torch.arange(6), market_L=market_L)
    here = market_L == 0
    logit = (vectors[0] @ vectors[1].T / TEMPERATURE).masked_fill(~here, float("-inf"))
    expected = (WEIGHT * functional.cross_entropy(logit, CHOSEN, reduction="none")).sum()
    torch.testing.assert_close(loss, expected)


def test_listings_that_a_search_does_not_allow_take_no_part(
    vectors: tuple[Tensor, Tensor],
) -> None:
    allowed_BL = torch.tensor([[1, 1, 0, 1, 0, 1]] * 4, dtype=torch.bool)
    candidates = Candidates(
        vector_CD=vectors[1],
        id_C=torch.arange(6),
        market_C=torch.zeros(6, dtype=torch.int64),
        log_count_C=torch.zeros(6, dtype=torch.float64),
        allowed=lambda part: allowed_BL[part],
    )
    positives = {"id": CHOSEN, "market": torch.zeros(4, dtype=torch.int64), "weight": WEIGHT}
    loss = contrast(
        vectors[0],
        vectors[1][CHOSEN],
        candidates,
        positives,
        temperature=TEMPERATURE,
        chunk_rows=3,
    )
    allowed_BL = allowed_BL | functional.one_hot(CHOSEN, 6).bool()
    logit = (vectors[0] @ vectors[1].T / TEMPERATURE).masked_fill(~allowed_BL, float("-inf"))
    expected = (WEIGHT * functional.cross_entropy(logit, CHOSEN, reduction="none")).sum()
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("chunk_rows", [1, 2, 4, 100])
def test_the_chunks_do_not_change_loss_or_gradient(
    vectors: tuple[Tensor, Tensor], chunk_rows: int
) -> None:
    everything = torch.arange(6)
    whole = contrasted(*vectors, drawn=everything, chunk_rows=4)
    parts = contrasted(*vectors, drawn=everything, chunk_rows=chunk_rows)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(
        torch.autograd.grad(parts, vectors), torch.autograd.grad(whole, vectors)
    )


class LargestTensor(TorchDispatchMode):
    """Records the size of the largest tensor that any operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.numbers = max(self.numbers, result.numel())
        return result


def test_all_logits_never_exist_at_one_time() -> None:
    """512 positives against 600 candidates in chunks of 16: a thirty-second of the logits."""
    chance = torch.Generator().manual_seed(0)
    query_BD = torch.randn(512, 4, generator=chance, requires_grad=True)
    listing_LD = torch.randn(600, 4, generator=chance, requires_grad=True)
    everything, market_L = torch.arange(600), torch.ones(600, dtype=torch.int64)
    candidates = Candidates(
        vector_CD=listing_LD, id_C=everything, market_C=market_L, log_count_C=torch.zeros(600)
    )
    chosen, weight = torch.arange(512), torch.full((512,), 1 / 512)
    positives = {"id": chosen, "market": market_L[:512], "weight": weight}
    with LargestTensor() as largest:
        loss = contrast(
            query_BD,
            listing_LD[:512],
            candidates,
            positives,
            temperature=TEMPERATURE,
            chunk_rows=16,
        )
        loss.backward()
    assert largest.numbers <= 16 * 600
    expected = functional.cross_entropy(query_BD @ listing_LD.T / TEMPERATURE, chosen)
    torch.testing.assert_close(loss, expected)


def test_large_logits_stay_finite() -> None:
    query_BD = torch.full((1, 1), 1e4)
    candidates = Candidates(
        vector_CD=torch.tensor([[1.0], [-1.0]]),
        id_C=torch.tensor([1, 2]),
        market_C=torch.zeros(2, dtype=torch.int64),
        log_count_C=torch.zeros(2),
    )
    positives = {
        "id": torch.tensor([2]),
        "market": torch.zeros(1, dtype=torch.int64),
        "weight": torch.ones(1),
    }
    loss = contrast(
        query_BD, torch.tensor([[-1.0]]), candidates, positives, temperature=1.0, chunk_rows=1
    )
    assert loss.item() == pytest.approx(2e4)


def test_journey_loss_is_a_softmax_over_the_filled_slots(vectors: tuple[Tensor, Tensor]) -> None:
    hard_BH = torch.tensor([[1, 3], [0, 0], [4, 1], [0, 0]])
    is_hard_BH = torch.tensor([[True, True], [False, False], [True, False], [False, False]])
    query_BD, listing_LD = vectors
    loss = journey_loss(
        query_BD,
        listing_LD[CHOSEN],
        listing_LD[hard_BH],
        is_hard_BH,
        WEIGHT,
        temperature=TEMPERATURE,
    )
    logit_BL = query_BD @ listing_LD.T / TEMPERATURE
    first = functional.cross_entropy(logit_BL[0, [0, 1, 3]][None], torch.tensor([0]))
    third = functional.cross_entropy(logit_BL[2, [2, 4]][None], torch.tensor([0]))
    torch.testing.assert_close(loss, WEIGHT[0] * first + WEIGHT[2] * third)
