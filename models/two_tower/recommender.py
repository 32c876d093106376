"""TwoTower: the retriever as a :class:`models.recommender.Recommender`."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models.recommender import Scores
from models.row_source import Rows, read_all
from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.cpu_threads import torch_threads
from models.two_tower.encode_vectors import listing_vectors, query_vectors
from models.two_tower.exact_search import exact_top_k
from models.two_tower.inputs.arrays import FloatArray, IntArray
from models.two_tower.inputs.eligibility import Allowed, Eligibility
from models.two_tower.inputs.encoder import Encoder
from models.two_tower.inputs.guest_history import GuestEvents, events_of
from models.two_tower.inputs.id_interactions import interaction_rows, seen_mask
from models.two_tower.inputs.log_rows import LogRows
from models.two_tower.inputs.training_set import TrainingSet, encode_log
from models.two_tower.model import InputShape, TwoTowerNet
from models.two_tower.result_tables import by_search, market_only, ranked_rows
from models.two_tower.storage import Saved, read_model, write_model
from models.two_tower.training.loss_monitor import StepReport
from models.two_tower.training.spectral_init import initialise_from_graph
from models.two_tower.training.train import device_of, train
from models.two_tower.training.validation_recall import HeldOutInteractions, HeldOutSearches

__all__ = ["TwoTower"]

_SEARCH_COLUMNS = ("id_search", "id_listing", "stage")


class TwoTower:
    """Retrieves listings of the whole catalogue for a guest and a query.

    Reads whichever columns of ``QUERY_NUMBERS`` and ``LISTING_NUMBERS`` (``numeric_inputs.py``),
    coordinates and categories the rows have; ids alone are enough. A listing that was
    never seen is placed by its attributes, a guest without history by the query.

    A guest's history is what :meth:`fit` and :meth:`remembering` were given, strictly as
    of each search; outcomes in the rows that are scored are not read.
    """

    name = "two_tower"

    def __init__(
        self, config: TowerConfig | None = None, training: TrainConfig | None = None
    ) -> None:
        self.config = config or TowerConfig()
        self.training = training or TrainConfig()

    def fit(
        self,
        train: Rows,
        valid: Rows,
        *,
        checkpoint: Path | None = None,
        progress: Callable[[int, int], None] | None = None,
        report: Callable[[StepReport], None] | None = None,
    ) -> Self:
        """Learn from ``train``; stop early by the recall on ``valid`` where it has positives.

        A table of ``id_user`` and ``id_listing`` alone (optionally ``search_s``) is taken
        as interactions, each one a positive: :meth:`fit_interactions`.

        Args:
            train, valid: impressions with features; ``valid`` is the later window.
            checkpoint: folder to resume an interrupted fit from, and to write to.
            progress: called with the number of steps done and of all steps.
            report: called with the same, the loss, samples per second and time left.

        Raises ``ValueError`` when a column that is always needed is absent.
        """
        if not set(_SEARCH_COLUMNS) <= set(train.schema.names):
            return self._fit_ids(read_all(train), read_all(valid), _reporter(progress, report))
        # weak positives are drawn from what was shown, and any row may be one
        log = LogRows.of(train, describes_all=bool(self.training.shown_weight))
        rows, later = log.described, LogRows.of(valid).described
        self.encoder = Encoder.fit(rows, self.config, guest_ids=bool(self.config.use_guest_id))
        train_events = GuestEvents.of(events_of(rows), self.encoder.listings)
        data = encode_log(
            rows, self.encoder, train_events, self.training, heads=self.config.heads, log=log
        )
        # a search of the later window may also know what happened before it in that window
        self._set_history(pa.concat_tables([events_of(rows), events_of(later)]))
        # histories and retrieval read a listing's latest attributes; training its first ones
        everything = pa.concat_tables([rows, later], promote_options="default")
        self.catalogue = self.encoder.catalogue(everything, last=True)
        held_out = HeldOutSearches.draw(
            later, everything, self.encoder, self.guest_events, self.training
        )
        validate = None if held_out is None else partial(self._recall, held_out)
        self._train(data, validate, checkpoint=checkpoint, report=_reporter(progress, report))
        return self

    def fit_interactions(
        self,
        users: pa.Array,
        items: pa.Array,
        times: IntArray | None = None,
        *,
        valid: tuple[pa.Array, pa.Array] | None = None,
        report: Callable[[StepReport], None] | None = None,
    ) -> Self:
        """Learn from ids alone: guest ``users[i]`` chose ``items[i]`` (at second ``times[i]``).

        Without times the history of a guest is a random draw of their other items; with
        times it is the items chosen strictly before. Guests get an embedding unless the
        config says otherwise. With held-out pairs (``valid``) training stops early by
        their recall among the unseen items; else all epochs run.
        """
        rows, events = interaction_rows(users, items, times, seed=self.training.seed)
        guest_ids = self.config.use_guest_id is not False
        self.encoder = Encoder.fit(rows, self.config, guest_ids=guest_ids)
        train_events = GuestEvents.of(events, self.encoder.listings)
        data = encode_log(
            rows, self.encoder, train_events, self.training, hides_positive=times is None
        )
        self._set_history(events)
        self.catalogue = self.encoder.catalogue(rows, last=True)
        validate = None
        if valid is not None:
            held_out = HeldOutInteractions.of(
                *valid, events, self.encoder.listings, self.training.seed
            )
            validate = partial(self._unseen_recall, held_out)
        self._train(data, validate, checkpoint=None, report=report)
        return self

    def remembering(self, rows: pa.Table) -> Self:
        """A copy whose guests' histories also hold what happened in ``rows``."""
        other = copy(self)  # shallow: the net and the known listings' vectors are shared
        other.events = pa.concat_tables([self.events, events_of(rows)])
        other.guest_events = GuestEvents.of(other.events, self.encoder.listings)
        return other

    def score(self, rows: pa.Table) -> Scores:
        """Inner product of each row's search and listing vectors; shape ``(rows,)``."""
        if not rows.num_rows:
            return np.zeros(0, dtype=np.float64)
        order, search, searches = by_search(rows)
        query_SD = torch.from_numpy(self.encode_queries(searches))
        # encoded rows are put in order, not the rows themselves: they have many more columns
        ordered = self.encoder.listing_rows(rows).take(order)
        listing_ND = listing_vectors(self.net, ordered).cpu()
        cosine_N = (query_SD[torch.from_numpy(search)] * listing_ND).sum(dim=1)
        scores = np.empty(rows.num_rows, dtype=np.float64)
        scores[order] = cosine_N.double().numpy()
        return scores

    def encode_queries(self, searches: pa.Table) -> FloatArray:
        """Vectors of the searches (:class:`QueryTower`); shape ``(rows, dimension + heads)``."""
        return self._query_vectors(searches).cpu().numpy()

    def encode_listings(self, rows: pa.Table) -> FloatArray:
        """Vectors of the listings (:class:`ListingTower`): ``(rows, dimension + heads)``."""
        return listing_vectors(self.net, self.encoder.listing_rows(rows)).cpu().numpy()

    def retrieve(
        self,
        queries: pa.Table,
        catalogue: pa.Table,
        k: int,
        *,
        eligible: Allowed | None = None,
    ) -> pa.Table:
        """The ``k`` best eligible listings of ``catalogue`` for each search, exactly.

        Args:
            queries: one row per search: ``id_search``, and the columns of the fit.
            catalogue: one row per listing: ``id_listing``, and the columns of the fit.
            k: results per search; fewer where fewer are eligible.
            eligible: mask over blocks (rows of queries, rows of catalogue), such as
                :class:`Eligibility`; without it all listings of the search's market.

        Returns ``id_search``, ``id_listing``, ``rank`` (from 1), ``score``, sorted by
        search (in the order of ``queries``) and rank.
        """
        allowed = eligible or Eligibility.of(market_only(queries), market_only(catalogue))
        listing_LD = listing_vectors(self.net, self.encoder.listing_rows(catalogue))
        scores, places = exact_top_k(self._query_vectors(queries), listing_LD, k, allowed=allowed)
        return ranked_rows(queries["id_search"], catalogue["id_listing"], scores, places)

    def recommend_unseen(self, users: pa.Array, k: int) -> pa.Table:
        """For each guest the ``k`` best known listings that they have no event with.

        For ids alone. Returns ``id_search`` (the guest), ``id_listing``, ``rank``, ``score``.
        """
        queries = pa.table({"id_search": users, "id_user": users})
        seen = seen_mask(users, self.events, self.encoder.listings)
        scores, places = exact_top_k(
            self._query_vectors(queries), self.known_LD[1:], k, allowed=seen
        )
        return ranked_rows(users, self.encoder.listings.values, scores, places)

    def save(self, folder: Path) -> None:
        """Write the model into ``folder`` (made if absent): safetensors, JSON, Arrow."""
        saved = Saved(
            config=self.config,
            training=self.training,
            shape=self.net.shape,
            encoder=self.encoder,
            weights=self.net.state_dict(),
            catalogue=self.catalogue,
            events=self.events,
        )
        write_model(folder, saved)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote; raises ``ValueError`` where it is not whole."""
        saved = read_model(folder)
        model = cls(saved.config, saved.training)
        model.encoder, model.catalogue = saved.encoder, saved.catalogue
        model.device = device_of(saved.training)
        model.net = TwoTowerNet(saved.shape, saved.config).to(model.device)
        model.net.load_state_dict(saved.weights)
        model._set_history(saved.events)
        model._encode_known_listings()
        return model

    def _fit_ids(
        self, train: pa.Table, valid: pa.Table, report: Callable[[StepReport], None] | None
    ) -> Self:
        """Fit on a table without searches, whose rows are interactions."""
        absent = [name for name in ("id_user", "id_listing") if name not in train.column_names]
        if absent:
            raise ValueError(
                f"two_tower needs {', '.join(_SEARCH_COLUMNS)}, or id_user and id_listing "
                f"alone; the rows lack {', '.join(absent)}"
            )
        has_time = "search_s" in train.column_names
        times = train["search_s"].to_numpy() if has_time else None
        pairs = (valid["id_user"], valid["id_listing"]) if valid.num_rows else None
        return self.fit_interactions(
            train["id_user"], train["id_listing"], times, valid=pairs, report=report
        )

    def _train(
        self,
        data: TrainingSet,
        validate: Callable[[], float] | None,
        *,
        checkpoint: Path | None,
        report: Callable[[StepReport], None] | None,
    ) -> None:
        self.device = device_of(self.training)
        shape = _shape_of(self.encoder, data)
        # torch.nn draws first weights from the global generator: seeded here, restored after
        with torch.random.fork_rng(), torch_threads(self.training.threads):
            torch.manual_seed(self.training.seed)
            self.net = TwoTowerNet(shape, self.config)
            if self.config.spectral_start and self.net.listing.trunk is None:
                initialise_from_graph(self.net, data)
            self.net.to(self.device)
            self.trained = train(
                self.net,
                data,
                self.training,
                validate=validate,
                checkpoint=checkpoint,
                report=report,
            )
            self._encode_known_listings()

    def _recall(self, held_out: HeldOutSearches) -> float:
        return held_out.recall(self.net, self._known_vectors(), self.training.valid_k)

    def _unseen_recall(self, held_out: HeldOutInteractions) -> float:
        self._encode_known_listings()
        queries = pa.table({"id_search": held_out.users, "id_user": held_out.users})
        query_UD = self._query_vectors(queries)
        return held_out.recall(query_UD, self.known_LD[1:], self.training.valid_k)

    def _known_vectors(self) -> Tensor:
        return listing_vectors(self.net, self.catalogue)

    def _encode_known_listings(self) -> None:
        """Set the vectors of the known listings, which the histories are pooled from."""
        self.known_LD = self._known_vectors()

    def _query_vectors(self, searches: pa.Table) -> Tensor:
        return query_vectors(
            self.net, self.encoder.queries(searches, self.guest_events), self.known_LD
        )

    def _set_history(self, events: pa.Table) -> None:
        self.events = events
        self.guest_events = GuestEvents.of(events, self.encoder.listings)


def _shape_of(encoder: Encoder, data: TrainingSet) -> InputShape:
    return InputShape(
        listings=encoder.listings.size,
        guests=encoder.guests.size,
        markets=encoder.market_count,
        query_width=data.queries.dense_SF.shape[1],
        listing_width=data.catalogue.dense_LF.shape[1],
        categories=tuple(words.size for words in encoder.categories.values()),
    )


def _reporter(
    progress: Callable[[int, int], None] | None, report: Callable[[StepReport], None] | None
) -> Callable[[StepReport], None]:
    """One callback that calls both of those that are given."""

    def call_both(step: StepReport) -> None:
        if progress:
            progress(step.step, step.steps)
        if report:
            report(step)

    return call_both
