"""Steps of training, drawn on the device: which positives, and which listings are encoded.

Every draw is a function of (seed, epoch, step) alone. A resumed run therefore repeats an
uninterrupted one without any generator being saved, and all processes of a distributed
run draw the same step and take their own part of it.

What a positive is compared with depends on the size of the catalogue. A small one is
encoded whole in each step (full softmax, nothing to correct). Of a large one only the
batch's own positives and some uniform draws are: popular listings then stand among the
candidates more often, which ``log_count_C`` corrects (logQ; the worked example is at the
top of ``losses.py``).

Shapes: B positives of this process, U listings encoded, C candidates, H slots, M uniform
draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.two_tower.config import TrainConfig
from models.two_tower.inputs.training_set import TrainingSet
from models.two_tower.training.fused_softmax import RankBounds
from models.two_tower.training.losses import expected_log_count
from models.two_tower.training.query_loader import query_loader, tensors_of

__all__ = ["Minibatch", "Minibatches", "Part"]

# Large odd constants keep the seeds of different epochs and steps apart.
_EPOCH_STRIDE = 1_000_003
_STEP_STRIDE = 7_919
_SEED_LIMIT = 2**62
# Bounds are evaluated once for all steps while the mask takes at most this much memory.
_MASK_BYTES = 400_000_000
_MASK_ROWS = 1024


@dataclass(frozen=True, kw_only=True)
class Part:
    """This process's share of each step: number ``rank`` of ``world``."""

    rank: int = 0
    world: int = 1

    def of(self, values: Tensor) -> Tensor:
        """The ``rank``-th of ``world`` equal slices."""
        size = len(values) // self.world
        return values[self.rank * size : (self.rank + 1) * size]


@dataclass(frozen=True, kw_only=True)
class Minibatch:
    """One step.

    Attributes:
        queries: ``dense``, ``market``, ``guest``, ``history_stage`` per search.
        listings: ``id``, ``dense``, ``category``, ``market`` per encoded listing; ids
            hidden by the id dropout are 0.
        history_place_BH, positive_place_B, hard_place_BH, own_place_C: rows of ``listings``;
            the last those of this process's own candidates.
        is_hard_BH: which journey negatives exist.
        positives: ``id``, ``market``, ``head``, ``weight`` per positive; the weights of the step,
            over all processes, sum to 1.
        candidate_id_C, candidate_market_C: of the candidates of all processes, in their order.
        log_count_C: log of each candidate's expected draws, over all processes.
        search_B: row of ``TrainingSet.queries`` of each positive.
        is_full: the candidates are every listing.
    """

    queries: dict[str, Tensor]
    listings: dict[str, Tensor]
    history_place_BH: Tensor
    positive_place_B: Tensor
    hard_place_BH: Tensor
    is_hard_BH: Tensor
    own_place_C: Tensor | slice
    positives: dict[str, Tensor]
    candidate_id_C: Tensor
    candidate_market_C: Tensor
    log_count_C: Tensor
    search_B: Tensor
    is_full: bool


