"""The report: run the notebooks, gather their results, build the site."""

import json
import re
import shutil
from collections.abc import Callable, Container, Sequence
from pathlib import Path

from nbformat import NotebookNode

from fmlib import notebooks, results, site
from fmlib.batch import read, run_all, threads_each
from fmlib.config import REPO
from fmlib.environment import commit, environment
from fmlib.errors import UsageError
from fmlib.files import write_text
from fmlib.notebooks import Failure
from fmlib.progress import tqdm
from fmlib.requested import Request, choose, validate
from fmlib.stage import Stage

SUFFIXES = (".png", ".svg")  # of figures


def build(
    request: Request, *, source: Path = REPO / "notebooks", say: Callable[[str], None] = tqdm.write
) -> list[Failure]:
    """Run the notebooks of a report and build its site.

    Args:
        source: the folder of the notebooks.
        say: receives a line for each notebook that ends.

    Returns:
        The failures; empty if every notebook ran.

    Raises:
        UsageError: the request is wrong; nothing has been run.
    """
    chosen = choose(source, request.only)
    for path in chosen:
        notebooks.check_parameters(path, request.parameters)
    if (request.folder / "notebooks").resolve() == source.resolve():
        raise UsageError(
            f"a report in {request.folder} would take the place of its own notebooks; choose another --out"
        )
    stage = validate(request)
    for name in ("notebooks", "figures", "reports"):
        (request.folder / name).mkdir(parents=True, exist_ok=True)
    forget_others(request.folder, stage.context)
    failures = run_all(request, stage, chosen, say)
    gather(request, stage, [path.stem for path in choose(source, ())])
    return failures


def forget_others(folder: Path, context: str) -> None:
    """Remove what an earlier report on other images, in another profile or by other code left in this folder."""
    for path in sorted((folder / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        notebook = read(path)
        if _context(notebook) not in (None, context):
            page = folder / "reports" / path.stem
            left = [path, page.with_suffix(".html"), *page.parent.glob(f"{path.stem}-[0-9]*-[0-9]*.*")]
            for name in shown(notebook):
                left += [folder / "figures" / f"{name}{suffix}" for suffix in SUFFIXES]
                left.append(folder / "thumbnails" / f"{name}.webp")
            for file in left:
                file.unlink(missing_ok=True)


def shown(notebook: NotebookNode) -> set[str]:
    """The names of the figures that an executed notebook shows."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    facts = [output.get("metadata", {}).get("image/png", {}) for output in outputs]
    return {name for fact in facts if re.fullmatch(r"[\w-]+", name := fact.get("figure", ""))}


def _context(notebook: NotebookNode) -> str | None:
    """The context of the report that a notebook was executed for; None if for none."""
    return notebook.metadata.get("fmlib", {}).get("context")


def gather(request: Request, stage: Stage, names: Sequence[str]) -> None:
    """Write results.json and results.csv, bring the figures, and render the pages."""
    folder = request.folder
    paths = {name: folder / "notebooks" / f"{name}.ipynb" for name in names}
    found = {name: read(path) for name, path in paths.items() if path.is_file()}
    executed = {name: notebook for name, notebook in found.items() if _context(notebook)}
    if not request.out:
        bring_figures(stage.out, folder / "figures", set().union(*map(shown, executed.values())))
    summary = summarise(request, stage, executed)
    write_text(folder / "results.json", json.dumps(summary, indent=1, allow_nan=False) + "\n")
    write_text(folder / "results.csv", results.csv(summary["rows"]))
    site.render(folder, summary, executed)


def bring_figures(source: Path, target: Path, names: Container[str]) -> None:
    """Give the site its own copy of the figures of these names, and of no others."""
    for path in figures(target):
        path.unlink()
    for path in figures(source):
        if path.stem in names:
            shutil.copyfile(path, target / path.name)


def figures(folder: Path) -> list[Path]:
    """The figures in a folder, as PNG and as SVG."""
    return [path for path in folder.glob("*") if path.suffix in SUFFIXES]


def summarise(request: Request, stage: Stage, executed: dict[str, NotebookNode]) -> dict:
    """The content of results.json."""
    return {
        "schema": 1,
        "dataset": describe(stage),
        "profile": request.profile,
        "seed": request.seed,
        "commit": commit(),
        "environment": environment() | {"torch_threads": threads_each(request.jobs)},
        "elapsed_s": {name: notebook.metadata.fmlib.seconds for name, notebook in executed.items()},
        "rows": results.collect(stage.context),
    }


def describe(stage: Stage) -> dict:
    """The data set's part of results.json; a folder's place on this machine is nobody's business."""
    data = stage.data
    sheet = {key: value for key, value in data.sheet.items() if value != str(data.root)}
    external = {
        name: {"fingerprint": other.fingerprint, "images": len(other)}
        for name, other in stage.external.items()
    }
    return {
        **sheet,
        "name": data.name,
        "fingerprint": data.fingerprint,
        "images": len(data),
        "external": external,
    }
