"""The fused softmax as three Triton kernels: no logits in memory, the masks made in the tile.

``lay_out`` brings one side into the order and the columns that the other two read.
``from_queries`` takes a block of searches past the candidates: it sums up the softmax as it goes
and with the same logits the gradient of the searches, which is a mean of candidates.
``from_candidates`` takes a block of candidates past the searches, makes the logits a second time
and sums up the gradient of the candidates.

**Order.** Both sides are sorted by market and listing (``fused_softmax.py``). What a row is
compared with is then one range of the other side (its market) without a shorter one (copies
of its positive). Tiles that no row's range begins or ends in need no mask; tiles outside every
range are not visited.

**Carried columns.** Sixteen columns beside the vectors hold what is added to a product: the
appeal, the logQ correction, the positive's logit, and for the last kernel the log of the sum.
Each is spread over several bfloat16 columns, so that the matrix units add it in full precision.
First come the ``PRODUCTS`` columns of each of the ``EXTRAS`` further dimensions (which part of
the number stands in which column is written in ``PART``, two bits a column); then three of the
candidates' correction, then three of the searches' positive or total, each beside ones on the
other side.

All logits are in powers of two, and float32. Imports triton: only ``fused_softmax.py`` may
import this file, and only where it is used.
"""
# mypy: disable-error-code="no-untyped-def,untyped-decorator"
# Triton reads these functions, Python never runs them: parameters are pointers and constants
# ruff: noqa: PLR0913

import triton
import triton.language as tl

__all__ = ["from_candidates", "from_queries", "lay_out"]

_LOG2_E: tl.constexpr = tl.constexpr(1.4426950408889634)
# log2 of a weight of 0: what it weighs is 0 after the exponential.
_NOTHING: tl.constexpr = tl.constexpr(-1e30)
_LEAST: tl.constexpr = tl.constexpr(1e-37)
# Odds up to two to this are summed without looking for the largest first: a sum of as many as
# there can be candidates, times a vector, stays far from float32's and bfloat16's 2 ** 127.
_SAFE: tl.constexpr = tl.constexpr(64.0)


@triton.jit
def _parts(values, KIND: tl.constexpr):
    """Three numbers of a narrow type that add up to ``values``."""
    high = values.to(KIND).to(tl.float32)
    middle = (values - high).to(KIND).to(tl.float32)
    return high, middle, values - high - middle


@triton.jit
def _part(values, which: tl.constexpr, KIND: tl.constexpr):
    high, middle, low = _parts(values, KIND)
    if which == 0:
        return high
    if which == 1:
        return middle
    return low


