"""The website: what data may put into it, what it says, and how a browser sees it."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from scipy import stats

from fmlib import pages, site, summary
from fmlib.sanitise import sanitised

EVIL = "<script>alert(1)</script>.png"


def picture(width: int = 40, height: int = 20) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def notebook(*outputs, source: str = "x = 1", tags=(), prose: str = "# 02 · Title\n\nThe question?"):
    """A notebook with one code cell that has these outputs."""
    cell = new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})
    made = new_notebook(
        cells=[new_markdown_cell(prose), cell, new_markdown_cell("## What we learned\n\nMuch.")]
    )
    made.metadata["fmlib"] = {"context": "c", "seconds": 100.0, "failure": None}
    return made


def shown(kind: str, value: str, metadata: dict | None = None):
    return new_output("display_data", {kind: value}, metadata={kind: metadata or {}})


def page(made, folder: Path, name: str = "02_classifier") -> pages.Page:
    (folder / "reports").mkdir(exist_ok=True)
    return pages.read(name, made, folder)


def row(model: str, value: float | None, **fields) -> dict:
    plain = {
        "stage": "metrics",
        "optimizer": "adam",
        "activation": None,
        "augmentation": "classic",
        "train_size": None,
    }
    plain |= {
        "split": "grouped",
        "view": "test",
        "metric": "f1",
        "low": None,
        "high": None,
        "n": 400,
        "seed": 0,
    }
    return plain | {"model": model, "value": value, "run": "r"} | fields


def scored(model: str, value: float, half: float = 0.01, **fields) -> dict:
    return row(model, value, low=value - half, high=value + half, **fields)


# --- what comes from data is text ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "html",
    [
        f"<p>{EVIL}</p>",
        "<p onclick='alert(1)'>x</p>",
        "<a href='javascript:alert(1)'>x</a>",
        "<img src=x onerror=alert(1)>",
        "<img src='https://example.org/spy.png'>",
        "<iframe src='https://example.org'></iframe>",
        "<svg onload=alert(1)></svg>",
        "<table><tr><td style='background:url(https://example.org/x)'>1</td></tr></table>",
        "<style>body { background: url(https://example.org/x) }</style>",
        "<link rel=stylesheet href=https://example.org/x.css>",
        "<form action=https://example.org><input name=q></form>",
        "<math><mtext></mtext><script>alert(1)</script></math>",
    ],
)
def test_html_from_data_can_neither_run_nor_load(html):
    soup = BeautifulSoup(f"<div>{sanitised(html)}</div>", "html.parser")
    assert not soup.find_all(["script", "iframe", "svg", "style", "link", "form", "input", "math", "object"])
    for tag in soup.find_all():
        assert not [name for name in tag.attrs if name.startswith("on")]
        assert not re.match(r"(?!data:image)", tag.get("src", "data:image"))
        assert "javascript" not in tag.get("href", "")
        assert "url" not in tag.get("style", "")


def test_a_file_name_that_is_a_script_is_shown_as_its_text(tmp_path):
    outputs = [
        shown("text/markdown", f"* {EVIL}"),
        shown("text/plain", EVIL),
        shown("text/html", f"<b>{EVIL}</b>"),
    ]
    outputs += [
        new_output("stream", name="stdout", text=EVIL),
        shown("image/png", picture(), {"alt": f'">{EVIL}'}),
    ]
    outputs += [new_output("error", ename="E", evalue=EVIL, traceback=[EVIL])]
    body = BeautifulSoup(page(notebook(*outputs), tmp_path).body, "html.parser")
    assert not body.find_all("script")
    assert body.get_text().count(EVIL) >= 6
    assert EVIL in body.img["alt"]


def test_names_of_classes_and_folders_are_escaped_on_the_index(tmp_path):
    results = facts() | {"rows": [scored(f"a{EVIL}", 0.9, view=f'external:"{EVIL}')]}
    results["dataset"] = {"name": f"'\"{EVIL}", "fingerprint": "f", "images": 3, "licence": EVIL}
    site.render(tmp_path, results, {})
    index = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser")
    assert not index.find_all("script")
    assert f"'\"{EVIL}" in index.get_text()


def test_every_row_of_results_has_a_place_and_the_index_leads_there(tmp_path):
    rows = [scored("alexnet", 0.5, view="clean"), scored(f"m{EVIL}", 0.9), row("resnet18", None)]
    site.render(tmp_path, facts() | {"rows": rows}, {"06_metrics": notebook()})
    results = BeautifulSoup((tmp_path / "results.html").read_text(), "html.parser")
    index = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser")
    lines = [[cell.get_text() for cell in results.find(id=f"row-{n}").find_all("td")] for n in range(3)]
    assert [line[5] for line in lines] == ["0.5", "0.9", "–"]
    assert lines[1][2] == f"m{EVIL}"
    links = {link.get_text(): link["href"] for link in index.select("a.number")}
    assert links == {"0.500": "results.html#row-0", "0.900": "results.html#row-1"}
    report = BeautifulSoup((tmp_path / "reports" / "06_metrics.html").read_text(), "html.parser")
    assert report.footer.find("a", href="../results.html#metrics")
    assert results.find(id="metrics").get_text() == "02 · Title"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0"), (1.0, "1"), (0.98764, "0.9876"), (12345, "12,345"), (2.5, "2.5")],
)
def test_numbers_as_text(value, text):
    assert site.number(value) == text


def facts() -> dict:
    environment = {
        "python": "3",
        "packages": {"torch": "2"},
        "platform": "Linux",
        "device": "cpu",
        "cpu_count": 2,
    }
    return {
        "schema": 1,
        "dataset": {"name": "synthetic"},
        "profile": "smoke",
        "seed": 0,
        "commit": None,
        "environment": environment,
        "elapsed_s": {"02_classifier": 100.0},
        "rows": [],
    }


# --- a page -------------------------------------------------------------------------------------------------


def test_progress_bars_and_widgets_are_gone_and_prints_stay(tmp_path):
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "  0%|   | 0/9"}
    outputs = [new_output("stream", name="stderr", text="50%|#####"), new_output("display_data", widget)]
    outputs += [new_output("stream", name="stdout", text="1 of 2\r2 of 2\nready")]
    body = page(notebook(*outputs), tmp_path).body
    assert "%|" not in body
    assert "1 of 2" not in body
    assert "2 of 2\nready" in body


def test_code_is_folded_and_plumbing_is_not_shown(tmp_path):
    body = BeautifulSoup(page(notebook(source="answer = 42"), tmp_path).body, "html.parser")
    assert "answer" in body.select_one("details.code:not([open])").get_text()
    assert "answer" not in page(notebook(source="answer = 42", tags=["plumbing"]), tmp_path).body
    assert "Parameters of this run" in page(notebook(tags=["injected-parameters"]), tmp_path).body


def test_headings_from_prose_and_from_results_make_the_outline(tmp_path):
    read = page(notebook(shown("text/markdown", "## F1 is 0.98\n\n## F1 is 0.98")), tmp_path)
    assert (read.title, read.question, read.number) == ("02 · Title", "The question?", "02")
    assert [heading.text for heading in read.headings] == ["F1 is 0.98", "F1 is 0.98", "What we learned"]
    assert len({heading.id for heading in read.headings}) == 3
    assert all(f'id="{heading.id}"' in read.body for heading in read.headings)


def test_the_question_is_the_bold_beginning(tmp_path):
    assert page(notebook(prose="# T\n\n**Is it so?** And\nmore."), tmp_path).question == "Is it so?"
    assert page(notebook(prose="# T\n\nIs it **so**?"), tmp_path).question == "Is it so?"
    assert page(notebook(prose="# T"), tmp_path).question == "Much."


def test_a_figure_is_its_file_with_number_caption_alt_and_size(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "roc_curves.png").write_bytes(base64.b64decode(picture()))
    outputs = [
        shown("image/png", picture(), {"figure": "roc_curves", "alt": "Four curves"}),
        shown("image/png", picture()),
    ]
    read = page(notebook(*outputs), tmp_path)
    first, second = BeautifulSoup(read.body, "html.parser").find_all("figure")
    assert (first.img["src"], first.img["alt"]) == ("../figures/roc_curves.png", "Four curves")
    assert (first.img["width"], first.img["height"]) == ("40", "20")
    assert first.figcaption.get_text() == "Figure 1. Four curves"
    assert second.img["alt"]
    assert (tmp_path / "reports" / second.img["src"]).resolve().is_file()
    assert [figure["name"] for figure in site.gallery(tmp_path, [read])] == ["roc_curves"]


def test_a_figure_that_is_there_as_svg_is_offered_so(tmp_path):
    (tmp_path / "figures").mkdir()
    for name in ("roc_curves.png", "roc_curves.svg", "errors.png"):
        (tmp_path / "figures" / name).write_bytes(base64.b64decode(picture()))
    outputs = [shown("image/png", picture(), {"figure": name}) for name in ("roc_curves", "errors")]
    first, second = BeautifulSoup(page(notebook(*outputs), tmp_path).body, "html.parser").find_all("figure")
    assert first.select_one("a.vector")["href"] == "../figures/roc_curves.svg"
    assert not second.select("a.vector")


def test_a_playground_is_its_picture_with_a_caption(tmp_path):
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "image/png": picture()}
    facts = {"image/png": {"alt": "A walk", "caption": "A walk. In Jupyter ..."}}
    read = page(notebook(new_output("execute_result", widget, metadata=facts)), tmp_path)
    figure = BeautifulSoup(read.body, "html.parser").figure
    assert (figure.img["alt"], figure.figcaption.get_text()) == ("A walk", "Figure 1. A walk. In Jupyter ...")
    assert site.gallery(tmp_path, [read]) == []


def test_a_figure_name_that_leads_elsewhere_is_not_followed(tmp_path):
    read = page(notebook(shown("image/png", picture(), {"figure": "../../etc/passwd"})), tmp_path)
    assert read.pictures[0].path.startswith("reports/02_classifier-")


def test_tables_scroll(tmp_path):
    table = "<div><style scoped>.a{}</style><table class='dataframe'><tr><th>a</th></tr></table></div>"
    body = BeautifulSoup(page(notebook(shown("text/html", table)), tmp_path).body, "html.parser")
    assert body.table.parent["class"] == ["scroll"]
    assert body.table.parent["tabindex"] == "0"


def test_links_between_notebooks_lead_to_pages_and_dead_ones_are_text(tmp_path):
    prose = "# T\n\n[six](06_metrics.ipynb) [code](../fmlib/training.py) [web](https://example.org) [top](#t)"
    body = BeautifulSoup(page(notebook(prose=prose), tmp_path).body, "html.parser")
    assert {link["href"] for link in body.find_all("a")} == {"06_metrics.html", "https://example.org", "#t"}
    assert "code" in body.get_text()


# --- the answer ---------------------------------------------------------------------------------------------


def test_the_answer_names_the_best_honest_model_and_the_leak():
    rows = [scored("resnet18", 0.95), scored("alexnet", 0.90), scored("resnet18", 0.97, split="official")]
    rows += [row("resnet18", 0.02, metric="f1_leak", split="official", low=0.01, high=0.03)]
    found = summary.summarise(rows)
    assert (found["best"].model, found["leak"]["gain"]) == ("resnet18", 0.02)
    assert "0.950 (95% interval 0.940 to 0.960)" in found["answer"]
    assert "0.020 more (paired difference +0.010 to +0.030)" in found["answer"]


def test_the_leak_is_that_of_a_model_trained_both_ways_and_may_be_chance():
    rows = [scored("alexnet", 0.96), scored("resnet18", 0.95), scored("resnet18", 0.94, split="official")]
    rows += [row("resnet18", -0.01, metric="f1_leak", split="official", low=-0.03, high=0.01)]
    answer = summary.summarise(rows)["answer"]
    assert "AlexNet, reaches an F1 of 0.960" in answer
    assert "ResNet-18 scores 0.010 less (paired difference -0.030 to +0.010, which may be chance)" in answer


def test_without_results_the_index_says_so(tmp_path):
    site.render(tmp_path, facts(), {})
    assert "no classifier scored" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(("profile", "trial"), [("smoke", True), ("quick", False)])
def test_the_index_of_a_trial_run_says_that_it_is_one(tmp_path, profile, trial):
    site.render(tmp_path, facts() | {"profile": profile}, {})
    assert ("hardly begun to learn" in (tmp_path / "index.html").read_text()) == trial


def test_a_value_is_marked_only_where_no_other_interval_reaches_it():
    clear = summary.summarise([scored("resnet18", 0.95), scored("alexnet", 0.90)])["tables"][0]
    assert [line["cells"][0]["best"] for line in clear["lines"]] == [True, False]
    near = summary.summarise([scored("resnet18", 0.95), scored("alexnet", 0.94)])["tables"][0]
    assert [line["cells"][0]["best"] for line in near["lines"]] == [False, False]


def test_the_index_counts_architectures_not_arms_of_other_studies():
    rows = [scored("resnet18", 0.95), scored("alexnet", 0.90), scored("compact no blending", 0.99)]
    found = summary.summarise(rows)
    assert found["best"].model == "resnet18" and len(found["tables"][0]["lines"]) == 2


def test_seeds_are_averaged_and_widen_the_interval():
    values = (0.90, 0.91, 0.92)
    rows = [scored("resnet18", value, seed=seed) for seed, value in enumerate(values)]
    best = summary.summarise(rows)["best"]
    assert best.value == pytest.approx(0.91)
    _, high = stats.t.interval(0.95, len(values) - 1, 0.91, stats.sem(values))
    wanted = np.hypot(0.01, high - 0.91)  # 0.01 is the reach of each seed's own interval
    assert best.high - best.value == pytest.approx(wanted) == pytest.approx(best.value - best.low)
    one = summary.summarise(rows[:1])["best"]
    assert (one.low, one.high) == pytest.approx((0.89, 0.91))
