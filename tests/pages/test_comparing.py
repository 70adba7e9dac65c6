"""The pages of the server on a small history, asked as programs ask and looked at in a real browser."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import mlflow
import pytest
import requests
from playwright.sync_api import BrowserContext, expect, sync_playwright
from servers import shashlik_server
from story import CLASSES, NASTY, TASK, Story, tell

from registry.server.pages.query import PAGE
from tracking.report.links import run_page
from tracking.report.numbers import interval, with_error
from tracking.runs.rest_client import PREFIX

CHROMIUM = shutil.which("chromium")
browsing = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="no chromium here: apt-get install chromium"
)
PATIENCE_MS = 60_000


@dataclass(frozen=True)
class Site:
    """A server with what was recorded on it."""

    address: str
    story: Story
    folder: Path

    def get(self, path: str) -> tuple[int, str, dict[str, str]]:
        """Status, text and headers of a page below /shashlik."""
        try:
            with urllib.request.urlopen(f"{self.address}/shashlik{path}", timeout=60) as found:
                return found.status, found.read().decode("utf-8", "replace"), dict(found.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), dict(error.headers)

    def page(self, path: str) -> str:
        """The text of a page that is there."""
        status, text, _ = self.get(path)
        assert status == 200, text
        return text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "scratch").mkdir()
    before = mlflow.get_tracking_uri(), Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        story = tell(f"sqlite:///{folder}/mlflow.db", folder / "scratch")
    mlflow.set_tracking_uri(before[0])
    with shashlik_server(folder) as (address, _):
        yield Site(address, story, folder)


class _Reader(HTMLParser):
    """Addresses that a page leads to, and its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.links += [value for name, value in attributes if name in ("href", "src", "data") and value]
        if (tag == "script" and "src" not in given) or tag in ("style", "iframe"):
            self.inline.append(tag)
        self.inline += [name for name in given if name.startswith("on") or name == "style"]


def visible(cell: str) -> str:
    """Text as the page has it."""
    return cell.replace("<", "&lt;")


def test_all_tasks(site: Site) -> None:
    text = site.page("")
    assert f'href="/shashlik/leaderboard/{TASK}"' in text
    assert f'href="/shashlik/model/{TASK}/1">version 1</a>' in text
    assert "fit-tuned" in text


def test_leaderboard_has_the_numbers_of_the_evidence(site: Site) -> None:
    text = site.page(f"/leaderboard/{TASK}")
    for run, evidence in zip(site.story.runs, site.story.evidence, strict=True):
        row = evidence.row("network", "x")
        assert with_error(row.sigma, row.sigma_err) in text
        assert run in text
        ratio = evidence.compared("fit-tuned", "x", "sigma")[0]
        assert f"{interval(ratio.ratio, ratio.ratio_low, ratio.ratio_high)} p" in text
    assert text.count("<tr") == 1 + len(site.story.runs)
    assert '<tr class="champion">' in text
    assert "2 different samples" in text
    everybody = site.page(f"/leaderboard/{TASK}?who=all")
    assert everybody.count("<tr") == 1 + 3 * len(site.story.runs)
    assert "baseline-fit-tuned" in everybody


def test_leaderboard_on_the_frozen_sample_has_each_version_once(site: Site) -> None:
    text = site.page(f"/leaderboard/{TASK}?sample=frozen+1")
    assert text.count("<tr") == 4
    for name in ("v1-network", "v2-network", "v3-fit-tuned"):
        row = site.story.frozen.row(name, "x")
        assert with_error(row.sigma, row.sigma_err) in text
    assert "different samples" not in text


def test_leaderboard_sorts_filters_and_exports(site: Site) -> None:
    def order(query: str) -> list[float]:
        _, text, headers = site.get(f"/leaderboard/{TASK}/table.csv?{query}")
        assert "attachment" in headers["content-disposition"]
        return [float(line["sigma_x_cm"]) for line in csv.DictReader(io.StringIO(text))]

    widths = sorted(evidence.row("network", "x").sigma for evidence in site.story.evidence)
    assert order("") == widths
    assert order("sort=x/sigma&order=desc") == widths[::-1]
    assert len(order("sort=energy/q68")) == len(widths)
    assert len(order("tag=campaign%3Dsummer")) == 2
    assert order("tag=campaign%3Dautumn") == order("since=2200-01-01") == order("user=nobody") == []
    assert order("until=2200-01-01") == widths
    assert site.get(f"/leaderboard/{TASK}/table.tex")[1].count(r"\pm") > 3
    assert "Nothing is left" in site.page(f"/leaderboard/{TASK}?user=nobody")


