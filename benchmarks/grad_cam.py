"""Maps per second: our batched Grad-CAM against pytorch-gradcam, and against grad-cam where it is installed.

    python benchmarks/grad_cam.py [--images 512] [--sides 64 224] [--device cpu]

grad-cam is not among the requirements (it wants another build of OpenCV); install it into an environment of its own
to have it measured too, and its maps compared. Both competitors are timed on `--sample` images, as their time per
image does not depend on how many there are.
"""

import argparse
import copy
import importlib.util
import time
import warnings

import numpy as np
import torch

from fmlib import models
from fmlib.explain import METHODS, explainer

BATCH = 64


def ours(model, images, pairs) -> np.ndarray:
    """Maps N methods classes H W; everything comes from one pass, whatever is asked for."""
    with explainer(model) as explain:
        batches = [explain(batch) for batch in images.split(BATCH)]
        maps = [torch.stack([cams.of(method, index) for method, index in pairs], 1).cpu() for cams in batches]
    return torch.cat(maps).numpy()


def package(model, images, pairs) -> np.ndarray:
    """pytorch-gradcam as its users call it, image by image; its hooks stay on this copy."""
    import gradcam

    model = copy.deepcopy(model).eval()
    makes = {"gradcam": gradcam.GradCAM, "gradcam++": gradcam.GradCAMpp}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package's own deprecated calls, once per image
        drawn = {method: makes[method](model, model.cam_layer) for method in {method for method, _ in pairs}}
        maps = [
            [drawn[method](image[None], class_idx=index)[0][0, 0].cpu() for method, index in pairs]
            for image in images
        ]
    return np.array([[saliency.numpy() for saliency in each] for each in maps])


def batched_package(model, images, pairs) -> np.ndarray:
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


def timed(draw, model, images, pairs) -> tuple[float, np.ndarray]:
    """Maps per second, after a first call that is not counted, and the maps."""
    draw(model, images[:2], pairs)
    start = time.perf_counter()
    maps = draw(model, images, pairs)
    return len(images) * len(pairs) / (time.perf_counter() - start), maps


def compare(side: int, count: int, sample: int, device: str) -> None:
    """Print the speeds for one map and for all four maps of each image, and the differences."""
    torch.manual_seed(0)
    model = models.build("resnet18", side=side).to(device).eval()
    images = torch.rand(count, 3, side, side, device=device)
    others = {"pytorch-gradcam": package}
    if importlib.util.find_spec("pytorch_grad_cam"):
        others["grad-cam"] = batched_package
    cases = {"all four maps": [(m, c) for m in METHODS for c in (0, 1)], "one map": [("gradcam", 1)]}
    for case, pairs in cases.items():
        speed, mine = timed(ours, model, images, pairs)
        print(f"{side} px, {case}: ours {speed:.1f} maps/s over {count} images", flush=True)
        for name, draw in others.items():
            other, maps = timed(draw, model, images[:sample], pairs)
            gap = np.nanmax(np.abs(maps - mine[:sample]))
            print(
                f"    {name} {other:.1f} maps/s, ratio {speed / other:.1f}, largest difference {gap:.1e}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--sample", type=int, default=64)
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 224])
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    for side in options.sides:
        compare(side, options.images, min(options.sample, options.images), options.device)


if __name__ == "__main__":
    main()
