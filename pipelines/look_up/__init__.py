"""One guest, one listing, one search looked up: what a person asks about a recommendation.

``stayrank show`` prints what these functions return; in Python and in notebooks their tables are
pandas frames::

    found = look_up_guest(home.context, "simU00001400", checkin="2026-02-13", nights=4, guests=2)
    print(found)
    found.frame("recommended")

Nothing is published or written to a table of the lake, whatever is asked.
"""

from pipelines.look_up.asking import AskingError
from pipelines.look_up.found import Found, Section
from pipelines.look_up.guest import look_up_guest
from pipelines.look_up.listing import look_up_listing
from pipelines.look_up.search import look_up_search

__all__ = [
    "AskingError",
    "Found",
    "Section",
    "look_up_guest",
    "look_up_listing",
    "look_up_search",
]
