"""The website: a page per executed notebook and an index that answers the question."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from nbformat import NotebookNode
from PIL import Image

from fmlib import pages, summary
from fmlib.config import STAGES
from fmlib.files import write_text
from fmlib.pages import TEMPLATES, Page, Picture
from fmlib.wording import label

THUMBNAIL = 720  # px


def render(folder: Path, results: dict, executed: Mapping[str, NotebookNode]) -> None:
    """Write `reports/*.html`, `results.html` and `index.html` into `folder`, where figures and results lie already."""
    (folder / "reports").mkdir(parents=True, exist_ok=True)
    read = [pages.read(name, notebook, folder) for name, notebook in executed.items()]
    environment = templates()
    facts = {"dataset": results["dataset"]["name"], "profile": results["profile"], "seed": results["seed"]}
    stages = by_stage(results["rows"])
    page = environment.get_template("report.html.j2")
    for before, this, after in zip([None, *read], read, [*read[1:], None], strict=False):
        stage = stage_of(this) if stage_of(this) in stages else None
        html = page.render(page=this, pages=read, previous=before, next=after, facts=facts, stage=stage)
        write_text(folder / "reports" / f"{this.name}.html", html)
    html = environment.get_template("results.html.j2").render(
        pages=read, stages=stages, titles={stage_of(page): page.title for page in read}
    )
    write_text(folder / "results.html", html)
    index = environment.get_template("index.html.j2")
    html = index.render(
        pages=read,
        gallery=gallery(folder, read),
        results=results,
        summary=summary.summarise(results["rows"]),
        facts=facts,
    )
    write_text(folder / "index.html", html)


def templates() -> Environment:
    """The templates of the pages; everything that is put in is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["css"] = Markup((TEMPLATES / "site.css").read_text(encoding="utf-8"))
    environment.filters |= {"duration": pages.duration, "number": number, "label": label, "commit": short}
    return environment


def stage_of(page: Page) -> str | None:
    """The stage whose rows a report records: notebooks are numbered in the order of the stages."""
    return dict(enumerate(STAGES, start=1)).get(int(page.number))


def by_stage(rows: list[dict]) -> dict[str, list[tuple[int, dict]]]:
    """The rows of every stage, each with its number in results.json."""
    stages: dict[str, list[tuple[int, dict]]] = {}
    for number, row in enumerate(rows):
        stages.setdefault(row["stage"], []).append((number, row))
    return stages


def number(value: float | None) -> str:
    """A measured number as text: counts whole, others with four digits, nothing as a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 2 else f"{value:.4g}"


def short(commit: str) -> str:
    """A commit as one writes it, still told from one whose files had been changed."""
    return commit[:12] + "-dirty" * commit.endswith("-dirty")


def gallery(folder: Path, read: list[Page]) -> list[dict]:
    """Every named figure once, with a small version of it."""
    found: dict[str, Picture] = {}
    for page in read:
        for picture in page.pictures:
            if picture.path.startswith("figures/"):
                found.setdefault(picture.name, picture)
    return [vars(picture) | {"small": shrink(folder, picture)} for picture in found.values()]


def shrink(folder: Path, picture: Picture) -> dict:
    """Write a small version of a figure; returns its path and size."""
    target = folder / "thumbnails" / f"{picture.name}.webp"
    target.parent.mkdir(exist_ok=True)
    with Image.open(folder / picture.path) as image:
        small = image.convert("RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        small.save(target, quality=72, method=6)
    return {"path": f"thumbnails/{target.name}", "width": small.width, "height": small.height}
