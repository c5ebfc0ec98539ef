"""The whole report of the smallest profile: what it leaves, and how a browser sees its pages.

In a module of its own, as one process runs a module's tests: the report is built once.
"""

import csv
import getpass
import json
import math
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import browser
import numpy as np
import pytest
from browser import needs_axe, needs_browser
from bs4 import BeautifulSoup
from PIL import Image

from fmlib import report, results
from fmlib.config import REPO, STAGES
from fmlib.requested import Request

FIGURES = """
data_samples data_balance data_leakage data_shortcuts
classifier_curves optimizer_curves activation_curves classifier_predictions
dae_reconstructions dae_loss dae_robustness
vae_reconstructions vae_loss vae_samples vae_latent vae_augmentation
gradcam_mask gradcam_no_mask gradcam_localisation gradcam_faithfulness
confusion_matrices roc_curves precision_recall architecture_comparison calibration errors changed_images
""".split()


@dataclass(frozen=True)
class SmokeReport:
    """The whole report in the smoke profile: the site's folder, the store and what failed."""

    folder: Path
    home: Path
    failures: list


@pytest.fixture(scope="module")
def smoke_report(tmp_path_factory):
    """Run all six notebooks once as `python -m fmlib report --profile smoke --jobs 2` does."""
    folder, store = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("report-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FMLIB_HOME", str(store))
        failures = report.build(Request(profile="smoke", out=folder, jobs=2))
    return SmokeReport(folder, store, failures)


# --- what it leaves -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_notebook_runs(smoke_report):
    assert smoke_report.failures == []


@pytest.mark.slow
def test_every_figure_is_there_and_shows_something(smoke_report):
    folder = smoke_report.folder / "figures"
    assert set(FIGURES) <= {path.stem for path in folder.glob("*.png")}
    for name in FIGURES:
        path = folder / f"{name}.png"
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L"), dtype=float)
        assert min(pixels.shape) > 200, name
        assert (pixels < 250).mean() > 0.01, name
        assert pixels.std() > 5, name
        assert path.stat().st_size <= 200_000, name


@pytest.mark.slow
def test_results_hold_every_stage_and_are_one_tidy_table(smoke_report):
    summary = json.loads((smoke_report.folder / "results.json").read_text())
    assert summary["schema"] == 1
    assert (summary["dataset"]["name"], summary["profile"], summary["seed"]) == ("synthetic", "smoke", 0)
    assert set(summary["elapsed_s"]) == {path.stem for path in (REPO / "notebooks").glob("0*.ipynb")}
    rows = summary["rows"]
    assert {row["stage"] for row in rows} == set(STAGES)
    assert all(tuple(row) == results.FIELDS for row in rows)
    assert all(row["value"] is None or math.isfinite(row["value"]) for row in rows)
    bounded = [row for row in rows if row["low"] is not None and row["value"] is not None]
    assert bounded and all(row["low"] <= row["value"] + 1e-9 for row in bounded)
    with (smoke_report.folder / "results.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(rows)


@pytest.mark.slow
def test_results_name_the_metrics_that_others_rely_on(smoke_report):
    rows = json.loads((smoke_report.folder / "results.json").read_text())["rows"]
    promised = "images unreadable duplicate_groups leaked_test shortcut_accuracy accuracy balanced_accuracy precision "
    promised += (
        "recall f1 auc average_precision ece tp fp fn tn train_seconds reconstruction_mse psnr ssim kl elbo "
    )
    promised += "accuracy_gain pointing_game energy_inside deletion_auc insertion_auc border_energy"
    assert set(promised.split()) <= {row["metric"] for row in rows}


@pytest.mark.slow
def test_a_second_report_trains_nothing_again(smoke_report, monkeypatch):
    monkeypatch.setenv("FMLIB_HOME", str(smoke_report.home))

    def trained() -> dict[str, int]:
        return {
            str(path): path.stat().st_mtime_ns for path in (smoke_report.home / "runs").rglob("*.safetensors")
        }

    before = trained()
    assert before
    request = Request(profile="smoke", out=smoke_report.folder, only=("03",))
    assert report.build(request, say=lambda _: None) == []
    assert trained() == before


@pytest.mark.slow
def test_what_was_executed_names_nothing_of_this_machine(smoke_report):
    folder, secrets = (
        smoke_report.folder,
        machine_secrets() | {str(smoke_report.folder), str(smoke_report.home)},
    )
    texts = [
        path for path in folder.rglob("*") if path.suffix in (".html", ".ipynb", ".json", ".csv", ".svg")
    ]
    assert len(texts) > 20
    for path in texts:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            text = json.dumps(without_pictures(json.loads(text)))
        assert not [secret for secret in secrets if secret in text], path.name
        assert absolute_paths(text) == [], path.name


def machine_secrets() -> set[str]:
    """Names and folders of this machine and of whoever runs the tests, and what the environment variables say."""
    found = {str(Path.home()), str(REPO), sys.prefix, sys.base_prefix, platform.node()}
    found |= {value for value in os.environ.values() if "/" in value or len(value) >= 16}  # no mere words
    found |= {getpass.getuser()} - {"root"}  # a word of mathematics, too; its folder is found as a path
    return {secret for secret in found if len(secret) > 7 or "/" in secret.strip("/")}


def absolute_paths(text: str) -> list[str]:
    """What looks like a path from the root of a file system, of Unix or of Windows; addresses and tags do not."""
    unix = r"(?<![\w.:/<~*$-])/(?:root|home|Users|tmp|private|var|opt|usr|mnt|work|srv|data)/[^\s\"'<>]+"
    windows = r"\b[A-Z]:\\{1,4}(?:Users|Windows|Program Files)[^\s\"'<>]*"
    return re.findall(f"{unix}|{windows}", text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"see /home/ann/x.png"', ["/home/ann/x.png"]),
        ("File /tmp/a/b.py, line 3", ["/tmp/a/b.py,"]),
        ("C:\\Users\\ann\\x.png", ["C:\\Users\\ann\\x.png"]),
        ("https://example.org/home/x ../tmp/x.png </var/x> ./figures/a.png", []),
    ],
)
def test_paths_are_known_by_their_looks(text, found):
    assert absolute_paths(text) == found


