"""Logs of ids alone: a guest, an item, perhaps a time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from data.schema.tables import CLICKED
from models.two_tower.inputs.arrays import IntArray
from models.two_tower.inputs.eligibility import Allowed
from models.two_tower.inputs.guest_history import events_of
from models.two_tower.inputs.vocabulary import Vocabulary, as_text

__all__ = ["interaction_rows", "seen_mask"]


def interaction_rows(
    users: pa.Array | pa.ChunkedArray,
    items: pa.Array | pa.ChunkedArray,
    times: IntArray | None,
    *,
    seed: int,
) -> tuple[pa.Table, pa.Table]:
    """Interactions as impressions that were all clicked, and as events of the guests.

    With times each interaction is a search of its own, so that its history is what came
    strictly before. Without, a guest is one search, and the events get a random order: the
    history slots then hold a random draw of the guest's items.

    Raises ``ValueError`` when the lengths differ or a guest or item is null.
    """
    user, item = as_text(users), as_text(items)
    if len(user) != len(item) or (times is not None and len(times) != len(user)):
        raise ValueError("users, items and times must be of one length")
    if user.null_count or item.null_count:
        raise ValueError("an interaction needs a guest and an item; found a null")
    columns = {
        "id_user": user,
        "id_listing": item,
        "stage": pa.array(np.full(len(user), CLICKED, dtype=np.int8)),
    }
    if times is None:
        chance = np.random.default_rng(seed)
        order = pa.array(chance.permutation(len(user)))
        events = events_of(pa.table({**columns, "search_s": order}))
        return pa.table({"id_search": user, **columns}), events
    numbered = pa.array(np.arange(len(user))).cast(pa.string())
    second = pa.array(np.asarray(times, dtype=np.int64))
    rows = pa.table({"id_search": numbered, **columns, "search_s": second})
    return rows, events_of(rows)


def seen_mask(users: pa.Array | pa.ChunkedArray, events: pa.Table, listings: Vocabulary) -> Allowed:
    """Allows each guest the listings that no event of theirs names.

    The mask's columns are the known listings in the order of their index, from 1.
    """
    guests = Vocabulary.of([users])
    guest = guests.index(events["id_user"])
    listing = listings.index(events["id_listing"])
    known = (guest > 0) & (listing > 0)
    order = np.argsort(guest[known], kind="stable")
    sorted_guest, sorted_listing = guest[known][order], listing[known][order] - 1
    wanted_guest = guests.index(users)
    first = np.searchsorted(sorted_guest, wanted_guest, side="left")
    count = np.searchsorted(sorted_guest, wanted_guest, side="right") - first

    def allowed(queries: slice, within: slice) -> Tensor:
        # the pairs of guest and seen listing of this block, without a loop over the guests:
        # counts 2, 0, 3 give the rows 0 0 2 2 2 and the steps 0 1 0 1 2
        lengths = count[queries]
        row = np.repeat(np.arange(len(lengths)), lengths)
        step = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        column = sorted_listing[np.repeat(first[queries], lengths) + step] - within.start
        inside = (column >= 0) & (column < within.stop - within.start)
        mask = np.ones((len(lengths), within.stop - within.start), dtype=bool)
        mask[row[inside], column[inside]] = False
        return torch.from_numpy(mask)

    return allowed