@triton.jit
def lay_out(
    VECTOR_XW,
    ORDER_X,
    SUBTRACTED_X,
    MAIN_XD,
    CARRIED_XA,
    LENGTH_X,
    rows,
    width,
    scale,
    D: tl.constexpr,
    A: tl.constexpr,
    EXTRAS: tl.constexpr,
    PRODUCTS: tl.constexpr,
    PART: tl.constexpr,
    IS_CANDIDATE: tl.constexpr,
    ROWS: tl.constexpr,
):
    """One side's vectors x ``scale`` in order: the part that is multiplied, and what is carried.

    ``SUBTRACTED_X`` is taken off all logits of a row. Also gives the length of each vector.
    """
    KIND: tl.constexpr = MAIN_XD.dtype.element_ty
    row_R = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    is_row_R = row_R < rows
    from_R = tl.load(ORDER_X + row_R, mask=is_row_R, other=0)
    dim_D = tl.arange(0, D)
    dim_A = tl.arange(0, A)
    vector_RD = scale * tl.load(
        VECTOR_XW + from_R[:, None] * width + dim_D[None, :],
        mask=is_row_R[:, None] & (dim_D[None, :] < width),
        other=0.0,
    )
    tl.store(
        MAIN_XD + row_R[:, None] * D + dim_D[None, :], vector_RD.to(KIND), mask=is_row_R[:, None]
    )
    squared_R = tl.sum(vector_RD * vector_RD, 1)
    carried_RA = tl.zeros([ROWS, A], tl.float32)
    for extra in tl.static_range(EXTRAS):
        value_R = scale * tl.load(VECTOR_XW + from_R * width + D + extra, mask=is_row_R, other=0.0)
        squared_R += value_R * value_R
        for product in tl.static_range(PRODUCTS):
            part_R = _part(value_R, (PART >> (2 * product)) & 3, KIND)
            is_here_A = dim_A == extra * PRODUCTS + product
            carried_RA = tl.where(is_here_A[None, :], part_R[:, None], carried_RA)
    # the one side's number stands where the other has ones
    first: tl.constexpr = EXTRAS * PRODUCTS
    own: tl.constexpr = first + 3 * (1 - IS_CANDIDATE)
    other: tl.constexpr = first + 3 * IS_CANDIDATE
    subtracted_R = -_LOG2_E * tl.load(SUBTRACTED_X + from_R, mask=is_row_R, other=0.0)
    for which in tl.static_range(3):
        part_R = _part(subtracted_R, which, KIND)
        carried_RA = tl.where((dim_A == own + which)[None, :], part_R[:, None], carried_RA)
    is_one_A = (dim_A >= other) & (dim_A < other + 3)
    carried_RA = tl.where(is_one_A[None, :], 1.0, carried_RA)
    tl.store(
        CARRIED_XA + row_R[:, None] * A + dim_A[None, :],
        carried_RA.to(KIND),
        mask=is_row_R[:, None],
    )
    tl.store(LENGTH_X + row_R, tl.sqrt(squared_R), mask=is_row_R)


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
def _out_of_bounds(
    logit_RN, VALUE_N, BOUND_R, col_N, row_R, is_col_N, is_row_R, cols, rows, BOUNDS: tl.constexpr
):
    """-inf where a column's value is below the row's bound."""
    for bound in tl.static_range(BOUNDS):
        value_N = tl.load(VALUE_N + bound * cols + col_N, mask=is_col_N, other=0)
        bound_R = tl.load(BOUND_R + bound * rows + row_R, mask=is_row_R, other=0)
        is_met_RN = value_N[None, :] >= bound_R[:, None]
        logit_RN = tl.where(is_met_RN, logit_RN, float("-inf"))
    return logit_RN


