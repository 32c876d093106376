"""The softmax on a GPU without logits in memory; the kernels are in ``softmax_kernels.py``.

The same loss as ``chunked_softmax.py``. Here both sides are sorted, so that the masks become
ranges; ``softmax_kernels.py`` says what is done with them.

Shapes: B positives, C candidates, W width of the vectors, D the part of it that is a power of
two, A carried columns, N bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Self

import torch
from torch import Tensor

__all__ = ["Blocks", "RankBounds", "fits_kernels", "fused_softmax"]

_LOG2_E = math.log2(math.e)
# The least that the matrix units take.
_CARRIED = 16
_MOST_EXTRA = 3
_WIDEST = 128
# Three bfloat16 parts of a number come to 24 bits, as float32 has. The candidates' correction
# and the searches' total take three columns each.
_OTHER_COLUMNS = 6
# (part of the search's number, part of the candidate's) of the products that are added.
_ALL_PRODUCTS = ((0, 0), (0, 1), (1, 0), (0, 2), (2, 0), (1, 1))
_FEW_PRODUCTS = _ALL_PRODUCTS[:3]
# Keys are market and listing in one integer: a listing index is below this.
_LISTING_BITS = 32
# Rows that are laid out together.
_LAID_OUT = 32


@dataclass(frozen=True, kw_only=True)
class RankBounds:
    """Bounds as integers: a candidate is allowed where each value reaches its bound.

    Attributes:
        bound_NB: of each search; int32.
        value_NC: of each candidate; int32.
    """

    bound_NB: Tensor
    value_NC: Tensor


@dataclass(frozen=True)
class Blocks:
    """Sizes of a kernel's tile, and how many warps and stages of loads work on it."""

    rows: int = 128
    cols: int = 64
    warps: int = 4
    stages: int = 3


def fits_kernels(vectors: Tensor) -> bool:
    """Whether the kernels can run on vectors of this device, width and type."""
    return (
        vectors.is_cuda
        and vectors.dtype == torch.float32
        and sum(_widths(vectors.shape[1])) <= _WIDEST + _MOST_EXTRA
        and find_spec("triton") is not None
    )


def fused_softmax(
    scaled_BW: Tensor,
    positive_B: Tensor,
    candidate_CW: Tensor,
    constants: tuple[Tensor, ...],
    bounds: RankBounds | None,
    *,
    blocks: tuple[Blocks, Blocks] | None = None,
) -> Tensor:
    """As ``chunked_softmax``; under autocast the products are bfloat16, all sums float32.

    Args:
        scaled_BW: vectors of the searches over the temperature.
        positive_B: logit of each search's positive.
        candidate_CW: vectors of the candidates.
        constants: of the positives listing index, market and weight; of the candidates listing
            index, market and log of the expected draws.
        bounds: which candidates each search allows; ``None`` = all.
        blocks: of the two kernels, where others than the usual are tried.
    """
    loss: Tensor = _FusedSoftmax.apply(  # type: ignore[no-untyped-call]
        scaled_BW, positive_B, candidate_CW, constants, bounds, blocks
    )
    return loss


class _FusedSoftmax(torch.autograd.Function):
    """Forward: the loss, and the gradient of searches and positives. Backward: the candidates'."""

    @staticmethod
    def forward(
        ctx: Any,
        scaled_BW: Tensor,
        positive_B: Tensor,
        candidate_CW: Tensor,
        constants: tuple[Tensor, ...],
        bounds: RankBounds | None,
        blocks: tuple[Blocks, Blocks] | None,
    ) -> Tensor:
        from models.two_tower.training.softmax_kernels import from_queries

        id_B, market_B, weight_B, id_C, market_C, log_count_C = constants
        (key_B, order_B), (key_C, order_C) = _sorted(id_B, market_B), _sorted(id_C, market_C)
        queries = _Side.of(scaled_BW, order_B, positive_B, is_candidate=False)
        candidates = _Side.of(candidate_CW, order_C, log_count_C, is_candidate=True)
        ranked = _sorted_bounds(bounds, order_B, order_C, scaled_BW.device)
        # by the inequality of Cauchy and Schwarz
        longest = candidates.length_X.amax()
        ceiling_B = queries.length_X * longest - _LOG2_E * log_count_C.amin()
        loss_B, grad_positive_B = torch.empty_like(positive_B), torch.empty_like(positive_B)
        grad_BW = torch.empty_like(scaled_BW, memory_format=torch.contiguous_format)
        first, second = blocks or _usual_blocks(queries.main_XD)
        from_queries[(_count(len(key_B), first.rows),)](
            queries.main_XD,
            queries.carried_XA,
            candidates.main_XD,
            candidates.carried_XA,
            ranked.bound_NB,
            ranked.value_NC,
            *_ranges(key_B, key_C),
            order_B,
            positive_B.contiguous(),
            weight_B.contiguous(),
            ceiling_B,
            loss_B,
            grad_positive_B,
            grad_BW,
            len(key_B),
            len(key_C),
            scaled_BW.shape[1],
            **_constants_of(queries, ranked, first),
        )
        ctx.save_for_backward(grad_BW, grad_positive_B)
        ctx.rest = queries, candidates, ranked, second, (key_B, key_C, order_C)
        return loss_B.sum()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        from models.two_tower.training.softmax_kernels import from_candidates

        queries, candidates, ranked, blocks, (key_B, key_C, order_C) = ctx.rest
        grad_CW = candidates.carried_XA.new_empty(
            (len(key_C), candidates.width), dtype=torch.float32
        )
        from_candidates[(_count(len(key_C), blocks.rows),)](
            candidates.main_XD,
            candidates.carried_XA,
            queries.main_XD,
            queries.carried_XA,
            ranked.value_NC,
            ranked.bound_NB,
            *_ranges(key_C, key_B),
            order_C,
            grads[0].contiguous(),
            grad_CW,
            len(key_C),
            len(key_B),
            candidates.width,
            **_constants_of(candidates, ranked, blocks),
        )
        query, positive = (grads[0] * saved for saved in ctx.saved_tensors)
        return query, positive, grad_CW, None, None, None


