"""The fused softmax as two Triton kernels: no logits in memory, the masks made in the tile.

``from_queries`` takes a block of searches past the candidates: it sums up the softmax as it goes
(largest logit so far, sum so far) and with the same logits the gradient of the searches, which
is a mean of candidates. ``from_candidates`` takes a block of candidates past the searches,
makes the logits a second time and sums up the gradient of the candidates.

Both sides come sorted by market and listing (``fused_softmax.py`` sorts them). What a row is
compared with is then one range of the other side (its market) without a shorter one (copies
of its positive). Tiles that no row's range begins or ends in need no mask; tiles outside every
range are not visited.

Sixteen *carried* columns beside the vectors hold what is added to a product: the appeal, the
logQ correction, and for the second kernel the log of the sum. Each of these is spread over
several bfloat16 columns, so that the matrix units add it in full precision.

All logits are in powers of two, and float32. Imports triton: only ``fused_softmax.py`` may
import this file, and only where it is used.
"""
# mypy: disable-error-code="no-untyped-def,misc"
# Triton reads these functions, Python never runs them: parameters are pointers and constants
# ruff: noqa: PLR0913

import triton
import triton.language as tl

__all__ = ["from_candidates", "from_queries"]


@triton.jit
def _tiles(START, END, SAME_START, SAME_END, first, last, BLOCK: tl.constexpr):
    """The tiles that rows ``first`` to ``last`` visit, and those of them that need no mask.

    Returns six tile numbers: visited are ``from_`` to ``to``; without mask ``plain_from`` to
    ``plain_to``, except ``same_from`` to ``same_to``.
    """
    from_ = tl.load(START + first) // BLOCK
    to = tl.cdiv(tl.load(END + last), BLOCK)
    plain_from = tl.cdiv(tl.load(START + last), BLOCK)
    plain_to = tl.load(END + first) // BLOCK
    is_any = plain_to > plain_from
    plain_from = tl.where(is_any, plain_from, from_)
    plain_to = tl.where(is_any, plain_to, from_)
    same_from = tl.load(SAME_START + first) // BLOCK
    same_from = tl.minimum(tl.maximum(same_from, plain_from), plain_to)
    same_to = tl.cdiv(tl.load(SAME_END + last), BLOCK)
    same_to = tl.minimum(tl.maximum(same_to, same_from), plain_to)
    return from_, to, plain_from, plain_to, same_from, same_to


@triton.jit
def _logits(row_RD, row_RA, col_ND, col_NA, PRECISION: tl.constexpr):
    """Product of the vectors, plus that of the carried columns."""
    logit_RN = tl.dot(row_RD, tl.trans(col_ND), input_precision=PRECISION)
    return tl.dot(row_RA, tl.trans(col_NA), acc=logit_RN, input_precision=PRECISION)


@triton.jit
def _out_of_range(logit_RN, col_N, start_R, end_R, same_start_R, same_end_R):
    """-inf where a column is outside the row's range, or a copy of the row's positive."""
    inside_RN = (col_N[None, :] >= start_R[:, None]) & (col_N[None, :] < end_R[:, None])
    same_RN = (col_N[None, :] >= same_start_R[:, None]) & (col_N[None, :] < same_end_R[:, None])
    return tl.where(inside_RN & (same_RN == 0), logit_RN, float("-inf"))


@triton.jit
def _online(logit_RN, col_ND, col_NA, peak_R, total_R, grad_RD, grad_RA, PRECISION: tl.constexpr):
    """Add a tile to the running softmax and to the sums that it weighs."""
    new_peak_R = tl.maximum(peak_R, tl.max(logit_RN, 1))
    shrink_R = tl.exp2(peak_R - new_peak_R)
    odds_RN = tl.exp2(logit_RN - new_peak_R[:, None])
    total_R = total_R * shrink_R + tl.sum(odds_RN, 1)
    odds_RN = odds_RN.to(col_ND.dtype)
    grad_RD = tl.dot(odds_RN, col_ND, acc=grad_RD * shrink_R[:, None], input_precision=PRECISION)
    grad_RA = tl.dot(odds_RN, col_NA, acc=grad_RA * shrink_R[:, None], input_precision=PRECISION)
    return new_peak_R, total_R, grad_RD, grad_RA


