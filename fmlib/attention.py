"""Where trained classifiers look: the maps of a run's test images, measured once and remembered."""

from collections.abc import Iterator
from functools import cache, lru_cache

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fmlib.explain import METHODS, Contrast, bands, explainer, faithfulness, measures, sanity
from fmlib.explain.cams import normalised
from fmlib.explain.tables import CENTRE, RANDOM, RIVALS
from fmlib.explain.taps import tapped
from fmlib.faces import Faces
from fmlib.fingerprints import digest
from fmlib.runs import Run
from fmlib.tables import remembered

BATCH = 64
UNTRAINED = 64  # images for the random-weights model, whose mean hardly depends on them


@lru_cache(maxsize=8)
def model(run: Run) -> nn.Module:
    """The run's network, loaded once per process; its maps show what tells the classes apart."""
    return Contrast(run.model())


def look(run: Run, faces: Faces) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure the maps of each image's true class, of the trained and of an untrained model.

    Returns:
        `measures.table` with the columns `maps` (a method, or "random weights"), `label`, `group` and manifest
        `row`; and mean maps, of aligned faces where the lower face is known: `maps`, `label`, `y`, `x`, `value`.
    """
    both = cache(lambda: _look(model(run), faces))
    inputs = {"run": run.key, **_identity(faces)}
    measured = remembered("gradcam_regions", inputs, lambda: both()[0])
    return measured, remembered("gradcam_means", inputs, lambda: both()[1])


def prior(faces: Faces) -> pd.DataFrame:
    """The same measures of a Gaussian in the middle, which does not look at the image."""
    maps = measures.centre_prior(faces.side).expand(len(faces.rows), -1, -1)
    return _described(measures.table(maps, faces.regions), faces, CENTRE)


def cells(run: Run, faces: Faces) -> tuple[int, int]:
    """Rows and columns of the run's maps before they are enlarged."""
    return _cells(model(run), faces)


def _cells(network: nn.Module, faces: Faces) -> tuple[int, int]:
    with tapped(network) as tap:
        network(faces.images[:1].to(next(network.parameters()).device))
        return tuple(tap.activations.shape[-2:])


def itself(faces: Faces, cells: tuple[int, int]) -> pd.DataFrame:
    """The same measures of the mask itself, drawn in so many cells as the maps have."""
    maps = measures.coarsened(faces.regions["mask"], cells)
    return _described(measures.table(maps, faces.regions), faces, "the mask itself")


def curves(run: Run, faces: Faces, steps: int) -> pd.DataFrame:
    """Deletion and insertion curves of each image's true class.

    Returns:
        columns `image`, `group`, `kind`, `maps` (a method or one of `RIVALS`), `share` of pixels gone or come,
        `probability`.
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


def alike(run: Run, faces: Faces) -> pd.DataFrame:
    """How alike the maps of the two classes are, image by image: columns `image`, `group`, `logit`, `similarity`.

    `logit` is "single", as pytorch-gradcam explains it, or "less the mean" of both, as here.
    """
    inputs = {"run": run.key, **_identity(faces)}
    return remembered("gradcam_classes", inputs, lambda: _alike(model(run), faces))


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
    means = [_mean_maps(maps[method], faces, method) for method in METHODS]
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


def _mean_maps(maps: Tensor, faces: Faces, method: str) -> pd.DataFrame:
    y, x = np.indices(maps.shape[1:])
    lower = faces.regions["lower face"] if faces.known else None
    return pd.concat(
        pd.DataFrame({"maps": method, "label": label, "y": y.ravel(), "x": x.ravel(), "value": mean.ravel()})
        for label, mean in bands.mean_maps(maps, faces.labels, lower).items()
    )


def _orders(model: nn.Module, faces: Faces) -> dict[str, Tensor]:
    """Maps N side side that put the pixels of every image in order.

    The random map has random numbers in the cells of the model's own maps, enlarged like those: it takes away areas
    of the same kind. A random order takes single pixels, and what is left between them is noise to a network.
    """
    count, side = len(faces.rows), faces.side
    generator = torch.Generator().manual_seed(0)
    blocks = torch.rand((count, 1, *_cells(model, faces)), generator=generator)
    rivals = (
        normalised(blocks, (side, side))[:, 0],
        torch.rand((count, side, side), generator=generator),
        measures.centre_prior(side).expand(count, side, side),
    )
    return {**_maps(model, faces), **dict(zip(RIVALS, rivals, strict=True))}


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


def _alike(model: Contrast, faces: Faces) -> pd.DataFrame:
    frames = []
    for name, network in (("single", model.model), ("less the mean", model)):
        with explainer(network) as explain:
            pairs = torch.cat([explain(batch).maps["gradcam"].cpu() for batch in faces.images.split(BATCH)])
        similarity = sanity.rank_correlation(pairs[:, 0], pairs[:, 1])
        frames.append(pd.DataFrame({"image": range(len(pairs)), "logit": name, "similarity": similarity}))
    return _with_groups(pd.concat(frames, ignore_index=True), faces)


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
    rows = digest(faces.rows.tolist())
    return {"data": faces.data.fingerprint, "rows": rows, "side": faces.side, "known": faces.known}
