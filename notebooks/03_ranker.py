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
from pipelines.analysis import open_home
from pipelines.analysis.conclusions.conclusion import drawn
from pipelines.analysis.conclusions.ranker import (
    about_calibration,
    about_ceiling,
    about_champion,
    about_example,
    about_importance,
    about_models,
    about_segments,
)
from pipelines.analysis.example_search import example_search
from pipelines.analysis.figures import figures, of_orders
from pipelines.analysis.home_access import rounded
from pipelines.evaluation.scorecard_view import (
    metrics_shown,
    name_of,
    ndcg_shown,
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
from pipelines.verdict.sentence import in_plain_words

home = open_home()
home.introduction()

# %% [markdown]
# ## How good it is
#
# On what was logged: every order scored by the clicks and bookings of the test window.

# %%
metric, shown = primary_metric(home.evaluation), metrics_shown(home.evaluation)
orders = of_orders(home.evaluation.scores)
chart = metric_by_model(
    orders,
    metric=metric,
    title=shown[metric],
    segments=segments_shown(home.evaluation),
    colours=home.colours,
)
drawn(chart)

# %%
ndcg = ndcg_shown(home.evaluation)
prefix, title = ndcg.rpartition("_at_")[0], name_of(ndcg).rpartition("@")[0]
drawn(metric_by_cutoff(orders, prefix=prefix, title=title))

# %%
about_models(home.evaluation)

# %% [markdown]
# ## How good it could be
#
# Where the log is simulated the true chances are known, and so is the best order. G needs no outcomes, so
# luck has no part in it: 1 is the best order, 0 a random one.

# %%
drawn(g_bars(home.evaluation.scores))

# %%
about_ceiling(home.evaluation)

# %% [markdown]
# ## Is it the champion?
#
# What the gate looked at, and what it found.

# %%
decision = read_decision(home.context.home, home.record.name)
lines = decision.lines() if decision else ["the gate has not judged this run"]
print(in_plain_words("\n".join(lines)))

# %%
about_champion(decision)

# %% [markdown]
# ## Where it fails
#
# Every segment of the test window, the weakest first. Beside each figure stand the searches that it rests
# on: NDCG has only those with an outcome.

# %%
figures(
    home.evaluation,
    {ndcg: name_of(ndcg), metric: shown[metric]},
    home.evaluation.segments,
    ["ranker"],
    weakest_first=True,
)

# %%
about_segments(home.evaluation)

# %% [markdown]
# ## What it looks at
#
# How much each feature moves a listing within its search, and which of its values move it up.

# %%
shap = home.diagnostic("shap")
importance_bars(shap)

# %%
beeswarm(shap)

# %%
about_importance(shap)

# %% [markdown]
# ## Why this listing
#
# A search of the test window that ended in a booking: the place a listing was shown at, the ranker's
# place, and what speaks for it beside the others of its search.

# %%
example = example_search(home.diagnostic("examples"))
rounded(example.drop("stage"))

# %%
about_example(example)

# %% [markdown]
# ## Can its probabilities be believed?
#
# Of each stage by market: what was predicted beside what came.

# %%
calibration = home.diagnostic("calibration")
drawn(calibration_curves(calibration, home.colours))

# %%
about_calibration(calibration)
