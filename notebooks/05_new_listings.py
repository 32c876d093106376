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

from pipelines.analysis import open_home
from pipelines.analysis.conclusions.marketplace import about_exposure, about_newness
from pipelines.analysis.figures import figures
from pipelines.analysis.home_access import rounded
from pipelines.analysis.model_analysis import ranks_by_newness
from pipelines.analysis.new_listings import exposure_policies
from pipelines.reporting.charts.diagnostic_charts import trade_off_curve

home = open_home()
home.introduction()

# %% [markdown]
# ## Where they stand
#
# `mean_place` is 0 at the top of a search and 1 at its end; `top_share` is the share among the first ten.

# %%
scores = home.scan("scores").filter((pl.col("model") == "ranker") & (pl.col("split") == "test"))
rows = (
    home.feature_rows.filter(pl.col("search_day").is_between(*home.test_days))
    .join(scores.select("id_search", "id_listing", "score"), on=["id_search", "id_listing"])
    .collect()
)
ranks = ranks_by_newness(rows, rows["score"])
rounded(ranks, 4)

# %%
figures(home.evaluation, {"new_listing_exposure_at_10": "new listings' share of the first ten"})

# %%
figures(
    home.evaluation,
    {"value_dcg_at_10": "value DCG@10", "ndcg_at_10": "NDCG@10"},
    ["listing=new", "listing=known"],
)

# %%
about_newness(ranks)

# %% [markdown]
# ## What exposure costs
#
# Each point lends new listings a bonus in standard deviations of the search's scores. The curve is
# measured on logged outcomes: a listing that was shown low was clicked less for that alone, so the
# bookings it would have brought are understated, and so is the gain.

# %%
trade_off = home.diagnostic("trade_off")
trade_off_curve(trade_off)

# %%
exposure_policies(trade_off)

# %%
about_exposure(trade_off)