class Minibatches:
    """Draws the steps of a :class:`TrainingSet` that lies on ``device``."""

    def __init__(
        self, data: TrainingSet, config: TrainConfig, *, id_dropout: float, device: torch.device
    ) -> None:
        self.config = config
        self.id_dropout = id_dropout
        self.device = device
        self.hides_positive = data.hides_positive
        self.query_inputs, self.listing_inputs = data.query_inputs, data.listing_inputs
        self.catalogue = tensors_of(data.catalogue, device)
        self.positives = tensors_of(data.positives, device)
        is_bound = config.eligible_only and data.bounds.binds
        self.bounds = data.bounds.on(device) if is_bound else None
        # On a GPU nothing may depend on how many different listings a step touches: the host
        # would have to wait for that number.
        self.has_static_shapes = device.type == "cuda"
        ranked = data.bounds.ranks() if is_bound and device.type == "cuda" else None
        self.ranked = None if ranked is None else ranked.on(device)
        self.allowed_SL = self._allowed_everywhere(len(data.queries))
        self.hard = torch.from_numpy(data.hard).to(device)
        self.is_full = _takes_full_softmax(config, len(data.catalogue) - 1)
        self.batch_size = min(config.batch_size, len(data.positives))
        self.steps_per_epoch = max(1, len(data.positives) // self.batch_size)
        self.loader = query_loader(data.queries, config, self.steps_per_epoch, device)
        self._count_draws()

    def _count_draws(self) -> None:
        """Set each listing's share of the positives and its expected uniform draws, for logQ."""
        listings = len(self.catalogue["id"])
        chosen = torch.bincount(self.positives["listing"], minlength=listings)
        self.share_L = chosen / len(self.positives["listing"])
        market = self.catalogue["market"]
        market_share_L = torch.zeros(int(market.max()) + 1, device=self.device)
        market_share_L.index_add_(0, market, self.share_L)
        order = torch.argsort(market[1:], stable=True) + 1
        self.by_market_L = order
        size = torch.bincount(market[1:], minlength=len(market_share_L))
        self.market_size, self.market_start = size, torch.cumsum(size, 0) - size
        # A uniform draw takes the market of a random positive, then one of its listings: with
        # 100 draws a market of 4 listings and a quarter of the positives gets 25, each 6.25.
        draws = self.config.uniform_negatives
        self.uniform_L = draws * market_share_L[market] / size.clamp(min=1)[market]

    def _allowed_everywhere(self, searches: int) -> Tensor | None:
        """The mask of all searches and listings, where a byte each is affordable."""
        listings = len(self.catalogue["id"])
        if self.bounds is None or self.ranked or searches * listings > _MASK_BYTES:
            return None
        blocks = range(0, searches, _MASK_ROWS)
        everything = slice(None)
        return torch.cat(
            [self.bounds(slice(start, start + _MASK_ROWS), everything) for start in blocks]
        )

    def allowed(self, search_B: Tensor, listing_C: Tensor) -> Callable[[slice], Tensor] | None:
        """Mask of the candidates that some of these searches allow; ``None`` = no bounds."""
        if self.allowed_SL is not None:
            mask_SL = self.allowed_SL
            if self.is_full:
                return lambda part: mask_SL[search_B[part]][:, 1:]
            return lambda part: mask_SL[search_B[part]][:, listing_C]
        if self.bounds is None:
            return None
        bounds = self.bounds
        return lambda part: bounds(search_B[part], listing_C)

    def ranks(self, batch: Minibatch) -> RankBounds | None:
        """The same mask as integers; ``None`` where there is none, or none without a radius."""
        if self.ranked is None:
            return None
        bound_NB, value_NC = self.ranked.between(
            batch.search_B, batch.positives["id"], batch.candidate_id_C
        )
        return RankBounds(bound_NB=bound_NB, value_NC=value_NC)

    def generator(self, epoch: int, step: int) -> torch.Generator:
        """The source of chance of one step; step -1 is the epoch's own order."""
        seed = self.config.seed + _EPOCH_STRIDE * (epoch + 1) + _STEP_STRIDE * (step + 1)
        return torch.Generator(self.device).manual_seed(seed % _SEED_LIMIT)

    def order(self, epoch: int) -> Tensor:
        """The order of the positives in this epoch."""
        chance = self.generator(epoch, -1)
        count = len(self.positives["listing"])
        return torch.randperm(count, generator=chance, device=self.device)

    def draw(self, order_P: Tensor, epoch: int, step: int, part: Part) -> Minibatch:
        """Step ``step`` of the epoch: the part of this process."""
        # All draws come from one generator, so their order must not change: a resumed run would
        # draw other steps. And every process draws the whole step before it takes its part, or
        # the processes would disagree on it.
        chance = self.generator(epoch, step)
        chosen_B = self._chosen(order_P, step, part)
        uniform_M = self._uniform(chance)
        hard_BH, is_hard_BH = self._hard(chosen_B, chance)
        keeps_id_L = self._keeps_id(chance)
        total_weight = self.positives["weight"][chosen_B].sum()
        mine_B = part.of(chosen_B)
        queries, history_BH = self._queries(order_P, epoch, step, part)
        listing_B = self.positives["listing"][mine_B]
        positives = {
            "id": listing_B,
            "market": self.catalogue["market"][listing_B],
            "head": self.positives["head"][mine_B],
            "weight": self.positives["weight"][mine_B] / total_weight,
        }
        hard_BH = part.of(hard_BH)
        if self.is_full:
            places = self._full_layout(listing_B, hard_BH, history_BH)
            candidate_C = places["listing_U"][1:]
        else:
            touched = listing_B, part.of(uniform_M), hard_BH, history_BH
            listings = len(self.catalogue["id"]) if self.has_static_shapes else None
            places = _sampled_layout(*touched, listings)
            candidate_C = _of_all_processes(self.positives["listing"][chosen_B], uniform_M, part)
        id_U = places.pop("listing_U")
        return Minibatch(
            queries=queries,
            listings=self._listing_inputs(id_U, keeps_id_L),
            is_hard_BH=part.of(is_hard_BH),
            positives=positives,
            candidate_id_C=candidate_C,
            candidate_market_C=self.catalogue["market"][candidate_C],
            log_count_C=self._log_count(candidate_C, len(chosen_B)),
            search_B=self.positives["search"][mine_B],
            is_full=self.is_full,
            **places,
        )

    def _log_count(self, candidate_C: Tensor, size: int) -> Tensor:
        """The logQ correction; ``size`` is the number of positives of all processes."""
        if self.is_full:
            # every listing is a candidate exactly once, and log 1 = 0
            return torch.zeros(len(candidate_C), device=self.device)
        return expected_log_count(candidate_C, self.share_L, size, self.uniform_L)

    def _listing_inputs(self, id_U: Tensor, keeps_id_L: Tensor) -> dict[str, Tensor]:
        return {
            "id": id_U * keeps_id_L[id_U],
            "dense": self.catalogue["dense"][id_U],
            "category": self.catalogue["category"][id_U],
            "market": self.catalogue["market"][id_U],
        }

    def _chosen(self, order_P: Tensor, step: int, part: Part) -> Tensor:
        """The positives of a step, of all processes together."""
        size = self.batch_size // part.world * part.world
        return order_P[step * self.batch_size :][:size]

    def _queries(
        self, order_P: Tensor, epoch: int, step: int, part: Part
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The searches of this process's positives, and apart from them their histories."""

        def searches(at: int) -> Tensor:
            return self.positives["search"][part.of(self._chosen(order_P, at, part))]

        queries = self.loader.rows(epoch, step, searches)
        history_BH = queries.pop("history")
        if self.hides_positive:
            # without times the positive is in its own guest's history: the answer itself
            mine_B = part.of(self._chosen(order_P, step, part))
            hidden_BH = history_BH == self.positives["listing"][mine_B, None]
            queries["history_stage"] = queries["history_stage"].masked_fill(hidden_BH, 0)
        return queries, history_BH

    def _keeps_id(self, chance: torch.Generator) -> Tensor:
        """1 per listing whose id this step shows, 0 where the id dropout hides it."""
        draws = torch.rand(len(self.catalogue["id"]), generator=chance, device=self.device)
        return (draws >= self.id_dropout).long()

    def _uniform(self, chance: torch.Generator) -> Tensor:
        """Listings drawn uniformly within the markets of random positives."""
        draws = 0 if self.is_full else self.config.uniform_negatives
        count = len(self.positives["listing"])
        positive = torch.randint(count, (draws,), generator=chance, device=self.device)
        market = self.catalogue["market"][self.positives["listing"][positive]]
        place = torch.rand(draws, generator=chance, device=self.device)
        size = self.market_size[market]
        # float32 rounding can make place * size reach size, the next market's first listing
        offset = torch.minimum((place * size).long(), size - 1)
        return self.by_market_L[self.market_start[market] + offset]

    def _hard(self, chosen_B: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """Journey negatives of each positive, drawn with replacement; 0 = none."""
        slots = self.config.hard_negatives if len(self.hard) else 0
        start_B1 = self.positives["hard_start"][chosen_B, None]
        count_B1 = self.positives["hard_count"][chosen_B, None]
        draws = torch.rand((len(chosen_B), slots), generator=chance, device=self.device)
        offset = torch.minimum((draws * count_B1).long(), (count_B1 - 1).clamp(min=0))
        is_hard_BH = (count_B1 > 0).expand(-1, slots)
        if not slots:
            return start_B1.expand(-1, 0), is_hard_BH
        place_BH = (start_B1 + offset).clamp(max=len(self.hard) - 1)
        return torch.where(is_hard_BH, self.hard[place_BH], 0), is_hard_BH

    def _full_layout(
        self, listing_B: Tensor, hard_BH: Tensor, history_BH: Tensor
    ) -> dict[str, Any]:
        """Every listing is encoded once; a listing's place is its index."""
        everything = torch.arange(len(self.catalogue["id"]), device=self.device)
        return {
            "listing_U": everything,
            "positive_place_B": listing_B,
            "hard_place_BH": hard_BH,
            "history_place_BH": history_BH,
            "own_place_C": slice(1, None),  # row 0 is no listing: the unseen
        }


def _sampled_layout(
    listing_B: Tensor,
    uniform_M: Tensor,
    hard_BH: Tensor,
    history_BH: Tensor,
    listings: int | None,
) -> dict[str, Any]:
    """Only what this step touches is encoded, each listing once.

    With ``listings``, the size of the catalogue, the shapes do not depend on how many that are.
    """
    touched = (listing_B, uniform_M, hard_BH.flatten(), history_BH.flatten())
    touched_T = torch.cat(touched)
    if listings is None:
        listing_U, place = torch.unique(touched_T, return_inverse=True)
    else:
        listing_U, place = _unique_padded(touched_T, listings)
    positive, uniform, hard, history = place.split([len(part) for part in touched])
    return {
        "listing_U": listing_U,
        "positive_place_B": positive,
        "hard_place_BH": hard.view(hard_BH.shape),
        "history_place_BH": history.view(history_BH.shape),
        # Journey negatives stay out: they are chosen because they were shown, which no
        # expected count describes. They have a softmax of their own, ``journey_loss``.
        "own_place_C": torch.cat([positive, uniform]),
    }


def _unique_padded(touched_T: Tensor, listings: int) -> tuple[Tensor, Tensor]:
    """As ``torch.unique`` with its inverse, and 0 (no listing) behind the last.

    >>> [part.tolist() for part in _unique_padded(torch.tensor([4, 2, 4]), listings=9)]
    [[2, 4, 0], [1, 0, 1]]
    """
    is_touched_L = torch.zeros(listings, dtype=torch.bool, device=touched_T.device)
    is_touched_L.index_fill_(0, touched_T, value=True)  # "= True" would wait for the GPU
    place_T = (torch.cumsum(is_touched_L, 0) - 1)[touched_T]
    listing_U = touched_T.new_zeros(min(listings, len(touched_T)))
    listing_U[place_T] = touched_T
    return listing_U, place_T


def _of_all_processes(listing_B: Tensor, uniform_M: Tensor, part: Part) -> Tensor:
    """The candidates of a whole step as the processes hold them: positives, then draws, of each.

    >>> of_all = _of_all_processes(torch.tensor([1, 2, 3, 4]), torch.tensor([5, 6]), Part(world=2))
    >>> of_all.tolist()
    [1, 2, 5, 3, 4, 6]
    """
    drawn = len(uniform_M) // part.world
    positive = listing_B.view(part.world, -1)
    uniform = uniform_M[: drawn * part.world].view(part.world, drawn)
    return torch.cat([positive, uniform], dim=1).flatten()


def _takes_full_softmax(config: TrainConfig, listings: int) -> bool:
    if config.loss == "auto":
        return listings <= config.full_softmax_limit
    return config.loss == "full"