@triton.jit
def _online(
    logit_RN,
    col_ND,
    col_NA,
    peak_R,
    total_R,
    grad_RD,
    grad_RA,
    PRECISION: tl.constexpr,
):
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
def _store_gradient(
    GRAD_XW,
    to_R,
    is_row_R,
    width,
    grad_RD,
    grad_RA,
    D: tl.constexpr,
    A: tl.constexpr,
    EXTRAS: tl.constexpr,
    PRODUCTS: tl.constexpr,
    PART: tl.constexpr,
):
    """Write rows of a gradient where they came from.

    That of a further dimension is the sum of the columns in which the own number stands in
    its first part: the other side's number stands there in all its parts.
    """
    dim_D = tl.arange(0, D)
    dim_A = tl.arange(0, A)
    tl.store(
        GRAD_XW + to_R[:, None] * width + dim_D[None, :],
        grad_RD,
        mask=is_row_R[:, None] & (dim_D[None, :] < width),
    )
    for extra in tl.static_range(EXTRAS):
        column_R = tl.zeros_like(tl.sum(grad_RA, 1))
        for product in tl.static_range(PRODUCTS):
            if ((PART >> (2 * product)) & 3) == 0:
                is_here_A = dim_A == extra * PRODUCTS + product
                column_R += tl.sum(tl.where(is_here_A[None, :], grad_RA, 0.0), 1)
        tl.store(GRAD_XW + to_R * width + D + extra, column_R, mask=is_row_R)


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
    ORDER_B,
    POSITIVE_B,
    WEIGHT_B,
    CEILING_B,
    LOSS_B,
    GRAD_POSITIVE_B,
    GRAD_BW,
    queries,
    candidates,
    width,
    D: tl.constexpr,
    A: tl.constexpr,
    BOUNDS: tl.constexpr,
    EXTRAS: tl.constexpr,
    PRODUCTS: tl.constexpr,
    PART: tl.constexpr,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Losses and gradients of the searches, and of their positives' logits.

    ``QUERY_BA`` then carries ``log2(weight) - log2(total)``, for ``from_candidates``.
    ``CEILING_B`` is a number that no logit of the search exceeds.
    """
    first = tl.program_id(0) * ROWS
    last = tl.minimum(first + ROWS, queries) - 1
    row_R = first + tl.arange(0, ROWS)
    is_row_R = row_R < queries
    dim_D = tl.arange(0, D)
    dim_A = tl.arange(0, A)
    of_R = tl.load(ORDER_B + row_R, mask=is_row_R, other=0)
    query_RD = tl.load(
        QUERY_BD + row_R[:, None] * D + dim_D[None, :], mask=is_row_R[:, None], other=0.0
    )
    query_RA = tl.load(
        QUERY_BA + row_R[:, None] * A + dim_A[None, :], mask=is_row_R[:, None], other=0.0
    )
    # the searches carry their positive: logits are relative to it, and it is the first that is
    # summed up. Its odds are 1, and no peak is ever -inf
    positive_R = _LOG2_E * tl.load(POSITIVE_B + of_R, mask=is_row_R, other=0.0)
    ceiling_R = tl.load(CEILING_B + row_R, mask=is_row_R, other=0.0)
    peak_R = tl.zeros([ROWS], tl.float32)
    total_R = tl.full([ROWS], 1.0, tl.float32)
    grad_RD = tl.zeros([ROWS, D], tl.float32)
    grad_RA = tl.zeros([ROWS, A], tl.float32)
    from_, to, plain_from, plain_to, same_from, same_to = _tiles(
        START_B, END_B, SAME_START_B, SAME_END_B, first, last, COLS
    )
    plain = plain_to - plain_from - (same_to - same_from)
    is_safe = tl.max(ceiling_R - positive_R, 0) < _SAFE

    # where nothing can overflow, the peak need not follow the largest logit
    for step in range(tl.where(is_safe, plain, 0)):
        tile = plain_from + step
        tile = tl.where(tile >= same_from, tile + same_to - same_from, tile)
        col_N = tile * COLS + tl.arange(0, COLS)
        col_ND = tl.load(CANDIDATE_CD + col_N[:, None] * D + dim_D[None, :])
        col_NA = tl.load(CANDIDATE_CA + col_N[:, None] * A + dim_A[None, :])
        logit_RN = _logits(query_RD, query_RA, col_ND, col_NA, PRECISION)
        logit_RN = _out_of_bounds(
            logit_RN, VALUE_NC, BOUND_NB, col_N, row_R, True, is_row_R, candidates, queries, BOUNDS
        )
        odds_RN = tl.exp2(logit_RN).to(col_ND.dtype)
        grad_RD = tl.dot(odds_RN, col_ND, acc=grad_RD, input_precision=PRECISION)
        grad_RA = tl.dot(odds_RN, col_NA, acc=grad_RA, input_precision=PRECISION)
    # a column in which all candidates carry 1 has summed up the odds
    is_one_A = dim_A == EXTRAS * PRODUCTS + 3
    total_R += tl.sum(tl.where(is_one_A[None, :], grad_RA, 0.0), 1)

    for step in range(tl.where(is_safe, 0, plain)):
        tile = plain_from + step
        tile = tl.where(tile >= same_from, tile + same_to - same_from, tile)
        col_N = tile * COLS + tl.arange(0, COLS)
        col_ND = tl.load(CANDIDATE_CD + col_N[:, None] * D + dim_D[None, :])
        col_NA = tl.load(CANDIDATE_CA + col_N[:, None] * A + dim_A[None, :])
        logit_RN = _logits(query_RD, query_RA, col_ND, col_NA, PRECISION)
        logit_RN = _out_of_bounds(
            logit_RN, VALUE_NC, BOUND_NB, col_N, row_R, True, is_row_R, candidates, queries, BOUNDS
        )
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
        logit_RN = _out_of_bounds(
            logit_RN, VALUE_NC, BOUND_NB, col_N, row_R, is_col_N, is_row_R, candidates, queries,
            BOUNDS,
        )  # fmt: skip
        peak_R, total_R, grad_RD, grad_RA = _online(
            logit_RN, col_ND, col_NA, peak_R, total_R, grad_RD, grad_RA, PRECISION
        )

    log_total_R = peak_R + tl.log2(total_R)  # over the positive
    weight_R = tl.load(WEIGHT_B + of_R, mask=is_row_R, other=0.0)
    tl.store(LOSS_B + of_R, weight_R * log_total_R / _LOG2_E, mask=is_row_R)
    tl.store(GRAD_POSITIVE_B + of_R, weight_R * (tl.exp2(-log_total_R) - 1.0), mask=is_row_R)
    scale_R = weight_R / total_R
    _store_gradient(
        GRAD_BW, of_R, is_row_R, width, grad_RD * scale_R[:, None], grad_RA * scale_R[:, None],
        D, A, EXTRAS, PRODUCTS, PART,
    )  # fmt: skip
    # a weight of 0 has log -inf, and -inf less -inf is no number
    log_weight_R = tl.log2(tl.maximum(weight_R, _LEAST))
    carried_R = tl.where(weight_R > 0, log_weight_R - log_total_R - positive_R, _NOTHING)
    KIND: tl.constexpr = QUERY_BA.dtype.element_ty
    column = QUERY_BA + row_R * A + EXTRAS * PRODUCTS + 3
    high_R, middle_R, low_R = _parts(carried_R, KIND)
    tl.store(column, high_R.to(KIND), mask=is_row_R)
    tl.store(column + 1, middle_R.to(KIND), mask=is_row_R)
    tl.store(column + 2, low_R.to(KIND), mask=is_row_R)


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
    ORDER_C,
    UPSTREAM,
    GRAD_CW,
    candidates,
    queries,
    width,
    D: tl.constexpr,
    A: tl.constexpr,
    BOUNDS: tl.constexpr,
    EXTRAS: tl.constexpr,
    PRODUCTS: tl.constexpr,
    PART: tl.constexpr,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Gradient of the candidates: sum of (weight x softmax) x search, times ``UPSTREAM``.

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
        logit_RN = _below_bounds(
            logit_RN, VALUE_NC, BOUND_NB, col_N, row_R, True, is_row_R, queries, candidates, BOUNDS
        )
        share_RN = tl.exp2(logit_RN).to(col_ND.dtype)
        grad_RD = tl.dot(share_RN, col_ND, acc=grad_RD, input_precision=PRECISION)
        if EXTRAS > 0:
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
        logit_RN = _below_bounds(
            logit_RN, VALUE_NC, BOUND_NB, col_N, row_R, is_col_N, is_row_R, queries, candidates,
            BOUNDS,
        )  # fmt: skip
        share_RN = tl.exp2(logit_RN).to(col_ND.dtype)
        grad_RD = tl.dot(share_RN, col_ND, acc=grad_RD, input_precision=PRECISION)
        if EXTRAS > 0:
            grad_RA = tl.dot(share_RN, col_NA, acc=grad_RA, input_precision=PRECISION)

    to_R = tl.load(ORDER_C + row_R, mask=is_row_R, other=0)
    scale = tl.load(UPSTREAM) / _LOG2_E
    _store_gradient(
        GRAD_CW, to_R, is_row_R, width, grad_RD * scale, grad_RA * scale,
        D, A, EXTRAS, PRODUCTS, PART,
    )  # fmt: skip


@triton.jit
def _below_bounds(
    logit_RN, VALUE_R, BOUND_N, col_N, row_R, is_col_N, is_row_R, cols, rows, BOUNDS: tl.constexpr
):
    """As ``_out_of_bounds``, with the values in rows and the bounds in columns."""
    for bound in tl.static_range(BOUNDS):
        value_R = tl.load(VALUE_R + bound * rows + row_R, mask=is_row_R, other=0)
        bound_N = tl.load(BOUND_N + bound * cols + col_N, mask=is_col_N, other=0)
        is_met_RN = value_R[:, None] >= bound_N[None, :]
        logit_RN = tl.where(is_met_RN, logit_RN, float("-inf"))
    return logit_RN
