"""The two towers: a search and a listing as vectors of one space.

Shapes: B searches, U listings, F dense inputs, K categories, H history slots,
D compared dimensions, E heads, W hidden width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from models.two_tower.config import TowerConfig

__all__ = [
    "CrossLayers",
    "InputShape",
    "ListingTower",
    "QueryTower",
    "TwoTowerNet",
    "look_up",
    "take_rows",
]

_STAGES = 4
_EMBEDDING_SCALE = 0.1
# Beside attributes an id starts almost silent: a listing with few positives is then
# placed by what it is like, and its id adds what the attributes do not say.
_QUIET_SCALE = 0.01
# Up to so many rows the gradient of taken rows is a product on a GPU.
_FEW_ROWS = 32


@dataclass(frozen=True, kw_only=True)
class InputShape:
    """Sizes that the log decides: vocabularies (index 0 included) and dense widths."""

    listings: int
    guests: int
    markets: int
    query_width: int
    listing_width: int
    categories: tuple[int, ...]

    def to_mapping(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Self:
        """What :meth:`to_mapping` gave."""
        return cls(**{**values, "categories": tuple(values["categories"])})


def _embedding(count: int, width: int, scale: float = _EMBEDDING_SCALE) -> nn.Embedding:
    table = nn.Embedding(count, width)
    nn.init.normal_(table.weight, std=scale)
    return table


class _TakeRows(torch.autograd.Function):
    """Rows by number; the gradient of a row that is taken several times is added up in place."""

    @staticmethod
    def forward(ctx: Any, values_UD: Tensor, place: Tensor) -> Tensor:
        ctx.save_for_backward(place)
        ctx.rows = len(values_UD)
        return values_UD[place]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (place,) = ctx.saved_tensors
        place_N, grad_ND = place.flatten(), grads[0].reshape(-1, grads[0].shape[-1])
        if ctx.rows <= _FEW_ROWS:
            # adding thousands of rows to the same few, one has to wait for the other
            which_R = torch.arange(ctx.rows, device=place.device)
            return (place_N == which_R[:, None]).to(grad_ND.dtype) @ grad_ND, None
        total_RD = grad_ND.new_zeros(ctx.rows, grad_ND.shape[1])
        return total_RD.index_add_(0, place_N, grad_ND), None


def take_rows(values_UD: Tensor, place: Tensor) -> Tensor:
    """``values_UD[place]``, with a gradient that adds up in one order on a CPU.

    Of an index torch's CPU threads add the gradient in whatever order they come; of an embedding
    each thread has rows of its own. On a GPU torch would sort the places first.
    """
    if not values_UD.is_cuda:
        return F.embedding(place, values_UD)
    rows: Tensor = _TakeRows.apply(values_UD, place)  # type: ignore[no-untyped-call]
    return rows


def look_up(table: nn.Embedding, index: Tensor) -> Tensor:
    """Rows of a table, by the way that suits its device."""
    rows: Tensor = take_rows(table.weight, index) if table.weight.is_cuda else table(index)
    return rows


def _products(one_BD: Tensor, many_BHD: Tensor) -> Tensor:
    """Inner product of each vector with each of its own many; shape ``(B, H)``."""
    if one_BD.is_cuda:  # where a product of one row by ten suits no matrix unit
        return (one_BD[:, None] * many_BHD).sum(dim=2)
    return torch.einsum("bd,bhd->bh", one_BD, many_BHD)


def _weighted_sums(weight_BH: Tensor, many_BHD: Tensor) -> Tensor:
    """Sum of many vectors, each by its weight; shape ``(B, D)``."""
    if weight_BH.is_cuda:
        return (weight_BH[:, :, None] * many_BHD).sum(dim=1)
    return torch.einsum("bh,bhd->bd", weight_BH, many_BHD)


class CrossLayers(nn.Module):
    """DCN-v2: ``x ← x0 * (W x + b) + x`` (Wang et al. 2021, eq. 1)."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))

    def forward(self, inputs_NW: Tensor) -> Tensor:
        crossed_NW = inputs_NW
        for layer in self.layers:
            crossed_NW = inputs_NW * layer(crossed_NW) + crossed_NW
        return crossed_NW


