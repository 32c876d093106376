"""Settings of the two-tower: its shape (:class:`TowerConfig`) and its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

from data.ranges import ABOVE_0, AT_LEAST_0, AT_LEAST_1, Range, refuse_outside

__all__ = ["LossName", "SoftmaxName", "TowerConfig", "TrainConfig"]

LossName = Literal["auto", "full", "sampled"]
SoftmaxName = Literal["auto", "chunked", "fused"]


def _checked_keys(owner: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    known = {entry.name for entry in fields(owner)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(
            f"{owner.__name__} has no setting {', '.join(unknown)}; "
            f"known: {', '.join(sorted(known))}"
        )
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}


def _wrong_weights(
    name: str, weights: tuple[float, ...], lengths: set[int]
) -> list[tuple[str, str]]:
    """What a weight per stage must be, where these are not; for :func:`refuse_outside`."""
    is_sound = len(weights) in lengths and (not weights or min(weights) >= 0 < max(weights))
    must = "must be three numbers (clicked, contacted, booked), none below 0 and one above 0"
    return [] if is_sound else [(name, must)]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class TowerConfig:
    """The shape of both towers.

    Attributes:
        dimension: length of the vectors that are compared.
        hidden: width of the hidden layers.
        category_dimension: length of a category's embedding.
        history_length: the guest's most recent events that are pooled; 0 = none.
        use_guest_id: give each guest an embedding of their own. ``None``: only where the
            log is ids alone, since in a log of searches few guests return often enough.
        spectral_start: where the log is ids alone, start from the leading singular vectors
            of its graph (``spectral``) instead of noise.
        id_dropout: share of listing ids hidden in training, so that a listing whose id
            was never seen is scored from its attributes.
        cross_layers: DCN-v2 cross layers in front of each tower (Wang et al. 2021).
        head_shares: a head of the query tower for each stage (clicked, contacted, booked),
            and how much each counts when listings are retrieved; empty = one head for all.
        temperature: divides the cosine in the softmax (0.05-0.1 is usual).
        extra_query_numbers, extra_listing_numbers: further numeric columns (such as
            ``x_*`` of a source mapping) that describe a search, or a listing.
    """

    dimension: int = 32
    hidden: int = 64
    category_dimension: int = 8
    history_length: int = 10
    use_guest_id: bool | None = None
    spectral_start: bool = True
    id_dropout: float = 0.3
    cross_layers: int = 0
    head_shares: tuple[float, ...] = ()
    temperature: float = 0.1
    extra_query_numbers: tuple[str, ...] = ()
    extra_listing_numbers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sizes = dict.fromkeys(("dimension", "hidden", "category_dimension"), AT_LEAST_1)
        counts = dict.fromkeys(("history_length", "cross_layers"), AT_LEAST_0)
        others = {"id_dropout": Range(at_least=0, below=1), "temperature": ABOVE_0}
        wrong = _wrong_weights("head_shares", self.head_shares, {0, 3})
        refuse_outside(self, {**sizes, **counts, **others}, wrong)

    @property
    def heads(self) -> int:
        """Heads of the query tower."""
        return max(1, len(self.head_shares))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """From TOML or JSON values; an unknown key raises ``ValueError``."""
        return cls(**_checked_keys(cls, values))

    def to_mapping(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


_RANGES = {
    **dict.fromkeys(("epochs", "batch_size", "patience", "valid_k", "chunk_rows"), AT_LEAST_1),
    **dict.fromkeys(("check_every", "chunk_steps"), AT_LEAST_1),
    **dict.fromkeys(("uniform_negatives", "hard_negatives", "checkpoint_every"), AT_LEAST_0),
    **dict.fromkeys(("hard_weight", "shown_weight", "shown_per_positive"), AT_LEAST_0),
    "warmup_share": Range(at_least=0, at_most=1),
    "learning_rate": ABOVE_0,
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How the towers are trained.

    Attributes:
        seed: of the initial weights and of every draw.
        loss: ``full`` compares with every listing of the market, ``sampled`` with the
            batch and with uniform draws, corrected by logQ; ``auto`` takes the full
            softmax up to ``full_softmax_limit`` listings.
        epochs: passes over the positives, at most.
        batch_size: positives per step, over all processes together.
        uniform_negatives: listings drawn uniformly per market and step (``sampled``).
        hard_negatives: listings of the same journey that went less far (shown and never
            clicked; for a booking also clicked and never booked), compared with each
            positive; 0 = none.
        hard_weight: weight of that second loss.
        eligible_only: compare with the listings that the search allows (capacity, nights,
            price filter, radius), as retrieval does.
        stage_weights: weight of a positive that was clicked, contacted, booked.
        shown_per_positive: listings shown and not clicked, drawn once per positive as weak
            positives: being shown at all says that a listing fits the query.
        shown_weight: weight of such a weak positive; 0 = none.
        learning_rate, weight_decay, warmup_share: AdamW with a linear warm-up over that
            share of the steps, then a cosine down to a twentieth.
        patience: epochs without a better validation recall before stopping.
        valid_k, valid_positives: recall at k, on at most so many validation positives.
        softmax: ``chunked`` is plain PyTorch; ``fused`` is a kernel for GPUs that keeps no logits;
            ``auto`` takes that one where it can run.
        chunk_rows: queries whose logits exist at one time (``chunked``).
        resident_bytes: up to this size the searches lie on the training device, above it
            they are streamed in chunks; ``None`` = most of a GPU's free memory.
        chunk_steps: steps whose searches are streamed together.
        checkpoint_every: steps between checkpoints where a folder is given; 0 = none.
        check_every: steps between checks of the loss on a GPU (each one waits for it).
        threads: torch's threads while fitting, restored after; ``None`` = as they are.
        device: ``auto`` = CUDA where there is one.
        autocast: bfloat16 on CUDA.
        cuda_graph: on one GPU, record a step's forward and backward once and replay it.
        compile_towers: ``torch.compile`` the towers (pays off on a GPU and long runs).
    """

    seed: int = 0
    loss: LossName = "auto"
    epochs: int = 8
    batch_size: int = 1024
    uniform_negatives: int = 1024
    hard_negatives: int = 4
    hard_weight: float = 0.0
    eligible_only: bool = True
    stage_weights: tuple[float, float, float] = (1.0, 2.0, 4.0)
    shown_per_positive: float = 1.0
    shown_weight: float = 0.0
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.03
    warmup_share: float = 0.05
    patience: int = 2
    valid_k: int = 100
    valid_positives: int = 4096
    full_softmax_limit: int = 5_000
    softmax: SoftmaxName = "auto"
    chunk_rows: int = 2048
    resident_bytes: int | None = None
    chunk_steps: int = 64
    checkpoint_every: int = 0
    check_every: int = 50
    threads: int | None = None
    device: str = "auto"
    autocast: bool = True
    cuda_graph: bool = True
    compile_towers: bool = False

    def __post_init__(self) -> None:
        _require(self.loss in {"auto", "full", "sampled"}, f"no loss is called {self.loss!r}")
        _require(
            self.softmax in {"auto", "chunked", "fused"}, f"no softmax is called {self.softmax!r}"
        )
        refuse_outside(self, _RANGES, _wrong_weights("stage_weights", self.stage_weights, {3}))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """From TOML or JSON values; an unknown key raises ``ValueError``."""
        return cls(**_checked_keys(cls, values))

    def to_mapping(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)
