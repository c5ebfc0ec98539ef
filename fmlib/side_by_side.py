"""Several finished reports on one page: what they differ in, and what each scored."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fmlib import site, summary
from fmlib.errors import UsageError
from fmlib.files import write_text
from fmlib.results import FIELDS
from fmlib.summary import Score
from fmlib.wording import label

MACHINE = (
    "device",
    "platform",
    "cpu_count",
    "torch_threads",
    "python",
)  # of the environment, beside packages


@dataclass(frozen=True)
class Report:
    """A finished report: what it is called on the page, and its results.json."""

    name: str
    results: dict

    @property
    def answer(self) -> str:
        return summary.summarise(self.results["rows"])["answer"]

    @property
    def facts(self) -> dict[str, str]:
        """What the report was made of and with, as words."""
        data, environment = self.results["dataset"], self.results["environment"]
        found = {"data set": data.get("name"), "fingerprint of the images": data.get("fingerprint")}
        found |= {"images": data.get("images"), "judged on, too": ", ".join(data.get("external", {}))}
        found |= {name: self.results[name] for name in ("profile", "seed", "commit")}
        found |= {name: environment.get(name) for name in MACHINE}
        found |= environment.get("packages", {})
        return {
            name.replace("_", " "): "–" if value in (None, "") else str(value)
            for name, value in found.items()
        }


def write(places: Sequence[Path], out: Path) -> None:
    """Write one self-contained page that lays reports side by side.

    Args:
        places: folders of finished reports (or their results.json), in the order of the page.
        out: the page.

    Raises:
        UsageError: fewer than two, one of them twice, one that is no finished report, or `out` is one of them.
    """
    reports = load(places)
    if any(
        out.resolve() in (Path(place).resolve(), (Path(place) / "results.json").resolve()) for place in places
    ):
        raise UsageError(f"{str(out)!r} is one of the reports; let --out name another file")
    facts = {report.name: report.facts for report in reports}
    names = dict.fromkeys(name for found in facts.values() for name in found)
    lines = {name: [found.get(name, "–") for found in facts.values()] for name in names}
    one_set = len(set(lines["fingerprint of the images"])) == 1
    template = site.templates().get_template("side_by_side.html.j2")
    page = template.render(
        reports=reports,
        differing={name: values for name, values in lines.items() if len(set(values)) > 1},
        common={name: values[0] for name, values in lines.items() if len(set(values)) == 1},
        one_set=one_set,
        tables=[table for split in summary.SPLITS if (table := _table(reports, split, one_set))["groups"]],
    )
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    write_text(Path(out), page)


def load(places: Sequence[Path]) -> list[Report]:
    """Read the reports and give each a name that tells it from the others."""
    files = [(path / "results.json" if path.is_dir() else path).resolve() for path in map(Path, places)]
    if len(files) < 2:
        raise UsageError("name two reports or more to compare, as: compare OUT1 OUT2")
    twice = next((file for file in files if files.count(file) > 1), None)
    if twice:
        raise UsageError(f"{twice} is named twice; name different reports")
    found = zip(_names(files), places, files, strict=True)
    return [Report(name, _results(given, file)) for name, given, file in found]


def _names(files: Sequence[Path]) -> list[str]:
    """The folders' names, with as many parents as it takes to tell them apart."""
    parts = [file.parent.parts if file.name == "results.json" else file.parts for file in files]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names


def _results(given: Path, file: Path) -> dict:
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"no report at {given}: {error.strerror}; make one with: report --out FOLDER"
        ) from error
    except ValueError as error:
        raise UsageError(f"{file} is not JSON: {error}; make the report again") from error
    if not _complete(results):
        raise UsageError(f"{file} is no results.json of schema 1; make the report again with this version")
    return results


def _complete(results: object) -> bool:
    """Whether everything is there that the page reads."""
    kinds = {"dataset": dict, "environment": dict, "rows": list, "profile": str, "seed": int}
    return (
        isinstance(results, dict)
        and results.get("schema") == 1
        and "commit" in results
        and all(isinstance(results.get(name), kind) for name, kind in kinds.items())
        and isinstance(results["dataset"].get("external", {}), dict)
        and all(
            isinstance(row, dict) and set(FIELDS) <= set(row) and _measured(row) for row in results["rows"]
        )
    )


def _measured(row: dict) -> bool:
    """Whether a row's value and the ends of its interval are numbers, or not there."""
    return all(isinstance(row[name], int | float | None) for name in ("value", "low", "high"))


def _table(reports: Sequence[Report], split: str, mark: bool) -> dict:
    """F1 by model and view, a line per report, all on one scale; with `mark` the best where it is apart."""
    found = {report.name: summary.scores(report.results["rows"]) for report in reports}
    keys = dict.fromkeys((key[2], key[1]) for scores in found.values() for key in scores if key[0] == split)
    groups = {
        f"{label(model)}, {label(view)}": {
            name: scores.get((split, view, model)) for name, scores in found.items()
        }
        for model, view in keys
    }
    known = [score for scores in groups.values() for score in scores.values() if score]
    left = min((score.value if score.low is None else score.low for score in known), default=0.0)
    scale = (max(0.0, left - 0.01), 1.0)
    lines = [{"title": title, "lines": _lines(scores, scale, mark)} for title, scores in groups.items()]
    return {"title": summary.SPLITS[split], "scale": scale, "groups": lines}


def _lines(scores: dict[str, Score | None], scale: tuple[float, float], mark: bool) -> list[dict]:
    best = summary.winner([score for score in scores.values() if score]) if mark else None
    return [
        {"report": name, "score": score and replace(score, best=score is best), "strip": _strip(score, scale)}
        for name, score in scores.items()
    ]


def _strip(score: Score | None, scale: tuple[float, float]) -> dict | None:
    """Places of a score and of its interval's ends in percent of the scale."""
    if score is None:
        return None
    ends = (score.value, score.low, score.high)
    places = [None if end is None else 100 * (end - scale[0]) / (scale[1] - scale[0]) for end in ends]
    return dict(zip(("value", "low", "high"), places, strict=True))
