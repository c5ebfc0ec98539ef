"""Where trained classifiers look: the maps of a run's test images, measured once and remembered."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fmlib.data import splits, synthetic
from fmlib.data.batches import decoded, to_float
from fmlib.data.sources import Dataset
from fmlib.explain import METHODS, bands, explainer, faithfulness, measures, sanity
from fmlib.fingerprints import digest
from fmlib.runs import Run, remembered

BATCH = 64
RANDOM = "random weights"
CENTRE = "centre prior"
ORDERS = (*METHODS, "random order", CENTRE)  # in which pixels go and come
UNTRAINED = 64  # images for the random-weights model, whose mean hardly depends on them


@dataclass(frozen=True)
class Faces:
    """The images that are explained (rows of a data set's manifest) and what is known about them."""

    data: Dataset
    rows: np.ndarray
    side: int

    @cached_property
    def pixels(self) -> np.ndarray:
        """uint8 N side side 3."""
        return np.asarray(decoded(self.data, self.side)[self.rows])

    @cached_property
    def images(self) -> Tensor:
        """Float N 3 side side in [0, 1]."""
        return to_float(self.pixels)

    @cached_property
    def manifest(self) -> pd.DataFrame:
        return self.data.manifest.iloc[self.rows].reset_index(drop=True)

    @cached_property
    def labels(self) -> Tensor:
        return torch.tensor(self.manifest["label"].to_numpy())

    @property
    def known(self) -> bool:
        """Whether mask and lower face are known in every image, as in rendered ones."""
        return (self.data.root / "regions.npz").exists()

    @cached_property
    def bands(self) -> dict[str, Tensor]:
        """Parts of the image that together make the whole, bool N side side each."""
        if self.known:
            return bands.anatomy(self._truth[1])
        return bands.thirds(len(self.rows), self.side)

    @cached_property
    def regions(self) -> dict[str, Tensor]:
        """The bands, the frame, and where they are known the mask and the lower face."""
        frame = measures.border(self.side).expand(len(self.rows), -1, -1)
        truth = dict(zip(("mask", "lower face"), self._truth, strict=True)) if self.known else {}
        return {**truth, "frame": frame, **self.bands}

    @cached_property
    def _truth(self) -> list[Tensor]:
        known = synthetic.regions(self.data.root, list(self.manifest["path"]))
        return [measures.resized(torch.from_numpy(region), self.side) for region in known]

    @property
    def outline(self) -> np.ndarray | None:
        """Share of the images in which each pixel belongs to the lower face, side side; None where not known."""
        return self.regions["lower face"].float().mean(0).numpy() if self.known else None

    def first(self, count: int) -> "Faces":
        """About `count` of these images, both classes as often as here."""
        return sample(self.data, self.rows, self.side, count)


def sample(data: Dataset, rows: np.ndarray, side: int, count: int | None, seed: int = 0) -> Faces:
    """All of these rows, or a stratified sample of about `count`."""
    if count is not None and count < len(rows):
        rows = np.sort(splits.subset(data.manifest, rows, count, seed))
    return Faces(data, np.asarray(rows), side)


@lru_cache(maxsize=8)
def model(run: Run) -> nn.Module:
    """The run's network, loaded once per process."""
    return run.model()


def look(run: Run, faces: Faces) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure the maps of each image's true class, of the trained and of an untrained model.

    Returns:
        `measures.table` with the columns `maps` (a method, or "random weights"), `label`, `group` and manifest
        `row`; and mean maps: `maps`, `label`, `y`, `x`, `value`.
    """
    both = cache(lambda: _look(model(run), faces))
    inputs = {"run": run.key, **_identity(faces)}
    measured = remembered("gradcam_regions", inputs, lambda: both()[0])
    return measured, remembered("gradcam_means", inputs, lambda: both()[1])


def prior(faces: Faces) -> pd.DataFrame:
    """The same measures of a Gaussian in the middle, which does not look at the image."""
    maps = measures.centre_prior(faces.side).expand(len(faces.rows), -1, -1)
    return _described(measures.table(maps, faces.regions), faces, CENTRE)


def curves(run: Run, faces: Faces, steps: int) -> pd.DataFrame:
    """Deletion and insertion curves of each image's true class.

    Returns:
        columns `image`, `group`, `kind`, `maps` (one of `ORDERS`), `share` of pixels gone or come, `probability`.
    """
    inputs = {"run": run.key, **_identity(faces), "steps": steps}
    return remembered("gradcam_curves", inputs, lambda: _curves(model(run), faces, steps))


def confidence(run: Run, faces: Faces) -> pd.DataFrame:
    """Drop in confidence and ROAD of each image by each order: columns `image`, `group`, `maps`, `drop`, `road`."""
    inputs = {"run": run.key, **_identity(faces)}
    return remembered("gradcam_confidence", inputs, lambda: _confidence(model(run), faces))


def cascade(run: Run, faces: Faces, stages: int = 5) -> pd.DataFrame:
    """How alike each map stays while the layers turn random, see `sanity.cascade_similarity`."""
    inputs = {"run": run.key, **_identity(faces), "stages": stages}
    return remembered("gradcam_cascade", inputs, lambda: _cascade(model(run), faces, stages))


def explained(model: nn.Module, faces: Faces) -> Iterator[tuple[slice, dict[str, Tensor]]]:
    """Maps of the true classes, batch by batch: the slice of images, and N side side by method."""
    with explainer(model) as explain:
        for start in range(0, len(faces.rows), BATCH):
            part = slice(start, start + BATCH)
            cams = explain(faces.images[part])
            yield part, {method: cams.of(method, faces.labels[part]).cpu() for method in METHODS}


def _maps(model: nn.Module, faces: Faces) -> dict[str, Tensor]:
    batches = [maps for _, maps in explained(model, faces)]
    return {method: torch.cat([maps[method] for maps in batches]) for method in METHODS}


def _look(model: nn.Module, faces: Faces) -> tuple[pd.DataFrame, pd.DataFrame]:
    few = faces.first(UNTRAINED)
    maps = _maps(model, faces)
    untrained = _maps(sanity.randomised(model), few)["gradcam"]
    tables = [_described(measures.table(maps[method], faces.regions), faces, method) for method in METHODS]
    tables.append(_described(measures.table(untrained, few.regions), few, RANDOM))
    means = [_mean_maps(maps[method], faces.labels, method) for method in METHODS]
    return pd.concat(tables, ignore_index=True), pd.concat(means, ignore_index=True)


def _described(table: pd.DataFrame, faces: Faces, name: str) -> pd.DataFrame:
    image = table["image"].to_numpy()
    about = faces.manifest.iloc[image]
    columns = {
        "label": about["label"].to_numpy(),
        "group": about["group"].to_numpy(),
        "row": faces.rows[image],
    }
    return table.assign(maps=name, **columns)


def _mean_maps(maps: Tensor, labels: Tensor, method: str) -> pd.DataFrame:
    y, x = np.indices(maps.shape[1:])
    return pd.concat(
        pd.DataFrame({"maps": method, "label": label, "y": y.ravel(), "x": x.ravel(), "value": mean.ravel()})
        for label, mean in bands.mean_maps(maps, labels).items()
    )


def _orders(model: nn.Module, faces: Faces) -> dict[str, Tensor]:
    """Maps N side side that put the pixels of every image in order."""
    shape = (len(faces.rows), faces.side, faces.side)
    random = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return {**_maps(model, faces), ORDERS[2]: random, CENTRE: measures.centre_prior(faces.side).expand(shape)}


def _curves(model: nn.Module, faces: Faces, steps: int) -> pd.DataFrame:
    frames = []
    for name, maps in _orders(model, faces).items():
        for kind in ("deletion", "insertion"):
            values = _in_batches(faithfulness.curve, model, faces, maps, kind, steps)  # N steps + 1
            image, step = np.indices(values.shape)
            columns = {"image": image.ravel(), "share": step.ravel() / steps, "probability": values.ravel()}
            frames.append(pd.DataFrame({"kind": kind, "maps": name, **columns}))
    return _with_groups(pd.concat(frames, ignore_index=True), faces)


def _confidence(model: nn.Module, faces: Faces) -> pd.DataFrame:
    frames = []
    for name, maps in _orders(model, faces).items():
        drop = _in_batches(faithfulness.confidence_drop, model, faces, maps)
        road = _in_batches(faithfulness.road, model, faces, maps)
        frames.append(pd.DataFrame({"image": np.arange(len(drop)), "maps": name, "drop": drop, "road": road}))
    return _with_groups(pd.concat(frames, ignore_index=True), faces)


def _cascade(model: nn.Module, faces: Faces, stages: int) -> pd.DataFrame:
    device = next(model.parameters()).device
    table = sanity.cascade_similarity(model, faces.images.to(device), faces.labels.to(device), stages=stages)
    return _with_groups(table, faces)


def _in_batches(measure, model: nn.Module, faces: Faces, maps: Tensor, *options) -> np.ndarray:
    """Apply a measure of `faithfulness` to all images, on the model's device."""
    device, parts = next(model.parameters()).device, []
    for start in range(0, len(maps), BATCH):
        part = slice(start, start + BATCH)
        batch = (values[part].to(device) for values in (faces.images, maps, faces.labels))
        parts.append(measure(model, *batch, *options).cpu().numpy())
    return np.concatenate(parts)


def _with_groups(table: pd.DataFrame, faces: Faces) -> pd.DataFrame:
    return table.assign(group=faces.manifest["group"].to_numpy()[table["image"]])


def _identity(faces: Faces) -> dict:
    return {"data": faces.data.fingerprint, "rows": digest(faces.rows.tolist()), "side": faces.side}
