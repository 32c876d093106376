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
# # The search log
#
# What guests searched for, saw, and did. Run `make run` first, or point `STAYRANK_HOME` at your own
# home. Figures of a simulated log describe a simulated world. Each section ends in a sentence that is
# computed from its table.

# %%
from pipelines.analysis import open_home
from pipelines.analysis.conclusions.conclusion import drawn
from pipelines.analysis.conclusions.log import (
    about_funnel,
    about_lead_times,
    about_places,
    about_quality,
    about_rows,
    about_seasons,
)
from pipelines.analysis.home_access import rounded
from pipelines.analysis.search_log import (
    checkin_seasonality,
    daily_funnel,
    ingested_files,
    latest_listings,
    lead_times,
)
from pipelines.reporting.charts.log_charts import drift_by_day, funnel_by_market, rates_by_day
from pipelines.reporting.charts.maps import PlacedBy, lines_by_date, place_map
from pipelines.reporting.data_section import funnel_of

home = open_home()
home.introduction()

# %% [markdown]
# ## The funnel
#
# Rows that reached each stage. A booking needs no contact where the listing can be booked at once.

# %%
funnel_by_market(funnel_of(home.context), home.colours)

# %%
days = daily_funnel(home.impressions)
days.to_pandas()

# %%
about_funnel(days)

# %% [markdown]
# ## How long before the stay
#
# Searches by the days from search to check-in, and the share that led to a click and a booking.

# %%
bands = lead_times(home.impressions)
rounded(bands, 4)

# %%
about_lead_times(bands)

# %% [markdown]
# ## For which dates
#
# Searches, and the median of the nightly prices shown, by check-in. Carnival is marked where the
# calendar has one.

# %%
season = checkin_seasonality(home.impressions)
lines_by_date(
    season,
    "query_checkin",
    "searches",
    title="Searches by check-in date",
    label="searches",
    colours=home.colours,
)

# %%
lines_by_date(
    season,
    "query_checkin",
    "nightly_price",
    title="Median nightly price shown, by check-in date",
    label=f"price of a night ({home.price_unit})",
    colours=home.colours,
)

# %%
about_seasons(season)

# %% [markdown]
# ## Where
#
# Listings at their latest place, coloured by the median of the nightly prices they were shown at.

# %%
listings = latest_listings(home.impressions)
place_map(
    listings,
    PlacedBy(
        lat="listing_lat",
        lng="listing_lng",
        colour="nightly_price",
        label=f"price of a night ({home.price_unit})",
    ),
    name="listings",
    title="Where listings are, and what a night there costs",
    colours=home.colours,
)

# %%
about_places(listings, home.price_unit)

# %% [markdown]
# ## Is every row accounted for?
#
# Rows in = accepted + quarantined, file by file.

# %%
files = ingested_files(home.scan("ingests"))
files.to_pandas()

# %%
about_rows(files)

# %% [markdown]
# ## What is outside its limits?
#
# Funnel rates of each day beside those of the days before, and features that moved.

# %%
drawn(rates_by_day(home.quality, home.colours))

# %%
drawn(drift_by_day(home.quality, home.colours))

# %%
about_quality(home.quality)