def test_compare_warns_of_other_events(site: Site) -> None:
    first, _, third = site.story.runs
    text = site.page(f"/compare/{TASK}?item={first}&item={third}")
    assert "these numbers are not comparable" in text
    assert "aaaaaaaaaaaa" in text
    assert "bbbbbbbbbbbb" in text
    assert "errors in quadrature" in text
    assert "cfg.width" in text
    assert "not comparable" not in site.page(f"/compare/{TASK}?item={first}&item={site.story.runs[1]}")


def test_compare_uses_ratios_on_record(site: Site) -> None:
    """Versions judged together, on a frozen sample or as estimators of one run; turned over where need be."""
    text = site.page(f"/compare/{TASK}?item=v1&item=v2&item=baseline-fit-tuned&sample=frozen+1")
    for name in ("v2-network", "v3-fit-tuned"):
        found = site.story.frozen.compared(name, "x", "sigma")[0]
        assert interval(found.ratio, found.ratio_low, found.ratio_high) in text
    run, evidence = site.story.runs[0], site.story.evidence[0]
    turned = site.page(f"/compare/{TASK}?item={run}:fit&item={run}")
    found = evidence.compared("fit", "x", "sigma")[0]
    assert interval(1 / found.ratio, 1 / found.ratio_high, 1 / found.ratio_low) in turned


def test_compare_pairs_runs_on_the_same_events(site: Site) -> None:
    """The paired interval is narrower than that with errors in quadrature, which forgets what is common."""
    first, second, third = site.story.runs

    def limits(query: str) -> tuple[float, float]:
        text = site.get(f"/compare/{TASK}/table.csv?item={first}&item={second}{query}")[1]
        part = text.partition("\nRatios\n")[2]
        line = next(csv.DictReader(io.StringIO(part)))
        return float(line["sigma_x_low"]), float(line["sigma_x_high"])

    assert "pairs=yes" in site.page(f"/compare/{TASK}?item={first}&item={second}")
    assert "pairs=yes" not in site.page(f"/compare/{TASK}?item={first}&item={third}")
    alone, together = limits(""), limits("&pairs=yes")
    assert together[1] - together[0] < 0.9 * (alone[1] - alone[0])
    assert alone[0] < sum(together) / 2 < alone[1]


def test_permanent_link_means_the_same_later(site: Site) -> None:
    """Roles are replaced by what has them now."""
    text = site.page(f"/compare/{TASK}?item=champion&item=baseline-fit-tuned")
    assert f'href="/shashlik/compare/{TASK}?item=v1&amp;item=v3" rel="bookmark"' in text


def test_figures_and_files_of_a_comparison(site: Site) -> None:
    query = f"item={site.story.runs[0]}&item={site.story.runs[1]}"
    links = _Reader(site.page(f"/compare/{TASK}?{query}")).links
    drawn = [link for link in links if "/figure/" in link and ".svg" in link]
    assert {re.search(r"figure/(\w+)\.", link)[1] for link in drawn} == {
        *(f"{kind}_energy" for kind in ("sigma", "bias", "losses", "pulls")),
        "residuals_x",
        "residuals_energy",
    }
    for link in drawn[:1] + [link for link in drawn if "residuals_x" in link]:
        status, text, headers = site.get(link.removeprefix("/shashlik"))
        assert (status, headers["content-type"]) == (200, "image/svg+xml")
        assert "<svg" in text
        assert "default-src 'none'" in headers["content-security-policy"]
    with urllib.request.urlopen(f"{site.address}/shashlik/compare/{TASK}/figures.pdf?{query}") as found:
        assert found.read().count(b"/Type /Page ") == len(drawn)
    assert r"\begin{tabular}" in site.get(f"/compare/{TASK}/table.tex?{query}")[1]


def test_journal_as_a_timeline(site: Site) -> None:
    text = site.page(f"/model/{TASK}")
    first, second = site.story.verdicts
    order = [text.index(words) for words in ("rejected", "promoted", "judged: better", "sample frozen")]
    assert order == sorted(order), "the newest first"
    for verdict in (first, second):
        assert verdict.sha256[:12] in text
        for reason in verdict.reasons:
            assert visible(reason) in text
    assert "The chain is complete" in text


