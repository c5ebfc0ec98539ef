"""An executed notebook as the body of a web page: nbconvert with our template, then outline and figures."""

import base64
import io
import re
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from PIL import Image

from fmlib.sanitise import sanitised

TEMPLATES = Path(__file__).with_name("templates")
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/svg+xml": ".svg"}


@dataclass(frozen=True)
class Heading:
    """An entry of a page's table of contents."""

    level: int
    id: str
    text: str


@dataclass(frozen=True)
class Picture:
    """A figure of a page: its file below the site's folder and what is said about it."""

    name: str
    path: str
    alt: str
    caption: str
    page: str


@dataclass(frozen=True)
class Page:
    """A report, ready to be put into `report.html.j2`."""

    name: str
    title: str
    question: str
    body: Markup
    headings: list[Heading]
    pictures: list[Picture]
    seconds: float
    failure: str | None

    @property
    def number(self) -> str:
        return self.name[:2]

    @property
    def short(self) -> str:
        return self.name[3:].replace("_", " ")

    @property
    def duration(self) -> str:
        return duration(self.seconds)


def duration(seconds: float) -> str:
    """Seconds in words, as `41 s` or `12 min`."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


class ReportExporter(HTMLExporter):
    """nbconvert's HTML exporter with our template, everything escaped that is not meant as HTML."""

    @property
    def default_config(self):
        order = "text/html text/markdown image/svg+xml image/png image/jpeg text/latex text/plain"
        config = super().default_config
        config.NbConvertBase.display_data_priority = order.split()
        return config

    def _create_environment(self):
        environment = super()._create_environment()
        environment.autoescape = True
        environment.filters |= {"sanitised": sanitised, "plain": plain}
        return environment


def plain(text: str) -> str:
    """Terminal output as text: no colours, and of a line that was overwritten only its last state."""
    lines = strip_ansi(text).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines).strip("\n")


def read(name: str, notebook: NotebookNode, folder: Path) -> Page:
    """Turn the notebook `name` into a page of the site in `folder`; pictures that have no file get one."""
    pictures = [
        _place(output, mime, folder, f"{name}-{index}-{place}", name)
        for index, cell in enumerate(notebook.cells)
        for place, output in enumerate(cell.get("outputs", []))
        if (mime := _shown_picture(output))
    ]
    _prefer_given_parameters(notebook)
    exporter = ReportExporter(
        template_name="report", extra_template_basedirs=[str(TEMPLATES)], exclude_anchor_links=True
    )
    html, _ = exporter.from_notebook_node(notebook)
    soup = BeautifulSoup(html, "html.parser")
    _number_figures(soup)
    _dress_tables(soup)
    _mend_links(soup, folder)
    headings = _outline(soup)
    facts = notebook.metadata.get("fmlib", {})
    title = next((heading.text for heading in headings if heading.level == 1), name)
    return Page(
        name,
        title,
        _question(soup),
        Markup(str(soup)),  # built from escaped and sanitised parts only
        [heading for heading in headings if heading.level in (2, 3)],
        pictures,
        facts.get("seconds", 0.0),
        facts.get("failure"),
    )


def _prefer_given_parameters(notebook: NotebookNode) -> None:
    """Show the parameters of this run in place of the defaults."""
    tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
    if any("injected-parameters" in tag for tag in tags):
        for tag in tags:
            if "parameters" in tag:
                tag.append("plumbing")


def _shown_picture(output: NotebookNode) -> str | None:
    """The MIME type of the picture that the template will show for this output."""
    data = output.get("data", {})
    if "text/html" in data or "text/markdown" in data:
        return None
    return next((mime for mime in ("image/svg+xml", "image/png", "image/jpeg") if mime in data), None)


