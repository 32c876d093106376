"""A fitted two-tower on disk: safetensors, JSON and Arrow; no pickles."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.inputs.arrays import ListingArrays
from models.two_tower.inputs.encoder import Encoder
from models.two_tower.inputs.vocabulary import Vocabulary
from models.two_tower.model import InputShape

__all__ = ["Saved", "forget_guests", "guests_of", "is_saved_here", "read_model", "write_model"]

_NAME = "two_tower"
_MODEL, _WEIGHTS, _CATALOGUE = "model.json", "weights.safetensors", "catalogue.safetensors"
_LISTINGS, _GUESTS, _EVENTS = "listings.arrow", "guests.arrow", "events.arrow"
_GUEST_TABLE = ["guest_table", "weight"]
# Saved models also mention the names of the towers' modules (weights.safetensors) and the
# fields of ListingArrays (catalogue.safetensors): a renamed one could not be loaded.


@dataclass(frozen=True, kw_only=True)
class Saved:
    """Everything that a fitted two-tower consists of.

    Attributes:
        config, training: its settings.
        shape: sizes of the towers' inputs.
        encoder: what was learned about columns and ids.
        weights: of both towers.
        catalogue: latest attributes of the known listings.
        events: what guests did, for their histories (as of ``guest_history.events_of``).
    """

    config: TowerConfig
    training: TrainConfig
    shape: InputShape
    encoder: Encoder
    weights: dict[str, Tensor]
    catalogue: ListingArrays
    events: pa.Table


def write_model(folder: Path, saved: Saved) -> None:
    """Write into ``folder`` (made if absent)."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in saved.weights.items()}
    save_file(weights, folder / _WEIGHTS)
    save_arrays(dict(vars(saved.catalogue)), folder / _CATALOGUE)
    for name, ids in ((_LISTINGS, saved.encoder.listings), (_GUESTS, saved.encoder.guests)):
        feather.write_feather(pa.table({"id": ids.values}), folder / name)
    feather.write_feather(saved.events, folder / _EVENTS)
    settings = {
        "name": _NAME,
        "config": saved.config.to_mapping(),
        "training": saved.training.to_mapping(),
        "shape": saved.shape.to_mapping(),
        "encoder": saved.encoder.to_mapping(),
    }
    (folder / _MODEL).write_text(json.dumps(settings, indent=1) + "\n")


def read_model(folder: Path) -> Saved:
    """Read what :func:`write_model` wrote; raises ``ValueError`` where it is not whole."""
    try:
        settings: dict[str, Any] = json.loads((folder / _MODEL).read_text())
        if settings.get("name") != _NAME:
            raise ValueError(f"holds a model called {settings.get('name')!r}")
        return Saved(
            config=TowerConfig.from_mapping(settings["config"]),
            training=TrainConfig.from_mapping(settings["training"]),
            shape=InputShape.from_mapping(settings["shape"]),
            encoder=Encoder.from_mapping(
                settings["encoder"],
                listings=_read_vocabulary(folder / _LISTINGS),
                guests=_read_vocabulary(folder / _GUESTS),
            ),
            weights=load_file(folder / _WEIGHTS),
            catalogue=ListingArrays(**load_arrays(folder / _CATALOGUE)),
            events=feather.read_table(folder / _EVENTS),
        )
    except (OSError, KeyError, TypeError, ValueError, SafetensorError, pa.ArrowException) as error:
        raise ValueError(f"{folder} does not hold a whole two-tower model: {error}") from error


def is_saved_here(folder: Path) -> bool:
    """Whether ``folder`` holds the files that name guests of a two-tower."""
    return all((folder / name).is_file() for name in (_MODEL, _GUESTS, _EVENTS))


def guests_of(folder: Path) -> set[str]:
    """Every guest that a saved model names: with an embedding, or with remembered events."""
    known, events = feather.read_table(folder / _GUESTS), feather.read_table(folder / _EVENTS)
    ids = pc.unique(known["id"]).to_pylist() + pc.unique(events["id_user"]).to_pylist()
    return {name for name in ids if name is not None}


def forget_guests(folder: Path, into: Path, guests: Collection[str]) -> tuple[str, ...]:
    """Write to ``into`` the files of a saved model that change when these guests leave it.

    Their events go, and their embeddings with their place in the vocabulary, so that those of
    everybody else stay what they were; files that name no guest are not written. Returns the
    names of the files written.
    """
    known, events = feather.read_table(folder / _GUESTS), feather.read_table(folder / _EVENTS)
    leaving = pa.array(sorted(guests), pa.string())
    is_known, is_event = (
        pc.is_in(column, value_set=leaving) for column in (known["id"], events["id_user"])
    )
    written = []
    into.mkdir(parents=True, exist_ok=True)
    if pc.any(is_event).as_py():
        feather.write_feather(events.filter(pc.invert(is_event)), into / _EVENTS)
        written.append(_EVENTS)
    if pc.any(is_known).as_py():
        stays = pc.invert(is_known)
        feather.write_feather(known.filter(stays), into / _GUESTS)
        # row 0 of the table is the unseen guest's; row i + 1 belongs to value i
        rows = [0, *(1 + place for place, stay in enumerate(stays.to_pylist()) if stay)]
        weights = load_file(folder / _WEIGHTS)
        (name,) = (name for name in weights if name.split(".")[-2:] == _GUEST_TABLE)
        if len(rows) > 1:
            weights[name] = weights[name][rows].contiguous()
        else:
            del weights[name]  # as in a model that was fitted without guests
        save_file(weights, into / _WEIGHTS)
        settings = json.loads((folder / _MODEL).read_text())
        settings["shape"]["guests"] = len(rows)
        (into / _MODEL).write_text(json.dumps(settings, indent=1) + "\n")
        written += [_GUESTS, _WEIGHTS, _MODEL]
    return tuple(written)


def _read_vocabulary(path: Path) -> Vocabulary:
    return Vocabulary(feather.read_table(path)["id"].combine_chunks())
