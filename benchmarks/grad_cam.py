"""Our batched Grad-CAM against the packages pytorch-gradcam and grad-cam: the same maps, and how many a second.

    .venv/bin/python benchmarks/grad_cam.py [--images 512] [--sample 64] [--sides 64 224] [--device cpu] [--keep]
                                            [--trained face-mask-12k]

Maps are compared on untrained networks and smooth random images; with `--trained`, also on the networks of that data
set's quick report (trained if they are not stored) and its test images.

grad-cam is not among the requirements, for it wants another build of OpenCV. The script gives it an environment of
its own, benchmarks/.venv, which looks up everything else in the project's, and runs there. The packages are timed on
`--sample` images, as their time per image does not depend on how many there are.
"""

import argparse
import copy
import os
import subprocess
import sys
import sysconfig
import time
import venv
import warnings
from collections.abc import Iterator
from pathlib import Path

import gradcam
import numpy as np
import torch
from rows import record
from torch import nn

from fmlib import models, studies
from fmlib.config import ARCHITECTURES
from fmlib.data import splits
from fmlib.explain import METHODS, explainer
from fmlib.faces import sample
from fmlib.stage import Stage

ENVIRONMENT = Path(__file__).resolve().parent / ".venv"
PACKAGES = ("grad-cam==1.5.7", "ttach==0.0.3")
BATCH = 64
LOUD = 1000
ASKED = {"pytorch-gradcam": 15, "grad-cam": 2}  # times as many maps a second


def in_own_environment() -> None:
    """Go on in the benchmark's environment, which is made if it is not there."""
    python = ENVIRONMENT / "bin" / "python"
    if Path(sys.prefix) == ENVIRONMENT:
        return
    if not (ENVIRONMENT / "ready").exists():
        venv.create(ENVIRONMENT, clear=True)
        site = next((ENVIRONMENT / "lib").glob("python*/site-packages"))
        (site / "project.pth").write_text(
            f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        )
        install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--python", python]
        subprocess.run([*install, *PACKAGES], check=True)
        (ENVIRONMENT / "ready").touch()
    os.execv(python, [python, *sys.argv])


def ours(model: nn.Module, images: torch.Tensor, pairs: list) -> np.ndarray:
    """Maps N pairs H W; everything comes from one pass, whatever is asked for."""
    with explainer(model) as explain:
        batches = [explain(batch) for batch in images.split(BATCH)]
        maps = [torch.stack([cams.of(method, index) for method, index in pairs], 1).cpu() for cams in batches]
    return torch.cat(maps).numpy()


def pytorch_gradcam(model: nn.Module, images: torch.Tensor, pairs: list) -> np.ndarray:
    """pytorch-gradcam as its users call it, image by image; its hooks stay on this copy."""
    model = copy.deepcopy(model).eval()
    makes = {"gradcam": gradcam.GradCAM, "gradcam++": gradcam.GradCAMpp}
    drawn = {method: makes[method](model, model.cam_layer) for method in {method for method, _ in pairs}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package's own deprecated calls, once per image
        maps = [
            [drawn[method](image[None], class_idx=index)[0][0, 0].cpu() for method, index in pairs]
            for image in images
        ]
    return np.array([[saliency.numpy() for saliency in each] for each in maps])


def grad_cam(model: nn.Module, images: torch.Tensor, pairs: list) -> np.ndarray:
    """grad-cam in its batch mode."""
    from pytorch_grad_cam import GradCAM, GradCAMPlusPlus
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    makes, maps = {"gradcam": GradCAM, "gradcam++": GradCAMPlusPlus}, []
    model = copy.deepcopy(model).eval()
    for method, index in pairs:
        with makes[method](model=model, target_layers=[model.cam_layer]) as cam:
            parts = [
                cam(batch, [ClassifierOutputTarget(index)] * len(batch)) for batch in images.split(BATCH)
            ]
        maps.append(np.concatenate(parts))
    return np.stack(maps, 1)


OTHERS = {"pytorch-gradcam": pytorch_gradcam, "grad-cam": grad_cam}


class Louder(nn.Module):
    """A classifier with its logits scaled up.

    grad-cam adds 1e-7 to the span of a map and 1e-6 to the denominators of Grad-CAM++, which dims or bends the maps
    of an untrained model, whose gradients are as small.
    """

    def __init__(self, model: nn.Module, factor: float):
        super().__init__()
        self.model, self.factor = model, factor

    @property
    def cam_layer(self) -> nn.Module:
        return self.model.cam_layer

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images) * self.factor


