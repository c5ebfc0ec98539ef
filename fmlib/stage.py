"""What a notebook opens: its data, its profile, and where its figures and results go."""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from IPython.display import Image, Markdown, display
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from fmlib import inputs, results
from fmlib.config import REPO, STAGES, DataConfig
from fmlib.data import sources
from fmlib.data.sources import Dataset
from fmlib.environment import commit
from fmlib.errors import UsageError, known
from fmlib.figures import style
from fmlib.profiles import PROFILES, Profile


def _check_text(parameter: str, value: object) -> None:
    """Parameters may come from a YAML file, where a value is of any type."""
    if not isinstance(value, str | Path):
        raise UsageError(f"{parameter} must be text, not {value!r}")


def _named(data: Iterable[Dataset]) -> dict[str, Dataset]:
    """Data sets by their names, which are the names of their views."""
    named: dict[str, Dataset] = {}
    for each in data:
        if each.name in named and each.root != named[each.name].root:
            raise UsageError(f"two external folders are called {each.name!r}; give one another name")
        named[each.name] = each
    return named


LARGEST_SEED = 2**62  # a study counts upwards from it


class Stage:
    """One notebook's run. Opening it loads (and for the synthetic set, renders) the images.

    Args:
        name: one of `STAGES`.
        dataset: "synthetic", "face-mask-12k" or a folder.
        profile: one of `PROFILES`.
        seed: of everything random; the synthetic images' too.
        external: folders of other images that are only judged; a list, or a single folder.
        out: folder of the figures; empty for `figures/<data set>` in the repository.
    """

    def __init__(
        self,
        name: str,
        *,
        dataset: str,
        profile: str,
        seed: int,
        external: Iterable[str | Path] | str | Path | None,
        out: str | Path | None,
    ):
        self.name = known("stage", name, STAGES)
        self.profile: Profile = PROFILES[known("profile", profile, PROFILES)]
        if type(seed) is not int or not 0 <= seed <= LARGEST_SEED:
            raise UsageError(f"seed must be a whole number from 0 to {LARGEST_SEED}, not {seed!r}")
        external = [] if external is None else [external] if isinstance(external, str | Path) else external
        _check_text("dataset", dataset)
        _check_text("out", out or "")
        for folder in external if isinstance(external, list | tuple) else [external]:
            _check_text("external", folder)
        self.seed = seed
        images = self.profile.images if dataset == "synthetic" else None
        self.data_config = DataConfig(str(dataset), images, seed if dataset == "synthetic" else 0)
        self.data: Dataset = inputs.dataset(self.data_config)
        self.external = _named(sources.external(folder) for folder in external if folder)
        self.out = Path(out).expanduser() if out else REPO / "figures" / self.data.name
        self._keep_apart()
        fingerprints = {name: data.fingerprint for name, data in self.external.items()}
        self.context = results.context(self.data.fingerprint, profile, seed, fingerprints)
        self.rows: list[dict] = []
        plt.ioff()  # figures are shown by `show`, not a second time by the notebook
        pd.set_option("display.max_colwidth", None)  # sentences in tables are shown whole

    def _keep_apart(self) -> None:
        """Refuse to write figures among the images, which they would join."""
        for data in (self.data, *self.external.values()):
            if self.out.resolve().is_relative_to(data.root.resolve()):
                raise UsageError(
                    f"out={str(self.out)!r} lies in {str(data.root)!r}, among its images; name another"
                )

    def show(self, figure: Figure, name: str, alt: str = "") -> None:
        """Save a figure as `<out>/<name>.png`, and as SVG where it holds no pictures, and display it.

        `alt` describes it to those who cannot see it.
        """
        provenance = {
            "Software": "fmlib",
            "fmlib": json.dumps({"commit": commit(), "data": self.data.fingerprint, "seed": self.seed}),
        }
        path = style.save(figure, self.out / f"{name}.png", provenance)
        style.save_vector(figure, self.out / f"{name}.svg", provenance)
        plt.close(figure)
        metadata = {"image/png": {"alt": alt or name.replace("_", " "), "figure": name}}
        display(Image(path.read_bytes(), format="png", width=860), metadata=metadata)

    def say(self, text: str) -> None:
        """Display Markdown: prose or a heading whose numbers were computed."""
        display(Markdown(text))

    def row(self, **fields: object) -> None:
        """Record a results row of this stage."""
        self.rows.append(results.row(self.name, **fields))

    def record(self, table: pd.DataFrame, **fields: object) -> None:
        """Record every row of a table, without columns that results do not have; `fields` are alike for all rows."""
        known = [name for name in results.FIELDS if name in table.columns]
        for measured in table[known].to_dict("records"):
            self.row(**(measured | fields))

    def close(self) -> None:
        """Store the recorded rows and refresh `results.csv` beside the figures."""
        results.store(self.context, self.name, results.latest(self.rows))
        results.write_csv(self.context, self.out / "results.csv")
