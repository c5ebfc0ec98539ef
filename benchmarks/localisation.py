"""How well Grad-CAM finds the mask, by the layer and the logit that it is taken from, on validation faces.

    .venv/bin/python benchmarks/localisation.py [--profile quick] [--seed 0]

Rendered faces only, for there the mask is known. Validation images, so that a choice of layer or logit that is made
by these numbers is not made on the test images. Models that are not stored yet are trained.
"""

import argparse

import numpy as np
import pandas as pd
import torch
from torch import nn

from fmlib import runs, studies
from fmlib.data import splits
from fmlib.explain import METHODS, Contrast, explainer, measures
from fmlib.explain.taps import tapped
from fmlib.faces import Faces
from fmlib.profiles import PROFILES
from fmlib.stage import Stage

BATCH = 64
LAYERS = {  # from the last one down
    "resnet18": ("net.layer4", "net.layer3", "net.layer2"),
    "efficientnet-b0": ("net._avg_pooling.0", "net._blocks.10", "net._blocks.4"),
    "alexnet": ("net.features.11", "net.features.9", "net.features.7"),
    "googlenet": ("net.inception5b", "net.inception4e", "net.inception3b"),
}


def masked_faces(stage: Stage) -> Faces:
    """The validation images with a mask."""
    manifest = stage.data.manifest
    wanted = (splits.assign(manifest, "grouped") == "validation") & (manifest["label"] == 1)
    return Faces(stage.data, np.flatnonzero(wanted), stage.profile.side)


def measured(model: nn.Module, layer: str, faces: Faces) -> pd.DataFrame:
    """Pointing game and energy in the mask by method, means over faces, and the number of the layer's cells."""
    device = next(model.parameters()).device
    with tapped(model, layer) as tap:
        model(faces.images[:1].to(device))
        cells = tuple(tap.activations.shape[-2:])
    with explainer(model, layer) as explain:
        cams = [explain(images) for images in faces.images.split(BATCH)]
    maps = {method: torch.cat([part.of(method, 1).cpu() for part in cams]) for method in METHODS}
    maps["the mask itself"] = measures.coarsened(faces.regions["mask"], cells)
    rows = [{"maps": name, "cells": cells[0], **scores(values, faces)} for name, values in maps.items()]
    return pd.DataFrame(rows)


def scores(maps: torch.Tensor, faces: Faces) -> dict[str, float]:
    """Pointing game, and energy in the mask in units of the centre prior's."""
    prior = measures.centre_prior(faces.side).expand_as(maps)
    energy, least = (measures.energy_inside(each, faces.regions["mask"]).mean() for each in (maps, prior))
    pointing = measures.pointing_game(maps, faces.regions["mask"]).mean()
    return {"pointing": float(pointing), "times the prior": float(energy / least)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="quick", choices=PROFILES)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    place = runs.home() / "localisation"
    stage = Stage(
        "gradcam", dataset="synthetic", profile=options.profile, seed=options.seed, external=(), out=place
    )
    faces, tables = masked_faces(stage), []
    for run in studies.architectures(stage):
        network = run.model()
        for layer in LAYERS[run.config.model]:
            for logit, model, name in (
                ("single", network, layer),
                ("less the mean", Contrast(network), f"model.{layer}"),
            ):
                about = {"model": run.config.model, "layer": layer, "logit": logit}
                tables.append(measured(model, name, faces).assign(**about))
    table = pd.concat(tables).set_index(["model", "layer", "cells", "logit", "maps"]).round(3)
    print(f"{len(faces.rows)} masked validation faces at {faces.side} px\n{table.to_string()}")


if __name__ == "__main__":
    main()
