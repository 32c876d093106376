from __future__ import annotations

import numpy as np
import pyarrow as pa

from features.formulas.listing_vectors import SCALE, VectorConfig, listing_vectors, vector_names

CONFIG = VectorConfig(dimensions=2)


def clicks(*pairs: tuple[str, str]) -> pa.Table:
    users, listings = zip(*sorted(pairs), strict=True)
    return pa.table({"id_user": list(users), "id_listing": list(listings)})


def two_crowds() -> pa.Table:
    """Beach guests click b0..b5, mountain guests m0..m5; nobody clicks both."""
    rng = np.random.default_rng(0)
    pairs = {
        (f"{crowd}-guest-{guest}", f"{crowd}{listing}")
        for crowd in "bm"
        for guest in range(30)
        for listing in rng.choice(6, size=3, replace=False)
    }
    return clicks(*pairs)


def vectors_of(table: pa.Table, config: VectorConfig = CONFIG) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    vectors = np.column_stack([table[name].to_numpy() for name in vector_names(config)]) / SCALE
    return dict(zip(table["id_listing"].to_pylist(), vectors, strict=True))


def test_listings_of_one_crowd_are_near_and_of_two_are_far() -> None:
    vectors = vectors_of(listing_vectors(two_crowds(), CONFIG))
    assert vectors["b0"] @ vectors["b5"] > 0.9
    assert abs(vectors["b0"] @ vectors["m0"]) < 0.1


def test_vectors_have_length_one() -> None:
    vectors = vectors_of(listing_vectors(two_crowds(), CONFIG))
    assert np.allclose([np.linalg.norm(vector) for vector in vectors.values()], 1, atol=1e-5)


def test_same_clicks_give_the_same_vectors() -> None:
    assert listing_vectors(two_crowds(), CONFIG).equals(listing_vectors(two_crowds(), CONFIG))


def test_too_few_listings_give_no_vectors() -> None:
    assert listing_vectors(clicks(("u1", "l1"), ("u1", "l2")), CONFIG).num_rows == 0
    nothing = pa.table(
        {"id_user": pa.array([], pa.string()), "id_listing": pa.array([], pa.string())}
    )
    assert listing_vectors(nothing, CONFIG).num_rows == 0


def test_guests_who_click_everything_teach_nothing() -> None:
    config = VectorConfig(dimensions=2, most_clicks=4)
    crawler = {("crawler", f"{crowd}{listing}") for crowd in "bm" for listing in range(6)}
    before = two_crowds()
    pairs = zip(before["id_user"].to_pylist(), before["id_listing"].to_pylist(), strict=True)
    after = listing_vectors(clicks(*pairs, *crawler), config)
    assert abs(vectors_of(after, config)["b0"] @ vectors_of(after, config)["m0"]) < 0.1
