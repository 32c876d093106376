# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # New listings
#
# A new listing has no history to speak for it. What the plain ranker does to it, and what the exposure
# policy gives back at what price.

# %%
import polars as pl

from pipelines.analysis.home_access import open_home, rounded
from pipelines.analysis.model_analysis import ranks_by_newness
from pipelines.reporting.charts.diagnostic_charts import trade_off_curve

home = open_home()
scores = home.context.lake.scan("scores").filter(
    (pl.col("model") == "ranker") & (pl.col("split") == "test")
)
rows = (
    home.feature_rows.filter(pl.col("search_day").is_between(*home.test_days))
    .join(scores.select("id_search", "id_listing", "score"), on=["id_search", "id_listing"])
    .collect()
)
print(f"{rows['listing_is_new'].mean():.1%} of the test window's rows are new listings")

# %% [markdown]
# ## Where they stand
#
# `mean_place` is 0 at the top of a search and 1 at its end.

# %%
rounded(ranks_by_newness(rows, rows["score"]), 4)

# %%
home.figures(["new_listing_exposure_at_10", "new_listing_bookings_at_10"], ["all"])

# %%
home.figures(["value_dcg_at_10", "ndcg_at_10"], ["listing=new", "listing=known"])

# %% [markdown]
# ## What exposure costs
#
# Each point lends new listings a bonus in standard deviations of the search's scores. The curve is
# measured on logged outcomes: a listing that was shown low was clicked less for that alone, so the
# bookings it would have brought are understated, and so is the gain.

# %%
trade_off_curve(home.diagnostic("trade_off"))

# %%
rounded(home.diagnostic("trade_off"), 4)