@dataclass(frozen=True, kw_only=True)
class _Side:
    """Searches or candidates as the kernels read them, in order.

    Attributes:
        main_XD: the columns that are multiplied, zeros behind the last.
        carried_XA: what is added to a product.
        length_X: of the vectors.
        width: of the vectors.
        parts: which part of a further dimension stands in which column, two bits each.
    """

    main_XD: Tensor
    carried_XA: Tensor
    length_X: Tensor
    width: int
    parts: int

    @classmethod
    def of(
        cls, vector_XW: Tensor, order_X: Tensor, subtracted_X: Tensor, *, is_candidate: bool
    ) -> Self:
        """Rows of ``vector_XW`` in order; ``subtracted_X`` is taken off the logits of each."""
        from models.two_tower.training.softmax_kernels import lay_out

        width, count = vector_XW.shape[1], len(vector_XW)
        main, extras = _widths(width)
        products = _products(extras)
        kind, device = vector_XW.dtype, vector_XW.device
        if torch.is_autocast_enabled(device.type):
            kind = torch.get_autocast_dtype(device.type)
        side = cls(
            main_XD=torch.empty((count, main), dtype=kind, device=device),
            carried_XA=torch.empty((count, _CARRIED), dtype=kind, device=device),
            length_X=torch.empty(count, device=device),
            width=width,
            parts=sum(pair[is_candidate] << (2 * place) for place, pair in enumerate(products)),
        )
        lay_out[(_count(count, _LAID_OUT),)](
            vector_XW.contiguous(),
            order_X,
            subtracted_X.contiguous(),
            side.main_XD,
            side.carried_XA,
            side.length_X,
            count,
            width,
            1.0 if is_candidate else _LOG2_E,
            D=main,
            A=_CARRIED,
            EXTRAS=extras,
            PRODUCTS=len(products),
            PART=side.parts,
            IS_CANDIDATE=int(is_candidate),
            ROWS=_LAID_OUT,
        )
        return side


def _widths(width: int) -> tuple[int, int]:
    """Columns that are multiplied (a power of two, zeros at the end) and further ones.

    >>> _widths(65), _widths(35), _widths(49), _widths(9)
    ((64, 1), (32, 3), (64, 0), (16, 0))
    """
    main = 1 << (width.bit_length() - 1)
    if main >= _CARRIED and width - main <= _MOST_EXTRA:
        return main, width - main
    return max(_CARRIED, 1 << (width - 1).bit_length()), 0


def _products(extras: int) -> tuple[tuple[int, int], ...]:
    """Which products of parts stand for a product of two further dimensions."""
    fits = extras * len(_ALL_PRODUCTS) + _OTHER_COLUMNS <= _CARRIED
    return _ALL_PRODUCTS if fits else _FEW_PRODUCTS


def _sorted(listing: Tensor, market: Tensor) -> tuple[Tensor, Tensor]:
    """Market and listing in one integer, ascending, and the order that makes it so."""
    return torch.sort((market << _LISTING_BITS) | listing, stable=True)


def _ranges(key_X: Tensor, key_Y: Tensor) -> tuple[Tensor, ...]:
    """Where X's market begins and ends in Y, and where X's own listing does; int32.

    >>> key_X, key_Y = torch.tensor([(1 << 32) | 7]), torch.tensor([3, (1 << 32) | 7, 1 << 33])
    >>> [place.item() for place in _ranges(key_X, key_Y)]
    [1, 2, 1, 2]
    """
    market_X = key_X >> _LISTING_BITS
    wanted = (market_X << _LISTING_BITS, (market_X + 1) << _LISTING_BITS, key_X, key_X + 1)
    return torch.searchsorted(key_Y, torch.stack(wanted), out_int32=True).unbind()


def _sorted_bounds(
    bounds: RankBounds | None, order_B: Tensor, order_C: Tensor, device: torch.device
) -> RankBounds:
    if bounds is None:
        nothing = torch.zeros((0, 1), dtype=torch.int32, device=device)
        return RankBounds(bound_NB=nothing, value_NC=nothing)
    return RankBounds(
        bound_NB=bounds.bound_NB[:, order_B].contiguous(),
        value_NC=bounds.value_NC[:, order_C].contiguous(),
    )


def _count(rows: int, block: int) -> int:
    return -(-rows // block)


def _constants_of(side: _Side, ranked: RankBounds, blocks: Blocks) -> dict[str, Any]:
    main, extras = _widths(side.width)
    return {
        "D": main,
        "A": _CARRIED,
        "BOUNDS": len(ranked.bound_NB),
        "EXTRAS": extras,
        "PRODUCTS": len(_products(extras)),
        "PART": side.parts,
        "ROWS": blocks.rows,
        "COLS": blocks.cols,
        # float32 goes through the matrix units in three products
        "PRECISION": "tf32x3" if side.main_XD.dtype == torch.float32 else "tf32",
        "num_warps": blocks.warps,
        "num_stages": blocks.stages,
    }


def _usual_blocks(main_XD: Tensor) -> tuple[Blocks, Blocks]:
    if main_XD.dtype == torch.float32:
        return Blocks(64, 32, 4, 2), Blocks(64, 32, 4, 2)
    if main_XD.shape[1] > 64:
        return Blocks(64, 64, 4, 3), Blocks(64, 64, 4, 3)
    return Blocks(), Blocks()
