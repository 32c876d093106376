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
# # The features
#
# What each feature says alone, why none of them may know the future, and what each group is worth
# to the ranker.

# %%
import polars as pl

from pipelines.analysis.home_access import open_home, rounded
from pipelines.analysis.model_analysis import feature_power, leak_demonstration
from pipelines.reporting.charts.diagnostic_charts import ablation_bars

home = open_home()
features = home.features
rows = home.feature_rows.filter(pl.col("search_day").is_between(*home.test_days)).collect()
print(f"{len(features)} features in {len(features.groups)} groups, {rows.height:,} test rows")

# %%
pl.DataFrame(
    {"group": [f.group for f in features], "is_history": [f.is_history for f in features]}
).group_by("group", "is_history").len().sort("group", "is_history").to_pandas()

# %% [markdown]
# ## What a feature says alone
#
# `power` is the share of the other results of its search that a clicked listing lies above in that
# feature: 0.5 says nothing, above it high values are clicked, below it low ones.

# %%
rounded(feature_power(rows, features).head(25))

# %% [markdown]
# ## Why the future must stay out
#
# Below, the same count of clicks twice: as of each search, and over the whole log. The second looks far
# better, because it contains the very click it is asked to predict. A model trained on it would shine on
# paper and fail on the day. Every feature of a past goes through `features/history/past_sources.py`, and a test
# changes future rows and demands that no feature moves.

# %%
rounded(leak_demonstration(rows))

# %% [markdown]
# ## What each group is worth
#
# The group's values are dealt out among the rows at random, and the ranker is asked again. It is not
# trained again without the group, so two groups that say the same can both look dispensable.

# %%
ablation_bars(home.diagnostic("ablation"))

# %%
rounded(home.diagnostic("ablation"), 4)