def _trunk(width: int, config: TowerConfig) -> nn.Sequential:
    return nn.Sequential(
        CrossLayers(width, config.cross_layers), nn.Linear(width, config.hidden), nn.ReLU()
    )


class ListingTower(nn.Module):
    """A listing's vector: its id's own part, plus what its attributes say.

    The first D numbers have length 1. The others, one per head, are its appeal to
    everybody, in units of the cosine: vectors of length 1 alone could make a listing popular
    with all guests only by pointing between all of them.
    """

    def __init__(self, shape: InputShape, config: TowerConfig) -> None:
        super().__init__()
        width = shape.listing_width + config.category_dimension * len(shape.categories)
        scale = _QUIET_SCALE if width else _EMBEDDING_SCALE
        self.id_table = _embedding(shape.listings, config.dimension, scale)
        self.appeal_table = _embedding(shape.listings, config.heads, 0.0)
        self.appeal_scale = config.temperature
        self.category_tables = nn.ModuleList(
            _embedding(count, config.category_dimension) for count in shape.categories
        )
        self.trunk = None
        if width:
            self.market_table = _embedding(shape.markets, config.category_dimension)
            self.trunk = _trunk(width + config.category_dimension, config)
            self.place = nn.Linear(config.hidden, config.dimension)
            # no bias: what is added to every listing's appeal cancels in a softmax
            self.appeal = nn.Linear(config.hidden, config.heads, bias=False)

    def forward(
        self, id_U: Tensor, dense_UF: Tensor, category_UK: Tensor, market_U: Tensor
    ) -> Tensor:
        vector_UD, appeal_UE = look_up(self.id_table, id_U), look_up(self.appeal_table, id_U)
        if self.trunk is not None:
            tables = enumerate(self.category_tables)
            parts = [look_up(cast("nn.Embedding", t), category_UK[:, k]) for k, t in tables]
            inputs = torch.cat([dense_UF, look_up(self.market_table, market_U), *parts], dim=1)
            hidden_UW = self.trunk(inputs)
            vector_UD = vector_UD + self.place(hidden_UW)
            appeal_UE = appeal_UE + self.appeal(hidden_UW)
        unit_UD = F.normalize(vector_UD.float(), dim=1)
        return torch.cat([unit_UD, self.appeal_scale * appeal_UE.float()], dim=1)


