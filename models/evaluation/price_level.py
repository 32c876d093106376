"""How dear the listings at the top of a list are, beside the others of the same search.

Legend: N rows, S searches, k places.
"""

from __future__ import annotations

import numpy as np

from models.evaluation.arranged_rows import ArrangedRows
from models.evaluation.arrays import Floats, Integers
from models.evaluation.ratio_metric import RatioMetric, mean_over_searches, named_at

__all__ = ["price_level_metric", "price_to_median"]


def price_to_median(log_prices: Floats, starts: Integers, sizes: Integers) -> Floats:
    """Each arranged row's price over the median price of its search; shape (N,).

    ``log_prices``: natural logarithms, NaN where a price is not known; such rows stay NaN and
    take no part in the median. The middle of an even number is that of the logarithms.

    Prices 100, 200 and 400 in one search, 300 and one not known in the next:

    >>> logs = np.log(np.array([100.0, 400.0, 200.0, np.nan, 300.0]))
    >>> price_to_median(logs, np.array([0, 3]), np.array([3, 2])).round(2).tolist()
    [0.5, 2.0, 1.0, nan, 1.0]
    """
    search = np.repeat(np.arange(len(starts)), sizes)
    # NaN sorts last: the known prices of a search stand first, in rising order
    rising = log_prices[np.lexsort((log_prices, search))]
    known = np.add.reduceat(np.isfinite(log_prices).astype(np.int64), starts)
    lower, upper = starts + np.maximum(known - 1, 0) // 2, starts + known // 2
    # without a known price both point at a NaN
    median = (rising[lower] + rising[upper]) / 2
    return np.asarray(np.exp(log_prices - median[search]))


def price_level_metric(
    arranged: ArrangedRows, ranks: Integers, ratios: Floats, k: int
) -> RatioMetric:
    """Mean price of the top k over the median price of the search, averaged over searches.

    1: as dear as the search's own middle; ``ratios`` as :func:`price_to_median` gives them.
    Searches without a known price in their top k are left out.
    """
    in_top = (ranks <= k) & np.isfinite(ratios)
    total = arranged.per_search(np.where(in_top, np.nan_to_num(ratios), 0.0))
    count = arranged.per_search(in_top.astype(np.float64))
    mean = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return mean_over_searches(named_at("price_to_search_median", k), mean, k=k)
