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
# # The marketplace
#
# What else the log and the models are good for: unmet demand, price guidance, hosts to recruit, and
# expected bookings. These are descriptions, not effects: nothing here was an experiment.

# %%
import polars as pl

from pipelines.analysis.home_access import open_home, rounded
from pipelines.analysis.marketplace import (
    expected_bookings,
    hosts_to_recruit,
    price_bands,
    price_guidance,
    unmet_demand,
)
from pipelines.analysis.search_log import latest_listings
from pipelines.reporting.charts.maps import PlacedBy, place_map

home = open_home()
impressions = home.impressions
listings = latest_listings(impressions)

# %% [markdown]
# ## Unmet demand, by area and dates
#
# Searches that ended without a click, above what the market's own rate would leave. Rates of areas with
# few searches are drawn towards the market's.
#
# *Caveat:* a search without a click may have been idle, or repeated and clicked a minute later.

# %%
unmet = unmet_demand(impressions)
rounded(unmet.head(15))

# %%
areas = unmet.group_by("market", "area_lat", "area_lng").agg(pl.col("unmet", "searches").sum())
place_map(
    areas,
    PlacedBy(lat="area_lat", lng="area_lng", colour="unmet", size="searches"),
    name="unmet",
    title="Searches that found nothing, above the market's own rate",
)

# %% [markdown]
# ## Price guidance against comparable stays
#
# A listing beside others of its market, room type, capacity and area. Far above the median and clicked
# less: a host to talk to. Far below and clicked more: room for a higher price.
#
# *Caveat:* comparable in what the log shows. Style, view and photos are not in it; prices are those of
# the dates that were searched.

# %%
guidance = price_guidance(listings)
rounded(guidance.head(10))

# %%
rounded(price_bands(guidance), 4)

# %% [markdown]
# ## Hosts to recruit
#
# Where searches of a party size outnumber the listings that could take them, beside the market's own
# ratio. `wanted` is how many more listings would level it.
#
# *Caveat:* guests search near where listings are; demand that no listing ever attracted is not seen.

# %%
rounded(hosts_to_recruit(impressions, listings).head(15), 2)

# %% [markdown]
# ## Expected bookings
#
# Bookings of the latest searches are still coming in. Seen so far, and expected in the end, from the
# delays of the log itself.
#
# *Caveat:* a log of a week says nothing about delays longer than a week.

# %%
rounded(expected_bookings(home.context.lake))
