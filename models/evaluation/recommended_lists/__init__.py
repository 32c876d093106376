"""What recommended lists are worth: by the simulator's truth, and by what guests did next.

The other metrics of :mod:`models.evaluation` order the listings that a search showed. Here a
model has chosen its listings from the whole catalogue, one list per guest, and the metrics say
so in their names (``catalogue_…``, ``replay_…``). One :class:`Lists` per model; every metric is a
:class:`~models.evaluation.ratio_metric.RatioMetric` over the guests (or a list of them):

- ``catalogue_value``: G and the expected DCG, between random and the best order of all
  listings that the search allows. Needs the truth.
- ``bookings_apart``, ``bookings_together``: expected bookings when each guest acts alone, and
  when all act and a night is sold once. Need the truth.
- ``concentration``: how many listings and hosts the lists are made of, and how many are free.
- ``replay``: which of the listings that guests took afterwards stood in their lists.
- ``list_scores``: from these to :class:`~models.evaluation.scorecard.Score`, with intervals
  and paired differences.

All inputs are plain arrays, so that nothing here needs to read the truth or the log.
"""

from models.evaluation.recommended_lists.bookings_apart import (
    booked_apart,
    bookings_per_1000,
    wanting_chances,
)
from models.evaluation.recommended_lists.bookings_together import (
    BookedTogether,
    Stays,
    bookings_together,
)
from models.evaluation.recommended_lists.catalogue_value import (
    CatalogueBounds,
    catalogue_bounds,
    expected_dcg_metric,
    g_metric,
)
from models.evaluation.recommended_lists.concentration import (
    free_share,
    most_common_listing,
    new_listing_exposure,
    top_hosts_share,
    top_listings_share,
)
from models.evaluation.recommended_lists.list_scores import ListScoreSettings, scores_of
from models.evaluation.recommended_lists.lists import Lists
from models.evaluation.recommended_lists.replay import Takes, pooled, replay_metrics, takes_of

__all__ = [
    "BookedTogether",
    "CatalogueBounds",
    "ListScoreSettings",
    "Lists",
    "Stays",
    "Takes",
    "booked_apart",
    "bookings_per_1000",
    "bookings_together",
    "catalogue_bounds",
    "expected_dcg_metric",
    "free_share",
    "g_metric",
    "most_common_listing",
    "new_listing_exposure",
    "pooled",
    "replay_metrics",
    "scores_of",
    "takes_of",
    "top_hosts_share",
    "top_listings_share",
    "wanting_chances",
]