def test_card_of_a_version(site: Site) -> None:
    text = site.page(f"/model/{TASK}/2")
    verdict = site.story.verdicts[1]
    assert verdict.sha256 in text
    for claim in verdict.claims:
        assert interval(claim.value, claim.low, claim.high) in text
    assert site.story.runs[1] in text
    assert "aaaaaaaaaaaa" in text
    figure = next(link for link in _Reader(text).links if "ratios.svg" in link)
    assert "<svg" in site.get(figure.removeprefix("/shashlik"))[1]
    assert "shashlik promote" in site.page(f"/model/{TASK}/3")


def test_search(site: Site) -> None:
    where = f"/search/{TASK}/{site.story.search}"
    assert f'href="/shashlik{where}"' in site.page(f"/searches/{TASK}")
    text = site.page(where)
    assert "11 of 12 trials finished, 1 failed" in text
    assert "Diverged: &lt;b&gt;nan&lt;/b&gt;" in text
    for name in ("history", "coordinates", "importance", "pareto"):
        status, svg, _ = site.get(f"{where}/figure/{name}.svg")
        assert status == 200
        linked = svg.count('target="_top"')
        assert linked == {"importance": 0, "pareto": 22}.get(name, 11), "every trial leads to its run"
        assert svg.count("<title>trial 00") == linked
    lines = list(csv.DictReader(io.StringIO(site.get(f"{where}/trials.csv")[1])))
    assert len(lines) == 12


def test_a_classification_is_ranked_and_compared_too(site: Site) -> None:
    first, second = site.story.classified
    board = site.page(f"/leaderboard/{CLASSES}")
    assert "sort=auc" in board
    assert board.index(first) < board.index(second), "the larger area is the better"
    text = site.page(f"/compare/{CLASSES}?item={first}&item={second}&item={first}:cuts")
    assert "Area under the curve" in text
    assert "AUC = " in text
    assert "not comparable" not in text
    lines = site.get(f"/compare/{CLASSES}/table.csv?item={first}&item={second}")[1]
    assert "\nauc," in lines
    assert site.get(f"/compare/{CLASSES}/figures.pdf?item={first}&item={second}")[0] == 404


BAD = (
    ("/leaderboard/nothing", 404),
    ("/leaderboard/..%2f..%2fetc", 404),
    (f"/leaderboard/{'a' * 300}", 404),
    (f"/leaderboard/{TASK}?page=0", 400),
    (f"/leaderboard/{TASK}?page={'9' * 200}", 400),
    (f"/leaderboard/{TASK}?page=%C2%B2", 400),
    (f"/leaderboard/{TASK}?since=yesterday", 400),
    (f"/leaderboard/{TASK}?tag=alone", 400),
    (f"/leaderboard/{TASK}?sort=%27%3B+DROP+TABLE", 400),
    (f"/leaderboard/{TASK}?user={'a' * 300}", 400),
    (f"/leaderboard/{TASK}?quantity=banana", 400),
    (f"/leaderboard/{TASK}?order=up", 400),
    (f"/compare/{TASK}?item=v99", 404),
    (f"/compare/{TASK}?item=banana", 404),
    (f"/compare/{TASK}?item={'f' * 32}", 404),
    (f"/compare/{TASK}?item={'9' * 100}", 404),
    (f"/compare/{TASK}?item=v1&sample=%00", 400),
    (f"/compare/{TASK}?{'&'.join(f'item=v{i}' for i in range(20))}", 400),
    (f"/compare/{TASK}?item=v1&x={'a' * 9000}", 400),
    (f"/compare/{TASK}/table.csv", 400),
    (f"/compare/{TASK}/table.exe?item=v1", 404),
    (f"/compare/{TASK}/figure/banana.svg?item=v1", 404),
    (f"/compare/{TASK}/figure/sigma_energy.exe?item=v1", 404),
    (f"/model/{TASK}/99", 404),
    (f"/model/{TASK}/banana", 400),
    (f"/model/{TASK}/{'9' * 40}", 404),
    (f"/model/{TASK}/1?verdict=abc", 404),
    (f"/search/{TASK}/{'f' * 32}", 404),
    (f"/search/{TASK}/..%2f..", 404),
    ("/static/..%2flook.py", 404),
    ("/nowhere", 404),
    (f"/leaderboard/{TASK}?user=%00", 400),
)


