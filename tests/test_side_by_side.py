"""Several reports on one page: what it tells apart, what it refuses, and that names in it are text."""

import json
from pathlib import Path

import browser
import pytest
from browser import needs_browser
from bs4 import BeautifulSoup
from test_site import EVIL, facts, scored

from fmlib import cli, side_by_side
from fmlib.errors import UsageError


def report(folder: Path, *rows: dict, **changed) -> Path:
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(facts() | {"rows": list(rows)} | changed))
    return folder


@pytest.fixture
def three(tmp_path) -> list[Path]:
    return [
        report(tmp_path / "a", scored("resnet18", 0.90), seed=0),
        report(tmp_path / "b", scored("resnet18", 0.95), seed=1),
        report(tmp_path / "c", scored("resnet18", 0.91), scored("alexnet", 0.5), seed=2),
    ]


def page(places: list[Path], out: Path) -> BeautifulSoup:
    side_by_side.write(places, out)
    return BeautifulSoup(out.read_text(encoding="utf-8"), "html.parser")


def cells(line) -> list[str]:
    return [cell.get_text(strip=True) for cell in line.find_all(["th", "td"])]


def test_scores_stand_under_each_other_and_the_best_is_marked_where_it_is_apart(three, tmp_path):
    resnet, alexnet = page(three, tmp_path / "page.html").select("table.strips tbody")
    assert [cells(line) for line in resnet.find_all("tr")] == [
        ["ResNet-18, test"],
        ["a", "0.900", "0.890–0.910", ""],
        ["b", "0.950", "0.940–0.960", ""],
        ["c", "0.910", "0.900–0.920", ""],
    ]
    assert [mark.get_text() for mark in resnet.select(".best")] == ["0.950"]
    assert [cells(line)[1] for line in alexnet.find_all("tr")[1:]] == ["–", "–", "0.500"]
    assert not alexnet.select(".best")


def test_no_report_is_marked_where_intervals_overlap(tmp_path):
    near = [report(tmp_path / name, scored("resnet18", value)) for name, value in (("a", 0.9), ("b", 0.91))]
    assert not page(near, tmp_path / "page.html").select(".best")


def test_what_differs_is_listed_and_what_does_not_is_folded(three, tmp_path):
    soup = page(three, tmp_path / "page.html")
    first = soup.find("table")
    assert [cells(line) for line in first.select("tbody tr")] == [["seed", "0", "1", "2"]]
    assert "torch" in soup.find("details").get_text()
    assert "not on the same images" not in soup.get_text()


def test_reports_on_other_images_are_not_ranked(tmp_path):
    scores = {"a": scored("resnet18", 0.5), "b": scored("resnet18", 0.9)}
    places = [
        report(tmp_path / name, score, dataset={"name": "s", "fingerprint": name})
        for name, score in scores.items()
    ]
    soup = page(places, tmp_path / "page.html")
    assert "not on the same images" in soup.get_text()
    assert "0.900" in soup.get_text() and not soup.select(".best")


def test_reports_of_one_name_are_told_apart_by_their_parents(tmp_path):
    places = [report(tmp_path / name / "site") for name in ("x", "y")]
    assert [found.name for found in side_by_side.load(places)] == ["x/site", "y/site"]


def test_names_are_text(tmp_path):
    rows = [scored(f"m{EVIL}", 0.9, view=f'external:"{EVIL}')]
    dataset = {"name": f"'\"{EVIL}", "fingerprint": EVIL}
    places = [report(tmp_path / name, *rows, dataset=dataset) for name in ("a", "b'\"<b>")]
    soup = page(places, tmp_path / "page.html")
    assert not soup.find_all(["script", "b"])
    assert f'm{EVIL}, "{EVIL}' in soup.get_text()
    assert "b'\"<b>" in soup.get_text()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not JSON"),
        ("[]", "schema 1"),
        (json.dumps(facts() | {"schema": 2}), "schema 1"),
        (json.dumps(facts() | {"rows": [{"stage": "metrics"}]}), "schema 1"),
    ],
)
def test_what_is_no_report_is_named(tmp_path, content, said):
    good, bad = report(tmp_path / "good"), tmp_path / "bad"
    bad.mkdir()
    (bad / "results.json").write_text(content)
    with pytest.raises(UsageError, match=said) as raised:
        side_by_side.load([good, bad])
    assert str(bad) in str(raised.value)


def test_the_command_writes_the_page_or_exits_with_two(three, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert cli.main(["compare", *map(str, three), "--out", str(out)]) == 0
    assert out.is_file()
    for wrong in ([], [three[0]], [three[0], three[0]], [three[0], tmp_path / "nowhere"]):
        assert cli.main(["compare", *map(str, wrong), "--out", str(tmp_path / "none.html")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "none.html").exists()


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_stands_alone_and_fits(three, tmp_path, width):
    page = tmp_path / "new" / "page.html"
    side_by_side.write(three, page)
    with browser.Browser() as chromium:
        visit = chromium.open(page.as_uri(), width)
        outside = [url for url in visit.requests if not url.startswith((page.as_uri(), "data:"))]
        assert (visit.messages, visit.failures, outside) == ([], [], [])
        assert chromium.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if browser.AXE.is_file():
            assert chromium.violations() == []
