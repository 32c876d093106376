"""The two towers: what a guest asks, and what a listing is, as vectors of one space.

Shapes: B searches, U listings, F dense inputs, K categories, H history slots,
D compared dimensions, W hidden width.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from models.two_tower.config import TowerConfig

__all__ = ["CrossLayers", "InputShape", "ListingTower", "QueryTower", "TwoTowerNet"]

_STAGES = 4
_EMBEDDING_SCALE = 0.1
# Beside attributes an id starts almost silent: a listing with few positives is then
# placed by what it is like, and its id adds what the attributes do not say.
_QUIET_SCALE = 0.01


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

    The first D numbers have length 1. The last is its appeal to everybody, in units of
    the cosine: what a length-1 vector could say only by leaning towards all guests.
    """

    def __init__(self, shape: InputShape, config: TowerConfig) -> None:
        super().__init__()
        width = shape.listing_width + config.category_dimension * len(shape.categories)
        scale = _QUIET_SCALE if width else _EMBEDDING_SCALE
        self.id_table = _embedding(shape.listings, config.dimension, scale)
        self.appeal_table = _embedding(shape.listings, 1, 0.0)
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
            self.appeal = nn.Linear(config.hidden, 1, bias=False)

    def forward(
        self, id_U: Tensor, dense_UF: Tensor, category_UK: Tensor, market_U: Tensor
    ) -> Tensor:
        vector_UD, appeal_U1 = self.id_table(id_U), self.appeal_table(id_U)
        if self.trunk is not None:
            parts = [table(category_UK[:, k]) for k, table in enumerate(self.category_tables)]
            inputs = torch.cat([dense_UF, self.market_table(market_U), *parts], dim=1)
            hidden_UW = self.trunk(inputs)
            vector_UD = vector_UD + self.place(hidden_UW)
            appeal_U1 = appeal_U1 + self.appeal(hidden_UW)
        unit_UD = F.normalize(vector_UD.float(), dim=1)
        return torch.cat([unit_UD, self.appeal_scale * appeal_U1.float()], dim=1)


class QueryTower(nn.Module):
    """A search's vector: what is asked, who asks, and what the guest looked at before.

    The history is pooled by attention over the listings' own vectors, asked by the
    search; one learned slot stands for "no history", so that a new guest works. The
    first D numbers have length 1; the last is 1 and takes a listing's appeal as it is.
    """

    def __init__(self, shape: InputShape, config: TowerConfig) -> None:
        super().__init__()
        width = config.dimension
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
            self.ask = nn.Linear(width, width)
            self.nothing = nn.Parameter(torch.zeros(2, width))
            self.gain = nn.Parameter(torch.ones(width))

    def forward(
        self,
        dense_BF: Tensor,
        market_B: Tensor,
        guest_B: Tensor,
        history_BHD: Tensor,
        stage_BH: Tensor,
    ) -> Tensor:
        context_BD = self.context_table(market_B)
        if self.trunk is not None:
            hidden_BW = self.trunk(torch.cat([dense_BF, context_BD], dim=1))
            context_BD = context_BD + self.place(hidden_BW)
        if self.guest_table is not None:
            context_BD = context_BD + self.guest_table(guest_B)
        if self.pools_history:
            liked_BHD = history_BHD[:, :, :-1]
            context_BD = context_BD + self.gain * self._pool(context_BD, liked_BHD, stage_BH)
        unit_BD = F.normalize(context_BD.float(), dim=1)
        return torch.cat([unit_BD, unit_BD.new_ones(len(unit_BD), 1)], dim=1)

    def _pool(self, context_BD: Tensor, history_BHD: Tensor, stage_BH: Tensor) -> Tensor:
        asked_BD = self.ask(context_BD)
        scale = asked_BD.shape[-1] ** 0.5
        # asked . (listing + stage), without making the sum for every slot
        stage_BS = asked_BD @ self.stage_table.weight.T
        logit_BH = torch.einsum("bd,bhd->bh", asked_BD, history_BHD) + stage_BS.gather(1, stage_BH)
        logit_BH = logit_BH / scale + self.slot_bias
        logit_BH = logit_BH.masked_fill(stage_BH == 0, float("-inf"))
        empty_B1 = (asked_BD @ self.nothing[0] / scale).unsqueeze(1)
        share_BH = torch.softmax(torch.cat([empty_B1, logit_BH], dim=1), dim=1)
        pooled_BD = torch.einsum("bh,bhd->bd", share_BH[:, 1:], history_BHD)
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
        self, queries: dict[str, Tensor], listings: dict[str, Tensor], history_place_BH: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Vectors of the searches and of the listings.

        Args:
            queries: ``dense``, ``market``, ``guest``, ``history_stage`` per search.
            listings: ``id``, ``dense``, ``category``, ``market`` per listing.
            history_place_BH: row in ``listings`` of each history slot.
        """
        vector_UD = self.listing(
            listings["id"], listings["dense"], listings["category"], listings["market"]
        )
        return self.ask(queries, vector_UD[history_place_BH]), vector_UD

    def ask(self, queries: dict[str, Tensor], history_BHD: Tensor) -> Tensor:
        """Vectors of searches whose history vectors are known already."""
        vector_BD: Tensor = self.query(
            queries["dense"],
            queries["market"],
            queries["guest"],
            history_BHD,
            queries["history_stage"],
        )
        return vector_BD