def without_pictures(value):
    """A notebook without its base64, which may spell anything."""
    if isinstance(value, dict):
        return {name: without_pictures(item) for name, item in value.items() if not name.startswith("image/")}
    return [without_pictures(item) for item in value] if isinstance(value, list) else value


# --- the browser --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium():
    with browser.Browser() as opened:
        yield opened


@needs_browser
def test_the_browser_tells_of_messages_failures_and_requests(chromium, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<img src='https://example.invalid/x.png'><script>console.log('hello'); nothing.there</script>"
    )
    visit = chromium.open(bad.as_uri())
    assert "hello" in visit.messages
    assert "https://example.invalid/x.png" in visit.requests
    assert visit.failures


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_is_quiet_keeps_to_its_folder_and_fits(chromium, smoke_report, width, dark):
    folder = smoke_report.folder
    for path in site_pages(folder):
        visit = chromium.open(path.as_uri(), width, dark)
        assert visit.messages == [], path.name
        assert visit.failures == [], path.name
        outside = [url for url in visit.requests if not url.startswith((folder.as_uri(), "data:"))]
        assert outside == [], path.name
        assert chromium.evaluate("document.documentElement.scrollWidth <= innerWidth"), path.name
        assert chromium.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)"), (
            path.name
        )
        assert chromium.evaluate("[...document.images].every(i => i.alt.trim())"), path.name
        assert chromium.evaluate(CONTRAST) == [], path.name


def site_pages(folder: Path) -> list[Path]:
    """Every page of the whole site."""
    paths = [folder / "index.html", folder / "results.html", *sorted((folder / "reports").glob("*.html"))]
    assert len(paths) == 8
    return paths


@needs_browser
@needs_axe
def test_axe_finds_what_is_wrong(chromium, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<html><title>t</title><body><img src='data:,'><p style='color:#ccc'>pale</p></body></html>"
    )
    chromium.open(bad.as_uri())
    found = " ".join(chromium.violations())
    assert all(rule in found for rule in ("image-alt", "color-contrast", "html-has-lang"))


@needs_browser
@needs_axe
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(chromium, smoke_report, width, dark):
    for path in site_pages(smoke_report.folder):
        chromium.open(path.as_uri(), width, dark)
        chromium.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
        assert chromium.violations() == [], path.name


# Text whose contrast with the first opaque background behind it is below AA, as WCAG computes it.
CONTRAST = """(() => {
  const parts = colour => (colour.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = colour => parts(colour).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (parts(c)[3] !== 0) return c;
    }
    return 'rgb(255, 255, 255)';
  };
  document.querySelectorAll('details').forEach(details => details.open = true);
  const poor = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    const element = node.parentElement, style = getComputedStyle(element);
    if (!node.textContent.trim() || !element.checkVisibility()) continue;
    const [a, b] = [light(style.color), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) poor.add(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return [...poor];
})()"""


SCREEN = {390: 844, 1280: 720}  # px of width, px of height


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_answer_is_within_the_first_screen(chromium, smoke_report, width):
    chromium.open((smoke_report.folder / "index.html").as_uri(), width)
    for part in (".answer", ".numbers"):
        bottom = f"document.querySelector('{part}').getBoundingClientRect().bottom"
        assert chromium.evaluate(bottom) < SCREEN[width], part
    assert re.search(r"F1 of \d\.\d{3}", chromium.evaluate("document.querySelector('.answer').innerText"))
    shown = chromium.evaluate("[...document.querySelectorAll('.numbers > div')].map(e => e.innerText)")
    assert re.search(r"F1 .*without leaks\s+0\.\d{3}\s+95% interval 0\.\d{3} to [01]\.\d{3}", shown[0])
    assert re.search(r"published split, leak included, brings.*\s+[+-]0\.\d{3}\s+95% interval", shown[1])


@pytest.mark.slow
def test_every_link_and_anchor_of_the_site_leads_somewhere(smoke_report):
    paths = site_pages(smoke_report.folder)
    soups = {path.resolve(): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in paths}
    for path, soup in soups.items():
        for link in soup.find_all("a", href=True):
            if re.match(r"https?:|mailto:", link["href"]):
                continue
            target, _, anchor = link["href"].partition("#")
            file = (path.parent / target).resolve() if target else path
            assert file.is_file(), f"{path.name}: {link['href']}"
            if anchor:
                assert soups[file].find(id=anchor), f"{path.name}: {link['href']}"


@pytest.mark.slow
def test_the_site_is_small(smoke_report):
    sizes = {path: path.stat().st_size for path in smoke_report.folder.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 15_000_000
    index = sizes[smoke_report.folder / "index.html"]
    index += sum(size for path, size in sizes.items() if path.parent.name == "thumbnails")
    assert index < 1_000_000
