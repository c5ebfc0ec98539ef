"""Places to play in the notebooks: pictures with controls in Jupyter that stand still everywhere else.

A `Playground` is shown in two forms at once: as widgets to a front end that has a kernel, and as the picture of the
controls' first values to everyone else (papermill, the website, a notebook that is only looked at). Nothing here
trains, and nothing is recomputed that a report has stored.
"""

import base64
import io
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import numpy as np
import pandas as pd
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image, ImageEnhance, ImageOps
from torch import nn

from fmlib import attention, damage, generation, restoration, wording
from fmlib.config import CLASSES
from fmlib.data import groups, hashing, pictures
from fmlib.data.batches import to_float
from fmlib.data.decoding import squared
from fmlib.data.sources import Dataset
from fmlib.explain import METHODS, coloured, explainer
from fmlib.figures import play as figures
from fmlib.runs import Run

DPI = 150
COMPARED = 1500  # pictures of the search for near duplicates; all pairs of them are compared
STEPS = 7  # of a walk between two faces


class Playground:
    """A picture that is drawn anew whenever one of its controls moves.

    Args:
        draw: makes the figure from the controls' values, given by their names.
        caption: what the picture shows.
        controls: widgets with a `value` and a description.
    """

    def __init__(self, draw: Callable[..., Figure], caption: str, **controls: widgets.ValueWidget):
        self.draw, self.caption, self.controls = draw, caption, controls
        self.picture = widgets.Image(value=self.png(), format="png", layout={"max_width": "100%"})
        for control in controls.values():
            control.style.description_width = "11em"
            control.layout.width = "34em"
            control.observe(self._redraw, "value")
        self.box = widgets.VBox([*controls.values(), self.picture])

    def png(self) -> bytes:
        """The picture of the controls' present values."""
        figure, buffer = self.draw(**{name: c.value for name, c in self.controls.items()}), io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI)
        plt.close(figure)
        return buffer.getvalue()

    def _redraw(self, _change: dict) -> None:
        self.picture.value = self.png()

    def _repr_mimebundle_(self, **_) -> tuple[dict, dict]:
        names = ", ".join(control.description.lower() for control in self.controls.values())
        caption = f"{self.caption} In Jupyter this picture has controls: {names}."
        still = {"image/png": base64.b64encode(self.picture.value).decode(), "text/plain": caption}
        return self.box._repr_mimebundle_() | still, {"image/png": {"alt": self.caption, "caption": caption}}


def _slider(description: str, value: float, low: float, high: float, step: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value, min=low, max=high, step=step, description=description, continuous_update=False
    )


def _number(description: str, value: int, high: int) -> widgets.IntSlider:
    return widgets.IntSlider(value, min=0, max=high, description=description, continuous_update=False)


def _choice(description: str, names: Sequence[str], value: str | None = None) -> widgets.Dropdown:
    options = [(wording.label(name), name) for name in names]
    return widgets.Dropdown(options=options, value=value or names[0], description=description)


@torch.inference_mode()
def _mask_probability(model: nn.Module, images: torch.Tensor) -> float:
    """Probability of a mask that a classifier gives one image, 1 3 side side."""
    return float(damage.apply(model, images).softmax(1)[0, 1])


def near_duplicates(data: Dataset, seed: int, side: int = 64) -> Playground:
    """Move the limit from which two pictures count as near duplicates by their perceptual hash."""
    table = data.manifest[data.manifest["contrast"] >= groups.BLANK]
    table = table.sample(min(COMPARED, len(table)), random_state=np.random.default_rng(seed))
    hashes, origin = table["phash"].to_numpy(), table["group"].to_numpy()
    first, second = np.triu_indices(len(table), 1)
    differing = hashes[first] ^ hashes[second]
    distances = np.minimum(np.bitwise_count(differing), np.bitwise_count(differing ^ hashing.MIRRORED))
    related = origin[first] == origin[second]

    def draw(limit: int) -> Figure:
        within = np.flatnonzero(distances <= limit)
        last = within[distances[within].argsort(kind="stable")[::-1][:5]]
        rows = table.index.to_numpy()[np.stack([first[last], second[last]], 1)]
        shown = [[squared(data.open(row), side) for row in pair] for pair in rows]
        return figures.near_duplicates(distances, related, limit, shown)

    caption = (
        f"Pairs among {len(table):,} pictures by the differing bits of their hashes (mirror images too)."
    )
    return Playground(draw, caption, limit=_number("Differing bits", hashing.NEAR, 16))


def changed_picture(runs: Sequence[Run], images: np.ndarray) -> Playground:
    """Turn, darken and blur a picture, and see what every model makes of it; images uint8 N side side 3."""

    def draw(picture: int, angle: float, light: float, detail: float, mirror: bool) -> Figure:
        image = Image.fromarray(np.asarray(images[picture]))
        small = max(2, round(image.width * detail))
        image = image.resize((small, small), Image.Resampling.BOX).resize(
            image.size, Image.Resampling.BILINEAR
        )
        image = ImageEnhance.Brightness(ImageOps.mirror(image) if mirror else image).enhance(light)
        pixels = np.asarray(image.rotate(angle, Image.Resampling.BILINEAR))
        said = {
            run.config.model: _mask_probability(attention.model(run), to_float(pixels[None])) for run in runs
        }
        return figures.verdicts(pixels, said, f"Test image {picture}, changed")

    return Playground(
        draw,
        "A test image and the probability of a mask that each architecture gives it.",
        picture=_number("Test image", 0, len(images) - 1),
        angle=_slider("Turned by (degrees)", 20, -90, 90, 5),
        light=_slider("Brightness", 0.7, 0.1, 2, 0.1),
        detail=_slider("Share of the detail", 1, 0.1, 1, 0.1),
        mirror=widgets.Checkbox(False, description="Mirrored"),
    )


