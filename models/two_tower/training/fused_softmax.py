"""The softmax on a GPU without logits in memory; the kernels are in ``softmax_kernels.py``.

The same loss as ``chunked_softmax.py``. Here both sides are sorted, so that the masks become
ranges, and what is no product is put into columns that are one.

Shapes: B positives, C candidates, W width of the vectors, D the part of it that is a power of
two, A carried columns, N bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

__all__ = ["Blocks", "RankBounds", "fits_kernels", "fused_softmax"]

_LOG2_E = math.log2(math.e)
# The least that the matrix units take.
_CARRIED = 16
_MOST_EXTRA = 3
_WIDEST = 128
# Parts of a bfloat16 sum that come to 24 bits, as float32 has.
_PARTS = 3
# (part of the search's number, part of the candidate's) of the products that are added.
_ALL_PRODUCTS = ((0, 0), (0, 1), (1, 0), (0, 2), (2, 0), (1, 1))
_FEW_PRODUCTS = _ALL_PRODUCTS[:3]
# Keys are market and listing in one integer: a listing index is below this.
_LISTING_BITS = 32
# log2 of a weight of 0: what it weighs is 0 after the exponential.
_NOTHING = -1e30


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
    cols: int = 128
    warps: int = 8
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
    """Forward: the loss, and the searches' gradient. Backward: the candidates'."""

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
        positive_B, weight_B = positive_B[order_B], weight_B[order_B].contiguous()
        sides = _Sides.of(
            scaled_BW[order_B] * _LOG2_E, candidate_CW[order_C], log_count_C[order_C] * -_LOG2_E
        )
        ranked = _sorted_bounds(bounds, order_B, order_C, scaled_BW.device)
        positive2_B = positive_B * _LOG2_E
        log_total_B = torch.empty_like(positive2_B)
        grad_BD = sides.query_BD.new_empty(sides.query_BD.shape, dtype=torch.float32)
        grad_BA = grad_BD.new_empty(len(grad_BD), _CARRIED)
        chosen = blocks or _usual_blocks(sides.query_BD)
        from_queries[(_count(len(grad_BD), chosen[0].rows),)](
            sides.query_BD,
            sides.query_BA,
            sides.candidate_CD,
            sides.candidate_CA,
            ranked.bound_NB,
            ranked.value_NC,
            *_ranges(key_B, key_C),
            positive2_B,
            weight_B,
            log_total_B,
            grad_BD,
            grad_BA,
            len(key_B),
            len(key_C),
            **_constants_of(sides, ranked, chosen[0]),
        )
        sides.carry_totals(torch.log2(weight_B) - log_total_B)
        loss = (weight_B * (log_total_B - positive2_B)).sum() / _LOG2_E
        grad_positive_B = weight_B * (torch.exp2(positive2_B - log_total_B) - 1)
        grad_BW = sides.whole(grad_BD, grad_BA, of_queries=True)
        ctx.save_for_backward(_unsorted(grad_BW, order_B), _unsorted(grad_positive_B, order_B))
        ctx.rest = sides, ranked, chosen[1], (key_B, key_C, order_C)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        from models.two_tower.training.softmax_kernels import from_candidates

        sides, ranked, blocks, (key_B, key_C, order_C) = ctx.rest
        grad_CD = torch.empty_like(sides.candidate_CD, dtype=torch.float32)
        grad_CA = grad_CD.new_empty(len(grad_CD), _CARRIED)
        from_candidates[(_count(len(grad_CD), blocks.rows),)](
            sides.candidate_CD,
            sides.candidate_CA,
            sides.query_BD,
            sides.query_BA,
            ranked.value_NC,
            ranked.bound_NB,
            *_ranges(key_C, key_B),
            grad_CD,
            grad_CA,
            len(key_C),
            len(key_B),
            **_constants_of(sides, ranked, blocks),
        )
        grad_CW = sides.whole(grad_CD, grad_CA, of_queries=False) / _LOG2_E
        query, positive = (grads[0] * saved for saved in ctx.saved_tensors)
        candidate = grads[0] * _unsorted(grad_CW, order_C)
        return query, positive, candidate, None, None, None


@dataclass(frozen=True, kw_only=True)
class _Sides:
    """Searches and candidates as the kernels take them; logits are in powers of two.

    Attributes:
        query_BD, candidate_CD: the part of the vectors that is multiplied.
        query_BA, candidate_CA: carried columns. First the products of each further dimension's
            parts; then 1 on the one side and the parts of a number on the other: the
            candidates' correction, and (from ``carry_totals`` on) the searches' total.
        width: of the vectors as they came.
        extras: further dimensions.
    """

    query_BD: Tensor
    query_BA: Tensor
    candidate_CD: Tensor
    candidate_CA: Tensor
    width: int
    extras: int

    @classmethod
    def of(cls, query_BW: Tensor, candidate_CW: Tensor, correction_C: Tensor) -> _Sides:
        main, extras = _widths(query_BW.shape[1])
        kind = query_BW.dtype
        if torch.is_autocast_enabled(query_BW.device.type):
            kind = torch.get_autocast_dtype(query_BW.device.type)
        products = _products(extras)
        columns: list[tuple[Tensor, Tensor]] = []
        for place in range(main, main + extras):
            query_BP = _parts(query_BW[:, place], kind)
            candidate_CP = _parts(candidate_CW[:, place], kind)
            columns += [(query_BP[q], candidate_CP[c]) for q, c in products]
        one_B = query_BW.new_ones(len(query_BW), dtype=kind)
        one_C = candidate_CW.new_ones(len(candidate_CW), dtype=kind)
        columns += [(one_B, part) for part in _parts(correction_C, kind)]
        columns += [(torch.zeros_like(one_B), one_C)] * _PARTS
        nothing = torch.zeros_like(one_B), torch.zeros_like(one_C)
        columns += [nothing] * (_CARRIED - len(columns))
        return cls(
            query_BD=_padded(query_BW, main, kind),
            query_BA=torch.stack([query for query, _ in columns], dim=1),
            candidate_CD=_padded(candidate_CW, main, kind),
            candidate_CA=torch.stack([candidate for _, candidate in columns], dim=1),
            width=query_BW.shape[1],
            extras=extras,
        )

    def carry_totals(self, log_weight_B: Tensor) -> None:
        """Let each search carry ``log_weight_B``, so that its odds come out weighted."""
        first = self.extras * len(_products(self.extras)) + _PARTS
        # a weight of 0 has log -inf, and -inf less -inf is no number
        parts = _parts(log_weight_B.clamp(min=_NOTHING), self.query_BA.dtype)
        self.query_BA[:, first : first + _PARTS] = torch.stack(parts, dim=1)

    def whole(self, grad_XD: Tensor, grad_XA: Tensor, *, of_queries: bool) -> Tensor:
        """The gradient over the whole width, from those of both kinds of columns."""
        if not self.extras:
            return grad_XD[:, : self.width]
        products = _products(self.extras)
        # of d(sum of parts): the columns in which the own number is whole and the other is in parts
        own = 0 if of_queries else 1
        mine = [place for place, pair in enumerate(products) if pair[own] == 0]
        by_extra_XEP = grad_XA[:, : self.extras * len(products)].unflatten(1, (self.extras, -1))
        return torch.cat([grad_XD, sum(by_extra_XEP[:, :, place] for place in mine)], dim=1)


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
    fits = extras * len(_ALL_PRODUCTS) + 2 * _PARTS <= _CARRIED
    return _ALL_PRODUCTS if fits else _FEW_PRODUCTS


def _parts(values: Tensor, kind: torch.dtype) -> list[Tensor]:
    """Numbers of a narrow type that add up to ``values``.

    >>> [part.item() for part in _parts(torch.tensor(1 + 2**-9), torch.bfloat16)]
    [1.0, 0.001953125, 0.0]
    """
    parts, rest = [], values.float()
    for _ in range(_PARTS):
        parts.append(rest.to(kind))
        rest = rest - parts[-1].float()
    return parts


def _padded(vectors: Tensor, main: int, kind: torch.dtype) -> Tensor:
    wanted = vectors[:, :main].to(kind)
    return torch.nn.functional.pad(wanted, (0, main - wanted.shape[1])).contiguous()


def _sorted(listing: Tensor, market: Tensor) -> tuple[Tensor, Tensor]:
    """Market and listing in one integer, ascending, and the order that makes it so."""
    return torch.sort((market << _LISTING_BITS) | listing, stable=True)


def _unsorted(values: Tensor, order: Tensor) -> Tensor:
    back = torch.empty_like(values)
    back[order] = values
    return back


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


def _constants_of(sides: _Sides, ranked: RankBounds, blocks: Blocks) -> dict[str, Any]:
    return {
        "D": sides.query_BD.shape[1],
        "A": _CARRIED,
        "BOUNDS": len(ranked.bound_NB),
        "ROWS": blocks.rows,
        "COLS": blocks.cols,
        # float32 through the matrix units in three products, where it is float32 at all
        "PRECISION": "tf32x3" if sides.query_BD.dtype == torch.float32 else "tf32",
        "num_warps": blocks.warps,
        "num_stages": blocks.stages,
    }


def _usual_blocks(query_BD: Tensor) -> tuple[Blocks, Blocks]:
    if query_BD.dtype == torch.float32:
        return Blocks(64, 32, 4, 2), Blocks(64, 32, 4, 2)
    if query_BD.shape[1] > 64:
        return Blocks(128, 64, 8, 3), Blocks(128, 64, 8, 3)
    return Blocks(), Blocks()
