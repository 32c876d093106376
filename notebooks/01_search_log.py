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
# home. Figures of a simulated log describe a simulated world.

# %%
import polars as pl

from pipelines.analysis.home_access import open_home, rounded
from pipelines.analysis.search_log import (
    checkin_seasonality,
    daily_funnel,
    latest_listings,
    lead_times,
)
from pipelines.reporting.charts.log_charts import drift_by_day, funnel_by_market, rates_by_day
from pipelines.reporting.charts.maps import PlacedBy, lines_by_date, place_map
from pipelines.reporting.data_section import data_section, days_of, funnel_of

home = open_home()
simulated = home.scorecard.honesty.provenance.is_simulated
print(f"searches of {days_of(home.context)}; simulated: {simulated}")

# %% [markdown]
# ## The funnel
#
# Rows that reached each stage. A booking needs no contact where the listing can be booked at once.

# %%
funnel_by_market(funnel_of(home.context))

# %%
daily_funnel(home.impressions).to_pandas()

# %% [markdown]
# ## How long before the stay

# %%
rounded(lead_times(home.impressions), 4)

# %% [markdown]
# ## For which dates
#
# Weekends and Carnival stand out in the searches and in the prices shown.

# %%
season = checkin_seasonality(home.impressions).filter(pl.col("searches") >= 5)
lines_by_date(season, "query_checkin", "searches", title="Searches by check-in date")

# %%
lines_by_date(season, "query_checkin", "nightly_price", title="Median nightly price shown")

# %% [markdown]
# ## Where
#
# Every listing at its latest place, coloured by its median nightly price.

# %%
listings = latest_listings(home.impressions)
place_map(
    listings,
    PlacedBy(lat="listing_lat", lng="listing_lng", colour="nightly_price", label="nightly price"),
    name="listings",
    title="Listings and their nightly price",
)

# %% [markdown]
# ## Data quality
#
# Rows in = accepted + quarantined, file by file; then what is outside its limits.

# %%
for line in data_section(home.context)["data_lines"]:
    print(line)

# %%
home.quality.filter("is_flagged").to_pandas()

# %%
rates_by_day(home.quality)

# %%
drift_by_day(home.quality)