@pytest.mark.parametrize(("path", "status"), BAD, ids=[path[:60] for path, _ in BAD])
def test_what_cannot_be_shown_is_one_line_in_the_same_look(site: Site, path: str, status: int) -> None:
    found, text, headers = site.get(path)
    assert found == status, text
    assert re.search(r'<p class="alarm" role="alert">[^<\n]{10,400}</p>', text)
    assert "script-src 'self'" in headers["content-security-policy"]


def test_pages_bring_nothing_that_a_strict_policy_forbids(site: Site) -> None:
    run = site.story.runs[2]
    for path in (
        "",
        f"/leaderboard/{TASK}?who=all",
        f"/compare/{TASK}?item={run}&item=v1",
        f"/model/{TASK}",
        f"/model/{TASK}/1",
        f"/search/{TASK}/{site.story.search}",
        f"/compare/{TASK}",
    ):
        status, text, headers = site.get(path)
        assert status == 200
        assert _Reader(text).inline == []
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "private, no-cache"
        assert "<script>alert" not in text
        links = _Reader(text).links
        assert all(re.match(r"/(?!/)|#", link) for link in links), "nothing is fetched from elsewhere"
    assert NASTY.replace("<", "&lt;").replace(">", "&gt;").split('"')[0] in site.page(f"/leaderboard/{TASK}")


@contextmanager
def damaged(site: Site, artifact: str, content: bytes | None) -> Iterator[None]:
    """An artifact is something else for a while, or not there."""
    (file,) = site.folder.glob(f"mlruns/*/{artifact}")
    before = file.read_bytes()
    file.unlink() if content is None else file.write_bytes(content)
    try:
        yield
    finally:
        file.write_bytes(before)


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"[]", 500, "is damaged"),
        (b"\xff\0", 500, "is damaged"),
        (b"[" * 99_999, 500, "is damaged"),
        (None, 404, "is not there"),
    ],
    ids=["other", "binary", "deep", "gone"],
)
def test_what_is_damaged_is_named(site: Site, content: bytes | None, status: int, said: str) -> None:
    run, sha256 = site.story.runs[1], site.story.verdicts[1].sha256
    artifact = f"verdicts/{sha256[:12]}/verdict.json"
    with damaged(site, f"{run}/artifacts/{artifact}", content):
        found, text, _ = site.get(f"/model/{TASK}/2/ratios.svg")
        assert found == status, text
        assert f"{artifact} of run {run} {said}" in text
        assert "bring it back from a backup, or delete the run" in text
        assert f"{artifact} of run {run} {said}" in site.page(f"/model/{TASK}/2"), "the rest is shown"
    if content is not None:
        with damaged(site, f"{site.story.search}/artifacts/search/trials.csv", content):
            found, text, _ = site.get(f"/search/{TASK}/{site.story.search}")
            assert (found, f"search/trials.csv of run {site.story.search} is damaged" in text) == (500, True)


def test_evidence_that_is_not_what_was_indexed_is_not_shown(site: Site) -> None:
    run, other = site.story.runs[:2]
    change = "UPDATE shashlik_evidence SET sha256 = ? WHERE run = ? AND sample = 'test' RETURNING sha256"
    with closing(sqlite3.connect(site.folder / "mlflow.db")) as database:
        before = database.execute("SELECT sha256 FROM shashlik_evidence WHERE run = ?", (other,)).fetchone()
        for sha256, status in (("f" * 64, 500), (before[0], 200)):
            database.execute(change, (sha256, other)).fetchall()
            database.commit()
            found, text, _ = site.get(f"/compare/{TASK}?item={run}&item={other}")
            assert found == status, text
            assert (f"evidence.json of run {other} is damaged" in text) == (status == 500)
            assert ("it was changed" in text) == (status == 500)


