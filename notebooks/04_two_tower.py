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
from pipelines.analysis import open_home
from pipelines.analysis.conclusions.conclusion import drawn
from pipelines.analysis.conclusions.retrieval import (
    about_cold_listings,
    about_neighbours,
    about_recall,
)
from pipelines.analysis.figures import figures
from pipelines.analysis.home_access import rounded
from pipelines.analysis.model_analysis import latest_rows, most_clicked, neighbours_of
from pipelines.evaluation.scorecard_view import segments_shown
from pipelines.reporting.charts.diagnostic_charts import recall_curves
from pipelines.reporting.charts.maps import neighbour_map

home = open_home()
home.introduction()

# %% [markdown]
# ## What it finds
#
# Of the listings that guests of the test window clicked, contacted or booked: the share among the first
# results of each model, drawn from the whole catalogue.

# %%
drawn(recall_curves(home.diagnostic("retrieval")))

# %%
recall = {"catalogue_recall_at_100": "recall among 100"}
figures(home.evaluation, recall, [*segments_shown(home.evaluation), "stage=booked"])

# %%
about_recall(home.evaluation)

# %% [markdown]
# ## Neighbours
#
# The most clicked listing of the largest market, and the ten whose vectors are nearest, learnt from who
# clicked what. In what they are alike the table says.

# %%
market = home.colours.markets[0]
latest = latest_rows(home.feature_rows, market)
popular = most_clicked(home.impressions, market)
neighbours = neighbours_of(home.model("two_tower"), latest, popular)
neighbour_map(neighbours, title=f"The ten listings most like {popular} by their vectors")

# %%
columns = ["id_listing", "cosine", "listing_room_type", "listing_nightly_price"]
rounded(neighbours.select([*columns, "listing_person_capacity", "listing_review_rating"]))

# %%
about_neighbours(neighbours, latest)

# %% [markdown]
# ## Cold listings
#
# A listing without clicks lives on its attributes. Beside each other: the recall of new listings, and of
# everything.

# %%
figures(home.evaluation, recall, ["all", "listing=new"])

# %%
about_cold_listings(home.evaluation)
