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
# # The ranker
#
# The ranker is the funnel: P(click), P(contact) and P(booking) of each result, by the last of which
# results are ordered. How good it is beside its rival lambdarank and the others, where it fails, and why
# a listing stands where it stands.

# %%
import polars as pl

from pipelines.analysis.home_access import open_home, rounded
from pipelines.evaluation.scorecard_view import (
    headline,
    metrics_shown,
    primary_metric,
    segments_shown,
)
from pipelines.promotion.promote import read_decision
from pipelines.reporting.charts.diagnostic_charts import (
    beeswarm,
    calibration_curves,
    importance_bars,
)
from pipelines.reporting.charts.scorecard_charts import g_bars, metric_by_cutoff, metric_by_model

home = open_home()
metric = primary_metric(home.scorecard)
print(headline(home.scorecard))

# %%
metric_by_model(
    home.scorecard.scores,
    metric=metric,
    title=metrics_shown(home.scorecard)[metric],
    segments=segments_shown(home.scorecard),
)

# %%
metric_by_cutoff(home.scorecard.scores, prefix="value_dcg", title="value DCG")

# %%
g_bars(home.scorecard.scores)

# %% [markdown]
# ## Is it the champion?

# %%
decision = read_decision(home.context.home, home.record.name)
print("\n".join(decision.lines()) if decision else "the gate has not judged this run")

# %% [markdown]
# ## Where it fails
#
# Every segment of the test window, the weakest first. Few searches make wide intervals: read those first.

# %%
weak = home.figures(["value_dcg_at_10", "ndcg_at_10"], home.scorecard.segments)
weak[weak["model"] == "ranker"].sort_values("ndcg_at_10")

# %% [markdown]
# ## What it looks at

# %%
importance_bars(home.diagnostic("shap"))

# %%
beeswarm(home.diagnostic("shap"))

# %% [markdown]
# ## Why this listing
#
# Whole searches of the test window: the place a listing was shown at, the ranker's place, and what
# speaks for it beside the others of its search.

# %%
examples = home.diagnostic("examples")
first = examples.filter(pl.col("id_search") == examples["id_search"][0])
first.select("rank", "shown", "id_listing", "stage", "reasons").to_pandas()

# %% [markdown]
# ## Can its probabilities be believed?
#
# Of each stage by market: what was predicted beside what came.

# %%
calibration_curves(home.diagnostic("calibration"))
