"""The command line: `python -m fmlib report|audit|predict|export|synth|compare`."""

import csv
import errno
import io
import json
import sys
from pathlib import Path

import click

from fmlib.errors import FmlibError, UsageError
from fmlib.files import absolute, write_bytes, write_text
from fmlib.text import printable

# What a full disk, a missing permission or a broken mount raises; anything else is a fault of ours.
_MACHINE = {
    getattr(errno, name)
    for name in "ENOSPC EDQUOT EACCES EPERM EROFS ENOTDIR EEXIST EISDIR EIO EMFILE ENAMETOOLONG".split()
    if hasattr(errno, name)
}


class Place(click.Path):
    """A path on the command line; an empty one, as of a variable that is not set, is not the working directory."""

    def convert(self, value, parameter, context):
        if value == "":
            self.fail("an empty name is no place", parameter, context)
        return super().convert(value, parameter, context)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="fmlib")
def cli() -> None:
    """Train, explain and honestly judge face-mask classifiers."""


@cli.command()
@click.option(
    "--dataset", default="synthetic", show_default=True, help="synthetic, face-mask-12k or a folder."
)
@click.option(
    "--profile", default="quick", show_default=True, help="How much is computed: smoke, quick or full."
)
@click.option("--external", multiple=True, help="A folder of other images to judge on; may be repeated.")
@click.option("--out", type=Place(path_type=Path), help="Put everything there, not in site/ and figures/.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Notebooks run at once; by default two on several cores, one on a GPU.",
)
@click.option("--only", default="", help="Run these notebooks only, as 02,05.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--cell-limit", type=click.IntRange(min=1), help="Seconds that one cell may take; none by default."
)
def report(dataset, profile, external, out, jobs, only, seed, cell_limit) -> int:
    """Run the notebooks and build the site. The same command goes on where it stopped."""
    from fmlib import kernels

    kernels.preload()  # beside the imports of this process, which take as long
    from fmlib import report as reports
    from fmlib.requested import Request, jobs_at_once

    names = tuple(name.strip() for name in only.split(",") if name.strip())
    if only and not names:
        raise UsageError(f"--only {only!r} names no notebook; name some, as 02,05")
    request = Request(
        dataset=_place(dataset),
        profile=profile,
        seed=seed,
        external=tuple(str(absolute(folder)) for folder in external),
        out=out,
        jobs=jobs or jobs_at_once(),
        only=names,
        cell_limit=cell_limit,
    )
    failures = reports.build(request)
    for failure in failures:
        click.echo(f"Error: {failure}", err=True)
    click.echo(f"{request.folder / 'index.html'}")
    return max((2 if failure.misuse else 1 for failure in failures), default=0)


def _place(dataset: str) -> str:
    """A source's name as it is, a folder or an archive as an absolute path."""
    looks_like_path = any(mark in dataset for mark in ("/", "\\", "~")) or dataset in (".", "..")
    if looks_like_path or (dataset not in ("synthetic", "face-mask-12k") and Path(dataset).exists()):
        return str(absolute(dataset))
    return dataset


@cli.command()
@click.argument("folder", type=Place(path_type=Path))
@click.option(
    "--json", "target", type=Place(path_type=Path, dir_okay=False), help="Write the findings there as JSON."
)
@click.option(
    "--split",
    type=Place(path_type=Path, dir_okay=False),
    help="Write the grouped split there, which leaks nothing, as CSV: path, group, split.",
)
def audit(folder: Path, target: Path | None, split: Path | None) -> None:
    """Look for leaks, duplicates, conflicting labels and shortcuts in a folder of images."""
    from fmlib.data import audit as audits
    from fmlib.data import sources, splits

    data = sources.read(folder)
    found = audits.of(data)
    click.echo(str(found))
    for place in filter(None, (target, split)):
        place.parent.mkdir(parents=True, exist_ok=True)
    if target:
        write_text(target, json.dumps(found.to_dict(), indent=1) + "\n")
    if split:
        text = splits.table(data.manifest).to_csv(index=False, lineterminator="\n")
        write_bytes(split, text.encode("utf-8", "surrogateescape"))


@cli.command()
@click.argument("model")
@click.argument("images", nargs=-1, required=True, type=click.Path())
@click.option("--cam", type=Place(path_type=Path), help="Write what each label rests on there, as overlays.")
def predict(model: str, images: tuple[str, ...], cam: Path | None) -> int:
    """Judge IMAGES, files and folders, with MODEL: a run's key or an exported file.

    Prints a line per file as it is judged: path, label, probability of a mask. Files that cannot be judged are
    named on stderr, and the exit status is then 1.
    """
    from fmlib import modelfile, prediction

    trained, failed = modelfile.load(model), False
    columns = ["path", "label", "probability", *(["cam"] if cam else [])]
    _echo_row(columns)
    for judgement in prediction.judged(trained, images, cam):
        if judgement.error:
            failed = True
            click.echo(_bytes(f"Error: {printable(judgement.path)}: {printable(judgement.error)}"), err=True)
        else:
            _echo_row([getattr(judgement, name) for name in columns])
    return int(failed)


def _echo_row(values: list) -> None:
    """Print a line of CSV, on a terminal without control characters."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(map(printable, values) if sys.stdout.isatty() else values)
    click.echo(_bytes(line.getvalue()))


def _bytes(text: str) -> bytes:
    """A line as bytes: names of files need not be valid text."""
    return text.encode("utf-8", "surrogateescape")


@cli.command()
@click.argument("run")
@click.argument("file", type=Place(path_type=Path, dir_okay=False))
def export(run: str, file: Path) -> None:
    """Write the classifier of RUN to FILE.safetensors, fit for `predict` elsewhere, and a model card beside it."""
    from fmlib import modelfile

    card = modelfile.export(run, file)
    click.echo(f"{file}, {card}")


@cli.command()
@click.argument("folder", type=Place(path_type=Path))
@click.option("--images", type=click.IntRange(min=1), default=2000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def synth(folder: Path, images: int, seed: int) -> None:
    """Write a rendered data set to a folder."""
    from fmlib.data import synthetic

    synthetic.write(absolute(folder), images=images, seed=seed)
    click.echo(f"{folder}: {images} images")


@cli.command()
@click.argument("reports", nargs=-1, required=True, type=Place(path_type=Path))
@click.option(
    "--out",
    type=Place(path_type=Path, dir_okay=False),
    default="compare.html",
    show_default=True,
    help="The page.",
)
def compare(reports: tuple[Path, ...], out: Path) -> None:
    """Lay finished reports, given by their folders, side by side on one page."""
    from fmlib import side_by_side

    side_by_side.write(reports, out)
    click.echo(str(out))


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns 0, 1 for a failure, 2 for misuse, 130 for Ctrl-C."""
    try:
        return cli.main(args=arguments, prog_name="fmlib", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except FmlibError as error:
        return _fail(str(error), error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted; the same command goes on from here", 130)
    except OSError as error:
        if error.errno not in _MACHINE:
            raise
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror}; make room or choose another place", 1)


def _fail(message: str, status: int) -> int:
    click.echo(f"Error: {message}", err=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
