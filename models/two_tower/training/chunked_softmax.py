"""The softmax in plain PyTorch, chunk by chunk: the reference, and what runs on a CPU.

Shapes: B positives, C candidates, R positives of a chunk, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from models.two_tower.cpu_threads import every_thread

__all__ = ["chunked_softmax"]


class _ChunkedSoftmax(torch.autograd.Function):
    """Loss and gradients in one pass over chunks of queries.

    The gradients are made where the logits are, so that only ``(chunk, C)`` logits exist
    at one time, whatever B is, and nothing is computed twice.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query_BD: Tensor,
        positive_B: Tensor,
        candidate_CD: Tensor,
        constants: tuple[Tensor, ...],
        allowed: Callable[[slice], Tensor] | None,
        chunk_rows: int,
    ) -> Tensor:
        id_B, market_B, weight_B, id_C, market_C, log_count_C = constants
        grad_query_BD = torch.empty_like(query_BD)
        grad_positive_B = torch.empty_like(positive_B)
        grad_candidate_CD = torch.zeros_like(candidate_CD)
        loss = query_BD.new_zeros(())
        for start in range(0, len(query_BD), chunk_rows):
            part = slice(start, start + chunk_rows)
            # logits and logQ correction in one product
            logit_RC = torch.addmm(-log_count_C, query_BD[part], candidate_CD.T)
            logit_RC = logit_RC.to(positive_B.dtype)
            # a row's sum and maximum are one thread's; the products before and after are not
            with every_thread():
                masked_RC = market_B[part, None] != market_C
                if allowed is not None:
                    masked_RC |= ~allowed(part)
                # false negatives: other searches of the batch, or a uniform draw, bring this
                # positive's own listing in as a candidate
                masked_RC |= id_B[part, None] == id_C
                logit_RC.masked_fill_(masked_RC, float("-inf"))
                # in place from here on: each pass over (R, C) costs as much as a product
                # the largest logit is taken off before exp, or exp overflows; the positive
                # belongs to it, since a row may have every candidate masked
                peak_R = torch.maximum(logit_RC.amax(dim=1), positive_B[part])
                odds_RC = logit_RC.sub_(peak_R[:, None]).exp_()
                positive_odds_R = torch.exp(positive_B[part] - peak_R)
                total_R = odds_RC.sum(dim=1) + positive_odds_R
            loss = loss + (weight_B[part] * (total_R.log() + peak_R - positive_B[part])).sum()
            # d loss / d logit_c = weight x softmax_c, and softmax_c = odds_c / total
            scale_R = weight_B[part] / total_R
            grad_query_BD[part] = (odds_RC @ candidate_CD) * scale_R[:, None]
            grad_candidate_CD += odds_RC.T @ (query_BD[part] * scale_R[:, None])
            grad_positive_B[part] = weight_B[part] * (positive_odds_R / total_R - 1)
        ctx.save_for_backward(grad_query_BD, grad_positive_B, grad_candidate_CD)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        # The forward pass stored the gradients of a scalar: the chain rule is one factor.
        # Constants, mask and chunk size have no gradient.
        query, positive, candidate = (grads[0] * saved for saved in ctx.saved_tensors)
        return query, positive, candidate, None, None, None


def chunked_softmax(
    scaled_BD: Tensor,
    positive_B: Tensor,
    candidate_CD: Tensor,
    constants: tuple[Tensor, ...],
    allowed: Callable[[slice], Tensor] | None,
    chunk_rows: int,
) -> Tensor:
    """The loss of ``losses.py``, ``chunk_rows`` searches at a time; a scalar.

    Args:
        scaled_BD: vectors of the searches over the temperature.
        positive_B: logit of each search's positive.
        candidate_CD: vectors of the candidates.
        constants: of the positives listing index, market and weight; of the candidates listing
            index, market and log of the expected draws.
        allowed: mask of the candidates of a slice of searches; ``None`` = all.
        chunk_rows: searches whose logits exist at one time.
    """
    loss: Tensor = _ChunkedSoftmax.apply(  # type: ignore[no-untyped-call]
        scaled_BD, positive_B, candidate_CD, constants, allowed, chunk_rows
    )
    return loss
