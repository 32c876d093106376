"""The simulated catalogue against the fitted marginals, and the fit against its source."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from data.simulator import SimulationConfig
from data.simulator.fit import fit_rio, main, to_toml
from data.simulator.listings import SUB_RATINGS, Catalogue, draw_catalogue
from data.simulator.marginals import marginals
from data.simulator.parameters import load_world

REPOSITORY = Path(__file__).parents[3]
AIRBNB = REPOSITORY.parent / "shared" / "data" / "inside_airbnb_rio"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return draw_catalogue(SimulationConfig(searches=1_000, seed=2, listings=72_000))


def test_simulated_marginals_are_the_fitted_ones(catalogue: Catalogue) -> None:
    for row in marginals(catalogue):
        assert row.simulated == pytest.approx(row.fitted, rel=row.tolerance, abs=0.012), row


def test_marginals_are_those_of_the_known_files(catalogue: Catalogue) -> None:
    known = {row.name: row.fitted for row in marginals(catalogue)}
    assert known["price, quantile 0.5"] == pytest.approx(511)
    assert known["price, quantile 0.95"] == pytest.approx(2283)
    assert known["never reviewed, share"] == pytest.approx(0.12, abs=0.005)


def test_dear_listings_are_large_and_well_placed(catalogue: Catalogue) -> None:
    rio = catalogue.market == 0
    log_price, capacity = np.log(catalogue.price[rio]), np.log(catalogue.capacity[rio])
    assert 0.3 < np.corrcoef(log_price, capacity)[0, 1] < 0.7
    names = load_world().markets[0].areas.names
    leblon = catalogue.area[rio] == names.index("Leblon")
    centro = catalogue.area[rio] == names.index("Centro")
    assert np.median(catalogue.price[rio][leblon]) > 1.8 * np.median(catalogue.price[rio][centro])


def test_reviews_and_occupancy_go_together_as_fitted(catalogue: Catalogue) -> None:
    table = load_world().markets[0].tables["history"]
    wanted = table["rank_correlations"][0][2]
    known = (catalogue.market == 0) & (catalogue.reviews > 0)
    ranks = [
        np.argsort(np.argsort(column[known], kind="stable"))
        for column in (catalogue.reviews, catalogue.occupancy)
    ]
    assert np.corrcoef(*ranks)[0, 1] == pytest.approx(wanted, abs=0.05)


def test_new_listings_have_no_past_at_all(catalogue: Catalogue) -> None:
    new = catalogue.is_new
    assert 0.05 < new.mean() < 0.08
    for column in (catalogue.reviews, catalogue.books_90day, catalogue.occupancy):
        assert (column[new] == 0).all()
    assert np.isnan(catalogue.rating[new]).all()
    assert np.isnan(catalogue.sub_ratings[new]).all()
    assert catalogue.sub_ratings.shape[1] == len(SUB_RATINGS)


def test_sao_paulo_is_cheaper_and_larger(catalogue: Catalogue) -> None:
    rio = catalogue.market == 0
    assert (~rio).sum() > rio.sum()
    assert np.median(catalogue.price[~rio]) < 0.75 * np.median(catalogue.price[rio])


def test_committed_parameters_are_what_the_fit_gives() -> None:
    if not AIRBNB.is_dir():
        pytest.skip("../shared/data/inside_airbnb_rio is not here; the committed fit is used as is")
    committed = tomllib.loads(
        (REPOSITORY / "data" / "simulator" / "rio_de_janeiro.toml").read_text(encoding="utf-8")
    )
    fitted = tomllib.loads(to_toml(fit_rio(AIRBNB)))
    assert fitted.keys() == committed.keys()
    for name, table in committed.items():
        assert fitted[name] == table, name


def test_fit_of_a_folder_without_the_files_ends_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("cannot fit: ")
    assert main([]) == 2


def test_toml_text_reads_back_as_written() -> None:
    parameters = {"source": "a", "table": {"shares": [0.5, 0.5], "rows": [[1, 2], [3, 4]]}}
    assert tomllib.loads(to_toml(parameters)) == parameters