class QueryTower(nn.Module):
    """A search's vector, from its inputs, its guest and the listings of the guest's history.

    The history is pooled by attention over the listings' own vectors, with the search as
    the attention's query; one learned slot stands for "no history", so that a new guest works. The
    first D numbers have length 1; of the others, one per head, the head's own is 1 and
    takes a listing's appeal as it is.

    With a head per stage the vector is that of one head, or the heads' weighted sum: an
    inner product with the sum is the weighted sum of the heads' scores.
    """

    def __init__(self, shape: InputShape, config: TowerConfig) -> None:
        super().__init__()
        self.width = width = config.dimension
        self.context_table = _embedding(shape.markets, width)
        self.guest_table = _embedding(shape.guests, width) if shape.guests > 1 else None
        self.trunk = None
        if shape.query_width:
            self.trunk = _trunk(shape.query_width + width, config)
            self.place = nn.Linear(config.hidden, width)
        self.pools_history = config.history_length > 0
        if self.pools_history:
            self.stage_table = _embedding(_STAGES, width)
            self.slot_bias = nn.Parameter(torch.zeros(config.history_length))
            self.ask = nn.Linear(width, width)  # the attention's query; saved models name it so
            self.nothing = nn.Parameter(torch.zeros(2, width))  # key and value of "no history"
            self.gain = nn.Parameter(torch.ones(width))
        self.turn = None
        if config.heads > 1:
            # zeros: all heads start equal and move apart where the stages differ
            self.turn = nn.Linear(width, config.heads * width)
            nn.init.zeros_(self.turn.weight)
            nn.init.zeros_(self.turn.bias)
            self.register_buffer(
                "share_E", torch.tensor(config.head_shares, dtype=torch.float32), persistent=False
            )

    def forward(
        self, queries: dict[str, Tensor], history_BHD: Tensor, head_B: Tensor | None = None
    ) -> Tensor:
        """Vectors of the searches: of head ``head_B`` of each, or of all heads together."""
        context_BD = self._context(queries, history_BHD)
        if self.turn is None:
            unit_BD = F.normalize(context_BD.float(), dim=1)
            return torch.cat([unit_BD, unit_BD.new_ones(len(unit_BD), 1)], dim=1)
        turned_BED = self.turn(context_BD).view(len(context_BD), -1, self.width)
        unit_BED = F.normalize((context_BD[:, None] + turned_BED).float(), dim=2)
        own_EE = torch.eye(unit_BED.shape[1], device=unit_BED.device)
        if head_B is not None:
            chosen_BD = unit_BED[torch.arange(len(head_B), device=head_B.device), head_B]
            return torch.cat([chosen_BD, own_EE[head_B]], dim=1)
        vector_BEX = torch.cat([unit_BED, own_EE.expand(len(unit_BED), -1, -1)], dim=2)
        return torch.einsum("bex,e->bx", vector_BEX, self.share_E)

    def _context(self, queries: dict[str, Tensor], history_BHD: Tensor) -> Tensor:
        """Search, guest and history as one vector, before its length is made 1."""
        context_BD = look_up(self.context_table, queries["market"])
        if self.trunk is not None:
            hidden_BW = self.trunk(torch.cat([queries["dense"], context_BD], dim=1))
            context_BD = context_BD + self.place(hidden_BW)
        if self.guest_table is not None:
            context_BD = context_BD + look_up(self.guest_table, queries["guest"])
        if self.pools_history:
            listing_BHD, stage_BH = history_BHD[:, :, : self.width], queries["history_stage"]
            context_BD = context_BD + self.gain * self._pool(context_BD, listing_BHD, stage_BH)
        return context_BD

    def _pool(self, context_BD: Tensor, history_BHD: Tensor, stage_BH: Tensor) -> Tensor:
        attention_BD = self.ask(context_BD)
        scale = attention_BD.shape[-1] ** 0.5
        # query . (listing + stage), without making that sum for every slot
        stage_BS = attention_BD @ self.stage_table.weight.T
        logit_BH = _products(attention_BD, history_BHD) + stage_BS.gather(1, stage_BH)
        logit_BH = logit_BH / scale + self.slot_bias
        # stage 0 is an empty slot. Never all are masked: "no history" is one more slot, whose
        # logit is nothing[0] and whose value is nothing[1], or the softmax would be NaN
        logit_BH = logit_BH.masked_fill(stage_BH == 0, float("-inf"))
        empty_B1 = (attention_BD @ self.nothing[0] / scale).unsqueeze(1)
        share_BH = torch.softmax(torch.cat([empty_B1, logit_BH], dim=1), dim=1)
        pooled_BD = _weighted_sums(share_BH[:, 1:], history_BHD)
        return pooled_BD + share_BH[:, :1] * self.nothing[1]


class TwoTowerNet(nn.Module):
    """Both towers; ``forward`` encodes a step's listings and its searches together."""

    def __init__(self, shape: InputShape, config: TowerConfig) -> None:
        super().__init__()
        self.shape = shape
        self.config = config
        self.listing = ListingTower(shape, config)
        self.query = QueryTower(shape, config)

    def forward(
        self,
        queries: dict[str, Tensor],
        listings: dict[str, Tensor],
        history_place_BH: Tensor,
        head_B: Tensor | None = None,
        when_listings_are_done: Callable[[Tensor], None] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Vectors of the searches and of the listings.

        Args:
            queries: ``dense``, ``market``, ``guest``, ``history_stage`` per search.
            listings: ``id``, ``dense``, ``category``, ``market`` per listing.
            history_place_BH: row in ``listings`` of each history slot.
            head_B: head of each search; without it the weighted sum of all.
            when_listings_are_done: called with the listings' vectors before the searches' are made.
        """
        vector_UD = self.listing(
            listings["id"], listings["dense"], listings["category"], listings["market"]
        )
        if when_listings_are_done is not None:
            when_listings_are_done(vector_UD)
        return self.query(queries, take_rows(vector_UD, history_place_BH), head_B), vector_UD

    def encode_queries(self, queries: dict[str, Tensor], history_BHD: Tensor) -> Tensor:
        """Vectors of searches, given the vectors of the listings in their histories."""
        vector_BD: Tensor = self.query(queries, history_BHD)
        return vector_BD