def timed(draw, model: nn.Module, images: torch.Tensor, pairs: list) -> tuple[float, np.ndarray]:
    """Maps per second, after a first call that is not counted, and the maps."""
    draw(model, images[:BATCH], pairs)
    start = time.perf_counter()
    maps = draw(model, images, pairs)
    return len(images) * len(pairs) / (time.perf_counter() - start), maps


def compare_maps(model: models.Classifier, images: torch.Tensor) -> None:
    """Print the largest difference from each package over these images, by method."""
    loud = Louder(model, LOUD)
    for method in METHODS:
        pairs = [(method, 0), (method, 1)]
        mine, loudly = (ours(network, images, pairs) for network in (model, loud))
        gaps = {"pytorch-gradcam": _gap(pytorch_gradcam(model, images, pairs), mine)}
        gaps["grad-cam"] = _gap(grad_cam(model, images, pairs), mine)
        gaps[f"grad-cam at logits times {LOUD}"] = _gap(grad_cam(loud, images, pairs), loudly)
        words = ", ".join(f"{gap:.1e} from {other}" for other, gap in gaps.items())
        size = f"{len(images)} images at {images.shape[-1]} px"
        print(f"{model.name}, {method}, {size}: largest difference {words}", flush=True)


def compare_speed(side: int, count: int, few: int, device: str, keep: bool) -> None:
    """Record the speeds for one map and for all four maps of each image, ResNet-18."""
    model, images = _random("resnet18", side, count, device)
    four = [(method, index) for method in METHODS for index in (0, 1)]
    for case, pairs in {"all four maps": four, "one map": four[1:2]}.items():
        speed, _ = timed(ours, model, images, pairs)
        for name, draw in OTHERS.items():
            other, _ = timed(draw, model, images[:few], pairs)
            setting = f"ResNet-18, {side} px, {case}, {name}"
            rates = (f"{rate:.0f} maps/s" for rate in (speed, other))
            record("class activation maps", setting, *rates, speed / other, f"≥ {ASKED[name]}", keep)


def _random(name: str, side: int, count: int, device: str) -> tuple[models.Classifier, torch.Tensor]:
    """An untrained model and smooth random images."""
    torch.manual_seed(0)
    model = models.build(name, side=side).to(device, memory_format=torch.channels_last).eval()
    coarse = torch.rand(count, 3, 8, 8, device=device)
    images = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    return model, images.contiguous(memory_format=torch.channels_last)


def _trained(dataset: str, count: int, device: str) -> Iterator[tuple[models.Classifier, torch.Tensor]]:
    """The networks of a data set's quick report, each with images of the test view."""
    stage = Stage("gradcam", dataset=dataset, profile="quick", seed=0, external=[], out="")
    rows = splits.views(stage.data.manifest)["test"]
    faces = sample(stage.data, rows, stage.profile.side, count, stage.seed)
    images = faces.images[:count].to(device).contiguous(memory_format=torch.channels_last)
    for run in studies.architectures(stage):
        yield run.model().to(device), images


def _gap(theirs: np.ndarray, mine: np.ndarray) -> float:
    """Largest difference over the maps that are finite in theirs."""
    finite = np.isfinite(theirs).all((2, 3))
    return float(np.abs(theirs - mine)[finite].max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--sample", type=int, default=64)
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 224])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--trained", metavar="DATASET", help="also compare maps of networks trained on it")
    parser.add_argument("--keep", action="store_true", help="put the results into the table")
    options = parser.parse_args()
    in_own_environment()
    few = min(options.sample, options.images)
    for name in ARCHITECTURES:
        compare_maps(*_random(name, min(options.sides), few, options.device))
    if options.trained:
        print(f"networks trained on {options.trained}:")
        for model, images in _trained(options.trained, few, options.device):
            compare_maps(model, images)
    for side in options.sides:
        compare_speed(side, options.images, few, options.device, options.keep)


if __name__ == "__main__":
    main()