@triton.jit
def from_queries(
    QUERY_BD,
    QUERY_BA,
    CANDIDATE_CD,
    CANDIDATE_CA,
    BOUND_NB,
    VALUE_NC,
    START_B,
    END_B,
    SAME_START_B,
    SAME_END_B,
    POSITIVE_B,
    WEIGHT_B,
    LOG_TOTAL_B,
    GRAD_BD,
    GRAD_BA,
    queries,
    candidates,
    D: tl.constexpr,
    A: tl.constexpr,
    BOUNDS: tl.constexpr,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Log of the sum per search, and weight x (mean of the candidates by their odds)."""
    first = tl.program_id(0) * ROWS
    last = tl.minimum(first + ROWS, queries) - 1
    row_R = first + tl.arange(0, ROWS)
    is_row_R = row_R < queries
    dim_D = tl.arange(0, D)
    dim_A = tl.arange(0, A)
    query_RD = tl.load(
        QUERY_BD + row_R[:, None] * D + dim_D[None, :], mask=is_row_R[:, None], other=0.0
    )
    query_RA = tl.load(
        QUERY_BA + row_R[:, None] * A + dim_A[None, :], mask=is_row_R[:, None], other=0.0
    )
    # the positive is the first that is summed up: its odds are 1, and no peak is ever -inf
    peak_R = tl.load(POSITIVE_B + row_R, mask=is_row_R, other=0.0)
    total_R = tl.full([ROWS], 1.0, tl.float32)
    grad_RD = tl.zeros([ROWS, D], tl.float32)
    grad_RA = tl.zeros([ROWS, A], tl.float32)
    from_, to, plain_from, plain_to, same_from, same_to = _tiles(
        START_B, END_B, SAME_START_B, SAME_END_B, first, last, COLS
    )

    for step in range(plain_to - plain_from - (same_to - same_from)):
        tile = plain_from + step
        tile = tl.where(tile >= same_from, tile + same_to - same_from, tile)
        col_N = tile * COLS + tl.arange(0, COLS)
        col_ND = tl.load(CANDIDATE_CD + col_N[:, None] * D + dim_D[None, :])
        col_NA = tl.load(CANDIDATE_CA + col_N[:, None] * A + dim_A[None, :])
        logit_RN = _logits(query_RD, query_RA, col_ND, col_NA, PRECISION)
        for bound in tl.static_range(BOUNDS):
            value_N = tl.load(VALUE_NC + bound * candidates + col_N)
            bound_R = tl.load(BOUND_NB + bound * queries + row_R, mask=is_row_R, other=0)
            is_met_RN = value_N[None, :] >= bound_R[:, None]
            logit_RN = tl.where(is_met_RN, logit_RN, float("-inf"))
        peak_R, total_R, grad_RD, grad_RA = _online(
            logit_RN, col_ND, col_NA, peak_R, total_R, grad_RD, grad_RA, PRECISION
        )

    start_R = tl.load(START_B + row_R, mask=is_row_R, other=0)
    end_R = tl.load(END_B + row_R, mask=is_row_R, other=0)
    same_start_R = tl.load(SAME_START_B + row_R, mask=is_row_R, other=0)
    same_end_R = tl.load(SAME_END_B + row_R, mask=is_row_R, other=0)
    for step in range(plain_from - from_ + (same_to - same_from) + (to - plain_to)):
        tile = from_ + step
        tile = tl.where(tile >= plain_from, tile + same_from - plain_from, tile)
        tile = tl.where(tile >= same_to, tile + plain_to - same_to, tile)
        col_N = tile * COLS + tl.arange(0, COLS)
        is_col_N = col_N < candidates
        col_ND = tl.load(
            CANDIDATE_CD + col_N[:, None] * D + dim_D[None, :], mask=is_col_N[:, None], other=0.0
        )
        col_NA = tl.load(
            CANDIDATE_CA + col_N[:, None] * A + dim_A[None, :], mask=is_col_N[:, None], other=0.0
        )
        logit_RN = _logits(query_RD, query_RA, col_ND, col_NA, PRECISION)
        logit_RN = _out_of_range(logit_RN, col_N, start_R, end_R, same_start_R, same_end_R)
        for bound in tl.static_range(BOUNDS):
            value_N = tl.load(VALUE_NC + bound * candidates + col_N, mask=is_col_N, other=0)
            bound_R = tl.load(BOUND_NB + bound * queries + row_R, mask=is_row_R, other=0)
            is_met_RN = value_N[None, :] >= bound_R[:, None]
            logit_RN = tl.where(is_met_RN, logit_RN, float("-inf"))
        peak_R, total_R, grad_RD, grad_RA = _online(
            logit_RN, col_ND, col_NA, peak_R, total_R, grad_RD, grad_RA, PRECISION
        )

    tl.store(LOG_TOTAL_B + row_R, peak_R + tl.log2(total_R), mask=is_row_R)
    scale_R = tl.load(WEIGHT_B + row_R, mask=is_row_R, other=0.0) / total_R
    tl.store(
        GRAD_BD + row_R[:, None] * D + dim_D[None, :],
        grad_RD * scale_R[:, None],
        mask=is_row_R[:, None],
    )
    tl.store(
        GRAD_BA + row_R[:, None] * A + dim_A[None, :],
        grad_RA * scale_R[:, None],
        mask=is_row_R[:, None],
    )


@triton.jit
def from_candidates(
    CANDIDATE_CD,
    CANDIDATE_CA,
    QUERY_BD,
    QUERY_BA,
    VALUE_NC,
    BOUND_NB,
    START_C,
    END_C,
    SAME_START_C,
    SAME_END_C,
    GRAD_CD,
    GRAD_CA,
    candidates,
    queries,
    D: tl.constexpr,
    A: tl.constexpr,
    BOUNDS: tl.constexpr,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Sum per candidate of (weight x softmax) x search.

    The searches carry ``log2(weight) - log2(total)``: the logit made here is the log of weight
    x softmax, and needs no more than an exponential.
    """
    first = tl.program_id(0) * ROWS
    last = tl.minimum(first + ROWS, candidates) - 1
    row_R = first + tl.arange(0, ROWS)
    is_row_R = row_R < candidates
    dim_D = tl.arange(0, D)
    dim_A = tl.arange(0, A)
    row_RD = tl.load(
        CANDIDATE_CD + row_R[:, None] * D + dim_D[None, :], mask=is_row_R[:, None], other=0.0
    )
    row_RA = tl.load(
        CANDIDATE_CA + row_R[:, None] * A + dim_A[None, :], mask=is_row_R[:, None], other=0.0
    )
    grad_RD = tl.zeros([ROWS, D], tl.float32)
    grad_RA = tl.zeros([ROWS, A], tl.float32)
    from_, to, plain_from, plain_to, same_from, same_to = _tiles(
        START_C, END_C, SAME_START_C, SAME_END_C, first, last, COLS
    )

    for step in range(plain_to - plain_from - (same_to - same_from)):
        tile = plain_from + step
        tile = tl.where(tile >= same_from, tile + same_to - same_from, tile)
        col_N = tile * COLS + tl.arange(0, COLS)
        col_ND = tl.load(QUERY_BD + col_N[:, None] * D + dim_D[None, :])
        col_NA = tl.load(QUERY_BA + col_N[:, None] * A + dim_A[None, :])
        logit_RN = _logits(row_RD, row_RA, col_ND, col_NA, PRECISION)
        for bound in tl.static_range(BOUNDS):
            value_R = tl.load(VALUE_NC + bound * candidates + row_R, mask=is_row_R, other=0)
            bound_N = tl.load(BOUND_NB + bound * queries + col_N)
            is_met_RN = value_R[:, None] >= bound_N[None, :]
            logit_RN = tl.where(is_met_RN, logit_RN, float("-inf"))
        share_RN = tl.exp2(logit_RN).to(col_ND.dtype)
        grad_RD = tl.dot(share_RN, col_ND, acc=grad_RD, input_precision=PRECISION)
        grad_RA = tl.dot(share_RN, col_NA, acc=grad_RA, input_precision=PRECISION)

    start_R = tl.load(START_C + row_R, mask=is_row_R, other=0)
    end_R = tl.load(END_C + row_R, mask=is_row_R, other=0)
    same_start_R = tl.load(SAME_START_C + row_R, mask=is_row_R, other=0)
    same_end_R = tl.load(SAME_END_C + row_R, mask=is_row_R, other=0)
    for step in range(plain_from - from_ + (same_to - same_from) + (to - plain_to)):
        tile = from_ + step
        tile = tl.where(tile >= plain_from, tile + same_from - plain_from, tile)
        tile = tl.where(tile >= same_to, tile + plain_to - same_to, tile)
        col_N = tile * COLS + tl.arange(0, COLS)
        is_col_N = col_N < queries
        col_ND = tl.load(
            QUERY_BD + col_N[:, None] * D + dim_D[None, :], mask=is_col_N[:, None], other=0.0
        )
        col_NA = tl.load(
            QUERY_BA + col_N[:, None] * A + dim_A[None, :], mask=is_col_N[:, None], other=0.0
        )
        logit_RN = _logits(row_RD, row_RA, col_ND, col_NA, PRECISION)
        logit_RN = _out_of_range(logit_RN, col_N, start_R, end_R, same_start_R, same_end_R)
        for bound in tl.static_range(BOUNDS):
            value_R = tl.load(VALUE_NC + bound * candidates + row_R, mask=is_row_R, other=0)
            bound_N = tl.load(BOUND_NB + bound * queries + col_N, mask=is_col_N, other=0)
            is_met_RN = value_R[:, None] >= bound_N[None, :]
            logit_RN = tl.where(is_met_RN, logit_RN, float("-inf"))
        share_RN = tl.exp2(logit_RN).to(col_ND.dtype)
        grad_RD = tl.dot(share_RN, col_ND, acc=grad_RD, input_precision=PRECISION)
        grad_RA = tl.dot(share_RN, col_NA, acc=grad_RA, input_precision=PRECISION)

    tl.store(GRAD_CD + row_R[:, None] * D + dim_D[None, :], grad_RD, mask=is_row_R[:, None])
    tl.store(GRAD_CA + row_R[:, None] * A + dim_A[None, :], grad_RA, mask=is_row_R[:, None])
