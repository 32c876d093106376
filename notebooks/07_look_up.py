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
# # Look one up
#
# One guest, one listing, one search: what was shown, what is recommended, and why. What would this
# guest see for Carnival? Why not that listing? The same as `stayrank show` on the terminal. Nothing is
# published or written to a table.

# %%
from pipelines.analysis.home_access import open_home
from pipelines.look_up import look_up_guest, look_up_listing, look_up_search
from pipelines.look_up.pick import day_asked, friday_before_carnival, guests_to_pick

home = open_home()
guests = guests_to_pick(home.context)
guests

# %% [markdown]
# ## Pick a guest
#
# Any id of the log will do; a misspelt one is answered with the nearest. Those above have searched most.

# %%
GUEST = guests["guest"].iloc[0]

# %% [markdown]
# ## The guest
#
# The search in words, what was known of the guest before it, and three lists side by side: what the
# search showed, what is recommended of the whole market, and what most guests clicked.

# %%
found = look_up_guest(home.context, GUEST, top=5)
print(found)

# %% [markdown]
# ## What would this guest see for Carnival?
#
# Change what is asked here: a check-in, nights, guests, or a market of the home.

# %%
CHECKIN = friday_before_carnival(day_asked(home.context))
NIGHTS = 4
GUESTS = 2

# %%
carnival = look_up_guest(
    home.context, GUEST, checkin=CHECKIN, nights=NIGHTS, guests=GUESTS, top=5
)
print(carnival)

# %% [markdown]
# ## Why not that listing?
#
# The most clicked listing that is not recommended to the guest, or any other id.

# %%
sides = found.frame("side_by_side")
popular = sides["most clicked (popularity)"].dropna()
left_out = popular[~popular.isin(sides["recommended"])]
LISTING = [*left_out, *popular][0]

# %%
print(look_up_listing(home.context, LISTING, guest=GUEST, top=5))

# %% [markdown]
# ## A search
#
# The guest's own: its results as they were shown, as the ranker orders them, and by clicks before it.

# %%
search = look_up_search(home.context, found.frame("search")["id_search"].iloc[0], top=5)
print(search)

# %% [markdown]
# ## As tables
#
# What stands behind the sentences: `search`, `past`, `side_by_side`, `recommended` and `asked`.

# %%
asked = carnival.frame("asked")
asked[["rank", "id_listing", "score", "availability", "estimated_total_price", "placed_by"]].head(10)
