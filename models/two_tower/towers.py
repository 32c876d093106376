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


def _embedding(count: int, width: int) -> nn.Embedding:
    table = nn.Embedding(count, width)
    nn.init.normal_(table.weight, std=_EMBEDDING_SCALE)
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


def _body(width: int, config: TowerConfig) -> nn.Sequential:
    return nn.Sequential(
        CrossLayers(width, config.cross_layers),
        nn.Linear(width, config.hidden),
        nn.ReLU(),
        nn.Linear(config.hidden, config.dimension),
    )


class ListingTower(nn.Module):
    """A listing's vector: its id's own part, plus what its attributes say.

    Without attributes (ids alone) the vector is the id's. Outputs have length 1.
    """

    def __init__(self, shape: InputShape, config: TowerConfig) -> None:
        super().__init__()
        self.id_table = _embedding(shape.listings, config.dimension)
        self.category_tables = nn.ModuleList(
            _embedding(count, config.category_dimension) for count in shape.categories
        )
        width = shape.listing_width + config.category_dimension * len(shape.categories)
        self.body = None
        if width:
            self.market_table = _embedding(shape.markets, config.category_dimension)
            self.body = _body(width + config.category_dimension, config)

    def forward(
        self, id_U: Tensor, dense_UF: Tensor, category_UK: Tensor, market_U: Tensor
    ) -> Tensor:
        vector_UD = self.id_table(id_U)
        if self.body is not None:
            parts = [table(category_UK[:, k]) for k, table in enumerate(self.category_tables)]
            inputs = torch.cat([dense_UF, self.market_table(market_U), *parts], dim=1)
            vector_UD = vector_UD + self.body(inputs)
        return F.normalize(vector_UD.float(), dim=1)


class QueryTower(nn.Module):
    """A search's vector: what is asked, who asks, and what the guest looked at before.

    The history is pooled by attention over the listings' own vectors, asked by the
    search; one learned slot stands for "no history", so that a new guest works.
    """

    def __init__(self, shape: InputShape, config: TowerConfig) -> None:
        super().__init__()
        width = config.dimension
        self.context_table = _embedding(shape.markets, width)
        self.guest_table = _embedding(shape.guests, width) if shape.guests > 1 else None
        self.body = _body(shape.query_width + width, config) if shape.query_width else None
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
        if self.body is not None:
            context_BD = context_BD + self.body(torch.cat([dense_BF, context_BD], dim=1))
        if self.guest_table is not None:
            context_BD = context_BD + self.guest_table(guest_B)
        if self.pools_history:
            context_BD = context_BD + self.gain * self._pool(context_BD, history_BHD, stage_BH)
        return F.normalize(context_BD.float(), dim=1)

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