def _place(output: NotebookNode, mime: str, folder: Path, spare: str, page: str) -> Picture:
    """Find or write the file of a picture and note in the output's metadata what the template needs."""
    facts = output.metadata.setdefault(mime, NotebookNode())
    given = facts.get("name") or facts.get("figure")
    name = given if given and re.fullmatch(r"[\w-]+", given) else spare
    path = f"figures/{name}{SUFFIXES[mime]}"
    content = output.data[mime]
    data = content.encode() if mime == "image/svg+xml" else base64.b64decode(content)
    if name == spare or not (folder / path).is_file():
        path = f"reports/{name}{SUFFIXES[mime]}"
        (folder / path).write_bytes(data)
    if mime != "image/svg+xml":
        width, height = Image.open(io.BytesIO(data)).size
        facts.width, facts.height = width, height
    caption = facts.get("caption") or facts.get("alt") or ""
    alt = facts.get("alt") or caption or f"Figure: {name.replace('_', ' ')}"
    facts.update(name=name, src=f"../{path}", alt=alt, caption=caption)
    if path.startswith("figures/") and (folder / "figures" / f"{name}.svg").is_file():
        facts.vector = f"../figures/{name}.svg"
    return Picture(name, path, alt, caption, page)


def _question(soup: BeautifulSoup) -> str:
    """What the report asks: the bold beginning of its first paragraph, or all of that."""
    first = soup.p
    if first is None:
        return ""
    bold = first.contents[0] if first.contents[0].name == "strong" else first
    return " ".join(bold.get_text().split())


def _number_figures(soup: BeautifulSoup) -> None:
    """Begin every caption with its figure's number on the page."""
    for number, figure in enumerate(soup.find_all("figure"), start=1):
        caption = figure.find("figcaption") or figure.append(soup.new_tag("figcaption")) or figure.figcaption
        mark = soup.new_tag("b")
        mark.string = f"Figure {number}. " if caption.get_text() else f"Figure {number}"
        caption.insert(0, mark)


def _dress_tables(soup: BeautifulSoup) -> None:
    """Let tables scroll, begin columns of words at the left, drop the lines of pandas' heads that say nothing."""
    for number, table in enumerate(soup.find_all("table"), start=1):
        for line in table.select("thead tr"):
            if not line.get_text().strip():
                line.decompose()
        for head in table.select("thead th"):
            if not head.get_text().strip():
                head.name = "td"
        _align(table)
        table.wrap(soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "region"}))
        table.parent["aria-label"] = f"Table {number}"
    for output in soup.find_all("pre"):
        output["tabindex"] = "0"  # long lines scroll, by the keyboard too


def _align(table: Tag) -> None:
    """Mark the columns that hold words; lines with joined cells are left as they are."""
    lines = [line.find_all(["td", "th"]) for line in table.find_all("tr")]
    columns = (
        list(zip(*[line for line in lines if len(line) == len(lines[-1])], strict=True)) if lines else []
    )
    for column in columns:
        below = [cell for cell in column if cell.find_parent("thead") is None]
        if any(re.search(r"[^\W\d_]{2}", cell.get_text().replace("inf", "")) for cell in below):
            for cell in column:
                cell["class"] = [*cell.get("class", []), "text"]


def _mend_links(soup: BeautifulSoup, folder: Path) -> None:
    """Lead links between notebooks to their pages; a link to a file that the site does not have becomes text."""
    for link in soup.find_all("a", href=True):
        target = re.sub(r"(^|/)(\d\d_\w+)\.ipynb", r"\1\2.html", link["href"])
        link["href"] = target
        inside = not re.match(r"[a-z]+:|#", target)
        if (
            inside
            and not target.endswith(".html")
            and not (folder / "reports" / target.split("#")[0]).is_file()
        ):
            link.unwrap()


def _outline(soup: BeautifulSoup) -> list[Heading]:
    """Give every heading an id of its own and list them."""
    headings, taken = [], {tag["id"] for tag in soup.find_all("figure", id=True)} | {"main"}
    for tag in soup.find_all(["h1", "h2", "h3"]):
        text = " ".join(tag.get_text().split())
        stem = re.sub(r"[^\w]+", "-", text.lower()).strip("-") or "section"
        identity, count = stem, 1
        while identity in taken:
            count += 1
            identity = f"{stem}-{count}"
        taken.add(identity)
        tag["id"] = identity
        headings.append(Heading(int(tag.name[1]), identity, text))
    return headings