def noise(dae: Run, classifier: Run, images: np.ndarray, seed: int) -> Playground:
    """Add noise to a picture and see what the DAE restores and the classifier says; images uint8 N side side 3."""
    denoiser = dae.model()

    def draw(picture: int, sigma: float) -> Figure:
        clean = to_float(images[picture : picture + 1])
        noisy = damage.noisy(images[picture : picture + 1], sigma, seed)
        rows = {"clean": clean, "noisy": noisy}
        rows |= {"noisy, restored": damage.apply(denoiser, noisy)}
        rows |= {"clean, restored": damage.apply(denoiser, clean)}
        shown = [
            (_described(name, image, clean), image[0].permute(1, 2, 0).numpy())
            for name, image in rows.items()
        ]
        return figures.pictures(shown, f"Noise of standard deviation {sigma:.2f}")

    def _described(name: str, image: torch.Tensor, clean: torch.Tensor) -> str:
        quality = float(restoration.psnr(image, clean)[0])
        said = f"p(mask) {_mask_probability(attention.model(classifier), image):.2f}"
        return f"{name}\n{said}" + (f"\nPSNR {quality:.1f} dB" if np.isfinite(quality) else "\n")

    return Playground(
        draw,
        "A test image with noise, restored by the DAE, and what the classifier says of each.",
        picture=_number("Test image", 0, len(images) - 1),
        sigma=_slider("Noise", 0.3, 0, 0.6, 0.05),
    )


def walk(vae: nn.Module, images: np.ndarray, labels: np.ndarray) -> Playground:
    """Walk in a straight line through the latent space from one face to another; images uint8 N side side 3."""

    def draw(start: int, end: int) -> Figure:
        codes = generation.codes(vae, images[[start, end]])
        shares = np.linspace(0, 1, STEPS)
        made = generation.decode(vae, codes[0] + shares[:, None] * (codes[1] - codes[0]))
        steps = [(f"{share:.0%}", image) for share, image in zip(shares, made, strict=True)]
        ends = [(f"from\nimage {start}", images[start]), (f"to\nimage {end}", images[end])]
        return figures.pictures([ends[0], *steps, ends[1]], "A walk through the latent space")

    last = len(images) - 1
    return Playground(
        draw,
        "Two test images, and what the VAE decodes on the straight line between their codes.",
        start=_number("From test image", int(np.argmin(labels)), last),
        end=_number("To test image", int(np.argmax(labels)), last),
    )


def cam(runs: Sequence[Run], images: np.ndarray) -> Playground:
    """Explain a test image, or a picture of one's own, by any model, method and class; images uint8 N side side 3."""
    by_model = {run.config.model: run for run in runs}

    def draw(picture: int, own: tuple, model: str, method: str, explained: str) -> Figure:
        try:
            image = _uploaded(own, images.shape[1]) if own else np.asarray(images[picture])
        except pictures.UnreadableError as error:
            return figures.words(f"{own[-1]['name']}: {error}".replace("$", r"\$"))
        network = attention.model(by_model[model])
        with explainer(network) as explain:
            saliency = explain(to_float(image[None])).of(method, CLASSES.index(explained))[0].cpu().numpy()
        heat, overlay = coloured(saliency, image.astype(np.float32) / 255)
        said = f"p(mask) {_mask_probability(network, to_float(image[None])):.2f}"
        shown = [(said, image), (wording.label(method), heat), ("overlaid", overlay)]
        return figures.pictures(shown, f"{wording.label(model)}: what speaks for “{explained}”?")

    return Playground(
        draw,
        "A picture and the map of what speaks for a class.",
        picture=_number("Test image", 0, len(images) - 1),
        own=widgets.FileUpload(accept="image/*", description="A picture of your own"),
        model=_choice("Model", list(by_model)),
        method=_choice("Method", METHODS),
        explained=_choice("Class", CLASSES, CLASSES[1]),
    )


def _uploaded(files: tuple, side: int) -> np.ndarray:
    """The last uploaded file as a square, uint8 side side 3; it stays in memory."""
    return squared(pictures.open_rgb(io.BytesIO(bytes(files[-1]["content"]))), side)


def threshold(predictions: pd.DataFrame, model: str, split: str = "grouped") -> Playground:
    """Move the threshold of a model's first seed, on any view; `predictions` as of `evaluation.predictions`."""
    table = predictions[predictions["split"] == split]
    table = table[table["seed"] == table["seed"].min()]

    def draw(model: str, view: str, limit: float) -> Figure:
        rows = table[(table["model"] == model) & (table["view"] == view)]
        return figures.at_threshold(rows["label"].to_numpy(), rows["probability"].to_numpy(), limit, model)

    views = list(dict.fromkeys(table["view"]))
    return Playground(
        draw,
        "How the probabilities spread, and the confusion matrix at a threshold.",
        model=_choice("Model", list(dict.fromkeys(table["model"])), model),
        view=_choice("Images", views, "test" if "test" in views else views[0]),
        limit=_slider("Threshold", 0.5, 0.01, 0.99, 0.01),
    )
