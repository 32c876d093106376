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

from pipelines.analysis import open_home
from pipelines.analysis.conclusions.features import (
    about_ablation,
    about_groups,
    about_leak,
    about_power,
)
from pipelines.analysis.home_access import rounded
from pipelines.analysis.model_analysis import feature_power, leak_demonstration
from pipelines.reporting.charts.diagnostic_charts import ablation_bars

home = open_home()
home.introduction()

# %% [markdown]
# ## Which there are
#
# Features by group, and whether they look back at what happened before the search.

# %%
features = home.features
described = pl.DataFrame(
    {"group": [f.group for f in features], "is_history": [f.is_history for f in features]}
)
described.group_by("group", "is_history").len("features").sort("group", "is_history").to_pandas()

# %%
about_groups(described)

# %% [markdown]
# ## What a feature says alone
#
# `power` is the share of the other results of its search that a clicked listing lies above in that
# feature: 0.5 says nothing, above it high values are clicked, below it low ones.

# %%
rows = home.feature_rows.filter(pl.col("search_day").is_between(*home.test_days)).collect()
power = feature_power(rows, features)
rounded(power.head(25))

# %%
about_power(power)

# %% [markdown]
# ## Why the future must stay out
#
# The same count of clicks twice: as of each search, and over the whole log. The second contains the very
# click that it is asked to predict. Every feature of a past goes through
# `features/history/past_sources.py`, and a test changes future rows and demands that no feature moves.

# %%
leak = leak_demonstration(rows)
rounded(leak)

# %%
about_leak(leak)

# %% [markdown]
# ## What each group is worth
#
# The group's values are dealt out among the rows at random, and the ranker is asked again. It is not
# trained again without the group, so two groups that say the same can both look dispensable. A group
# that the ranker does not read is not in the table. Chart and table count value DCG per search, the
# sentence per 1,000 searches.

# %%
ablation = home.diagnostic("ablation")
ablation_bars(ablation)

# %%
rounded(ablation, 4)

# %%
about_ablation(ablation)
