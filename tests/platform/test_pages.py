"""What a person sees of a recorded run, in a real browser on a real server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from playwright.sync_api import Page, expect, sync_playwright
from servers import serving

from tracking.evidence.from_residuals import build
from tracking.evidence.resolution import Evidence, Facts
from tracking.figures.resolution import figures
from tracking.runs.recorder import recording
from tracking.statistics.residuals import Binning, Quantity, Residuals

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="no chromium here: apt-get install chromium"
)
PATIENCE_MS = 60_000


@dataclass(frozen=True)
class Recorded:
    """A run on a server."""

    server: str
    experiment_id: str
    run_id: str
    evidence: Evidence


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server")) as (address, _):
        yield address


@pytest.fixture(scope="module")
def recorded(server: str) -> Iterator[Recorded]:
    """Evidence on made-up residuals of two estimators, recorded on the server."""
    rng = np.random.default_rng(5)
    energy = {"energy": rng.uniform(2, 200, (2000, 2))}
    residuals = {
        name: Residuals({"x": rng.normal(0, width, (2000, 2))}, energy)
        for name, width in {"coral": 0.05, "network": 0.03}.items()
    }
    evidence = build(
        residuals,
        [Quantity("x", "cm", "$x - x_{true}$")],
        [Binning("energy", "GeV", "$E$", (2, 100, 200))],
        facts=Facts("pages", "0" * 64, "normal numbers", 2000, 2, seed=5),
        seed=5,
        replicas=50,
        bin_replicas=20,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", server)
        with recording("pages", seed=5, settings={"seed": 5}) as recorder:
            recorder.record(evidence, figures(evidence, residuals))
            run = recorder._client.get_run(recorder.run_id)
        yield Recorded(server, run.info.experiment_id, recorder.run_id, evidence)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as driver:
        # Debian's own build, in whose sandbox root may not run.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        yield page
        browser.close()


def test_run_page_shows_the_tables(page: Page, recorded: Recorded) -> None:
    page.goto(
        f"{recorded.server}/#/experiments/{recorded.experiment_id}/runs/{recorded.run_id}"
        "?workflowType=machine_learning"
    )
    table = page.locator("table").first
    expect(table).to_contain_text("network", timeout=PATIENCE_MS)
    expect(table).to_contain_text("coral")
    sigma = recorded.evidence.row("network", "x").sigma
    expect(table).to_contain_text(f"{sigma:.4f}"[:5])
    expect(page.get_by_text("Finished").first).to_be_visible()


def test_run_page_shows_the_figures(page: Page, recorded: Recorded) -> None:
    page.goto(
        f"{recorded.server}/#/experiments/{recorded.experiment_id}/runs/{recorded.run_id}"
        "?workflowType=machine_learning"
    )
    picture = page.locator("img[src*='get-artifact']").first
    picture.wait_for(state="attached")
    page.wait_for_function(
        "document.querySelector(\"img[src*='get-artifact']\").naturalWidth > 300", timeout=PATIENCE_MS
    )


def expect_training_view(page: Page) -> None:
    page.wait_for_url("**/runs?*workflowType=machine_learning*")
    expect(page.get_by_text("1 matching run")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("Observability")).to_have_count(0)


def test_link_opens_experiment_in_model_training(page: Page, recorded: Recorded) -> None:
    """mlflow takes every experiment for one of language models, unless the link says otherwise."""
    page.goto(f"{recorded.server}/#/experiments/{recorded.experiment_id}?workflowType=machine_learning")
    expect_training_view(page)


def test_browser_remembers_model_training(page: Page, recorded: Recorded) -> None:
    """The way the README tells: the switch once, then from the list of experiments."""
    page.goto(recorded.server)
    page.get_by_text("Model training", exact=True).first.click()
    page.goto(f"{recorded.server}/#/experiments")
    page.get_by_role("link", name="pages", exact=True).click()
    expect_training_view(page)