def test_what_fails_is_a_number_here_and_a_traceback_in_the_log(site: Site) -> None:
    """A line of the journal that nobody could have written is a failure that nobody expected."""
    with closing(sqlite3.connect(site.folder / "mlflow.db")) as database, database:
        database.execute(
            "INSERT INTO shashlik_journal VALUES ('torn', 1, '2026-01-01T00:00:00+00:00', 'ada', 'look', 1, "
            "NULL, ?, 'no JSON', '', 'torn')",
            ("ab" * 32,),
        )
    status, page, headers = site.get("/model/torn")
    assert (status, headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert 'href="/shashlik"' in page, "the way back"
    home = site.page("")
    assert f'href="/shashlik/leaderboard/{TASK}"' in home, "other tasks are shown nevertheless"
    body = {"version": 1, "expected": None, "verdict": "ab" * 32}
    answer = requests.post(f"{site.address}{PREFIX}/journal/torn/promote", json=body, timeout=60)
    assert (answer.status_code, list(answer.json())) == (500, ["detail"])
    log = (site.folder / "log").read_text()
    for told in (page, home, answer.text):
        number = re.search(r"whoever runs it finds error ([0-9a-f]{8}) in its log", told)[1]
        assert re.search(rf"ERROR: *error {number} at '.*torn.*'\nTraceback", log), log[-3000:]
        assert not re.search("Traceback|JSONDecode|No JSON", told)


def test_a_page_of_a_leaderboard_is_limited() -> None:
    """What ten thousand runs cost is measured by benchmarks/pages.py."""
    assert PAGE <= 100


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with sync_playwright() as driver:
        # Debian's own build, in whose sandbox root may not run.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
        context.set_default_timeout(PATIENCE_MS)
        yield context
        browser.close()


@browsing
def test_from_the_run_to_the_champion(site: Site, context: BrowserContext) -> None:
    """Open the server, find the run, its leaderboard, compare, the journal, export; no console errors."""
    run, said = context.new_page(), []
    experiment = mlflow.MlflowClient(site.address).get_run(site.story.runs[0]).info.experiment_id
    run.goto(f"{site.address}{run_page(experiment, site.story.runs[0])}")
    with context.expect_page() as opened:
        run.get_by_role("link", name="Leaderboard").first.click()
    run.close()
    page = opened.value
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.wait_for_url("**/shashlik/leaderboard/*")
    page.goto(f"{site.address}/shashlik/leaderboard/{TASK}?who=all")
    for name in ("v1-network", "v2-network", "v3-fit-tuned"):
        page.get_by_label(f"compare {name}", exact=True).check()
    expect(page.get_by_role("button", name="Compare chosen (3)")).to_be_visible()
    page.get_by_role("button", name="Compare chosen (3)").click()
    expect(page.get_by_role("heading", name="v1 / v2 / fit-tuned")).to_be_visible()
    figure = page.locator("figure img").first
    figure.scroll_into_view_if_needed()
    # The policy of the page forbids what would wait for it in the page.
    assert figure.evaluate("async element => { await element.decode(); return element.naturalWidth; }") > 300
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert "sigma_err" in Path(download.value.path()).read_text()
    page.get_by_role("link", name="v1", exact=True).first.click()
    page.get_by_role("navigation", name="Pages of photons").get_by_role("link", name="Model").click()
    expect(page.get_by_text("promoted")).to_be_visible()
    assert said == []
    page.close()


@browsing
def test_by_keyboard(site: Site, context: BrowserContext) -> None:
    """The first Tab skips to the content, focus is seen, Enter sorts; without a script as well."""
    page = context.new_page()
    page.goto(f"{site.address}/shashlik/leaderboard/{TASK}")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    head = page.get_by_role("link", name="q68 x (cm)")
    for _ in range(60):
        page.keyboard.press("Tab")
        if head.evaluate("element => element === document.activeElement"):
            break
    expect(head).to_be_focused()
    assert head.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=x%2Fq68**")
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("q68 x (cm) ▲")
    page.goto(f"{site.address}/shashlik/search/{TASK}/{site.story.search}")
    page.get_by_role("button", name="objective").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    first = page.locator("tbody tr").first
    expect(first).to_contain_text("0.04")
    page.close()


@browsing
def test_no_page_is_wider_than_the_window(site: Site, context: BrowserContext) -> None:
    page = context.new_page()
    for path in (
        "",
        f"/leaderboard/{TASK}?who=all",
        f"/compare/{TASK}?item=v1&item={site.story.runs[2]}",
        f"/model/{TASK}",
        f"/model/{TASK}/2",
        f"/search/{TASK}/{site.story.search}",
    ):
        page.goto(f"{site.address}/shashlik{path}")
        for width in (1280, 800):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
    page.close()
