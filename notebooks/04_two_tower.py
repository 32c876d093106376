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
# # The two-tower
#
# Retrieval from the whole catalogue: how much of what guests took it finds, which listings it takes for
# alike, and what it does with listings that nobody has clicked yet.

# %%
import polars as pl

from pipelines.analysis.home_access import open_home, rounded
from pipelines.analysis.model_analysis import neighbours_of
from pipelines.reporting.charts.diagnostic_charts import recall_curves
from pipelines.reporting.charts.maps import neighbour_map

home = open_home()
retrieval = home.diagnostic("retrieval")
print(f"{retrieval['id_search'].n_unique():,} test searches with a click, contact or booking")

# %%
recall_curves(retrieval)

# %%
recall = home.figures(["catalogue_recall_at_100"], home.scorecard.segments)
recall[recall["searches"] > 0]

# %% [markdown]
# ## Neighbours
#
# The most clicked listing of the first market, and the ten whose vectors are nearest: alike in place,
# price and kind, learnt from who clicked what.

# %%
market = sorted(retrieval["market"].unique())[0]
latest = (
    home.feature_rows.filter(pl.col("market") == market)
    .sort("search_s", "id_search")
    .unique("id_listing", keep="last", maintain_order=True)
    .collect()
)
popular = (
    home.impressions.filter(pl.col("market") == market)
    .group_by("id_listing")
    .agg(clicks=(pl.col("stage") >= 1).sum())
    .sort("clicks", "id_listing", descending=[True, False])
    .collect()["id_listing"][0]
)
neighbours = neighbours_of(home.model("two_tower"), latest, popular)
neighbour_map(neighbours, title=f"Nearest to {popular}")

# %%
columns = ["id_listing", "cosine", "listing_room_type", "listing_nightly_price"]
rounded(neighbours.select([*columns, "listing_person_capacity", "listing_review_rating"]))

# %% [markdown]
# ## Cold listings
#
# A listing without clicks lives on its attributes. Beside each other: the recall of new listings, and of
# everything.

# %%
home.figures(["catalogue_recall_at_100"], ["all", "listing=new"])
