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

from pipelines.analysis import open_home
from pipelines.analysis.conclusions.marketplace import (
    about_bookings,
    about_prices,
    about_recruits,
    about_unmet,
)
from pipelines.analysis.home_access import rounded
from pipelines.analysis.marketplace import (
    expected_bookings,
    hosts_to_recruit,
    price_bands,
    price_guidance,
    unmet_demand,
)
from pipelines.analysis.marketplace_by_area import searches_of_areas, with_areas
from pipelines.analysis.search_log import latest_listings
from pipelines.reporting.charts.maps import PlacedBy, place_map

home = open_home()
impressions = searches_of_areas(home.impressions)
listings = latest_listings(home.impressions)
home.introduction()

# %% [markdown]
# ## Unmet demand, by area and dates
#
# Searches that ended without a click, above what the market's own rate would leave, by cells of about
# 2 km around the searched centre and weeks of check-in. Searches of a whole city ask for no area and are
# left out. Rates of areas with few searches are drawn towards the market's.
#
# *Caveat:* a search without a click may have been idle, or repeated and clicked a minute later.

# %%
unmet = with_areas(unmet_demand(impressions))
rounded(unmet.head(15).select("market", "area", "week", pl.exclude("market", "area", "week")))

# %%
areas = unmet.group_by("market", "area_lat", "area_lng").agg(pl.col("unmet", "searches").sum())
place_map(
    areas,
    PlacedBy(
        lat="area_lat",
        lng="area_lng",
        colour="unmet",
        size="searches",
        label="searches without a click, above the market's rate",
    ),
    name="unmet",
    title="Where searches end without a click more often than in the whole market",
    colours=home.colours,
)

# %%
about_unmet(unmet)

# %% [markdown]
# ## Price guidance against comparable stays
#
# A listing beside others of its market, room type, capacity and area. Far above the median and clicked
# less: a host to talk to. Far below and clicked more: room for a higher price. A listing that was shown
# too few times has no click rate.
#
# *Caveat:* comparable in what the log shows. Style, view and photos are not in it; prices are those of
# the dates that were searched.

# %%
guidance = with_areas(price_guidance(listings))
rounded(guidance.head(10).drop("area_lat", "area_lng"))

# %%
rounded(price_bands(guidance), 4)

# %%
about_prices(guidance)

# %% [markdown]
# ## Hosts to recruit
#
# Where searches of a party size outnumber the listings that could take them, beside the market's own
# ratio. `wanted` is how many more listings would level it.
#
# *Caveat:* guests search near where listings are; demand that no listing ever attracted is not seen.

# %%
wanted = with_areas(hosts_to_recruit(impressions, listings))
rounded(wanted.head(15).drop("area_lat", "area_lng"), 2)

# %%
about_recruits(wanted)

# %% [markdown]
# ## Expected bookings
#
# Bookings of the latest searches are still coming in. Seen so far, and expected in the end, from the
# delays of the log itself.
#
# *Caveat:* a log of a week says nothing about delays longer than a week.

# %%
days = expected_bookings(home.context.lake)
rounded(days)

# %%
about_bookings(days)
