"""What each part of a training recipe brings on FaceMask 12K, by cross-validation over groups.

    python benchmarks/recipe.py [--models NAME ...] [--changes NAME ...] [--folds 0 1 2 3] [--workers N] [--seen N]

Only images that may train take part, in four folds by group: no test image and none of another collection has a say. A
network sees 80,000 images of three folds and is judged on the fourth, with the weights of its last step and one look at
each image, unless the recipe says otherwise. Images are augmented as floats, those of runs on a processor as bytes.
What a network said is kept under FMLIB_HOME, so that an interrupted search goes on. Puts a row per network and recipe
into figures/face-mask-12k/recipe.csv: balanced accuracy, and its paired difference from the recipe's baseline on the
folds that both have (`paired` of them), with a 95% interval by group. `--seen`: fewer images, to try the script out;
nothing is written then.
"""

import argparse
import copy
import io
import multiprocessing
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from fmlib import augmentation, comparison, inputs, models, objectives
from fmlib.arithmetic import autocast
from fmlib.augmentation import CLASSIC
from fmlib.config import ARCHITECTURES, REPO, ClassifierConfig, DataConfig, home
from fmlib.data import pasting, splits
from fmlib.data.batches import Batches
from fmlib.data.decoding import decoded
from fmlib.elsewhere import PASTED
from fmlib.files import write_bytes
from fmlib.fingerprints import CLASSIFIER_CODE, code_version, digest
from fmlib.resizing import Growth
from fmlib.training import GENTLE, predict, rate_factor

TARGET = REPO / "figures" / "face-mask-12k" / "recipe.csv"
FOLDS, BATCH, SEEN = 4, 64, 80_000
ROBUST, STRONG, WHOLE = (augmentation.RECIPES[name] for name in ("robust", "strong", "whole"))
FAR = {"shift": 0.12, "rotation": 20, "zoom_out": 0.8, "zoom_in": 1.3, "far": 0.4, "farthest": 0.35}


def crops(pixels: torch.Tensor) -> list[torch.Tensor]:
    """Return the middle and the four corners of images (N 3 H W), 7/8 as wide and high, in the images' own size."""
    size = pixels.shape[-1]
    places = [(size // 16, size // 16), *((top, left) for top in (0, size // 8) for left in (0, size // 8))]
    cut = size - size // 8
    parts = [pixels[..., top : top + cut, left : left + cut] for top, left in places]
    return [F.interpolate(part, size=size, mode="bicubic", antialias=True).clamp(0, 1) for part in parts]


VIEWS = {  # what is shown to a network of a batch of images
    "one": lambda pixels: [pixels],
    "mirrored": lambda pixels: [pixels, pixels.flip(-1)],
    "ten crops": lambda pixels: [part for crop in crops(pixels) for part in (crop, crop.flip(-1))],
}


@dataclass(frozen=True)
class Change:
    """What a recipe does otherwise than the classic one.

    Attributes:
        baseline: the recipe that it is compared with.
        recipe: the augmentation.
        seen: images seen in training; `side` of the images in px.
        decay: weight decay, of weights alone; `rate`: learning rate; `sgd`: with momentum instead of Adam.
        smooth: label smoothing; `erase`: share of images that lose a rectangle to noise (Zhong et al. 2020).
        by_group: an image weighs its group's size to the power of minus this.
        origins: classes are balanced by their groups, not by their images alone (`fmlib.objectives.origins`).
        pasted: number of rendered faces whose masks are laid over faces without one (`fmlib.data.pasting`).
        initial_scale: side of the first images as a share of `side`, which they grow to (`fmlib.resizing`).
        average: decay of a moving average of the weights that is judged in their place; 0: none.
        watched: share of the images, by group, that is not learned from.
        best: judged are the weights after the epoch with the lowest loss on those, not those of the last step.
        views: how a network looks at the images it is judged on, one of `VIEWS`; its logits are averaged.
    """

    recipe: augmentation.Recipe = CLASSIC
    seen: int = SEEN
    side: int = 64
    decay: float = 0.0
    rate: float = 1e-3
    sgd: bool = False
    smooth: float = 0.0
    erase: float = 0.0
    by_group: float = 0.0
    origins: bool = False
    pasted: int = 0
    initial_scale: float = 1.0
    average: float = 0.0
    watched: float = 0.0
    best: bool = False
    views: str = "one"
    baseline: str = "classic"


CHANGES = {
    "classic": Change(),
    "35,000 images": Change(seen=35_000),
    "robust, 35,000 images": Change(ROBUST, seen=35_000, baseline="35,000 images"),
    "strong, 35,000 images": Change(STRONG, seen=35_000, baseline="35,000 images"),
    "160,000 images": Change(seen=160_000),
    "96 px": Change(side=96),
    "robust": Change(ROBUST),
    "robust, 160,000 images": Change(ROBUST, seen=160_000, baseline="robust"),
    "robust, 96 px": Change(ROBUST, side=96, baseline="robust"),
    "robust, 96 px, 160,000 images": Change(ROBUST, seen=160_000, side=96, baseline="robust, 96 px"),
    "robust, 96 px, weight decay": Change(ROBUST, side=96, decay=0.05, baseline="robust, 96 px"),
    "robust, 128 px": Change(ROBUST, side=128, baseline="robust"),
    "rectangles": Change(replace(CLASSIC, cut=0.5)),
    "strong": Change(STRONG),
    "strong, 96 px": Change(STRONG, side=96, baseline="strong"),
    "strong, 96 px, 160,000 images": Change(STRONG, side=96, seen=160_000, baseline="strong, 96 px"),
    "strong, 96 px, 160,000 images, mirrored": Change(
        STRONG, side=96, seen=160_000, views="mirrored", baseline="strong, 96 px, 160,000 images"
    ),
    "strong, 96 px, 160,000 images, ten crops": Change(
        STRONG, side=96, seen=160_000, views="ten crops", baseline="strong, 96 px, 160,000 images"
    ),
    "strong, growing": Change(STRONG, initial_scale=0.5, baseline="strong"),
    "strong, 96 px, 160,000 images, growing": Change(
        STRONG, side=96, seen=160_000, initial_scale=0.5, baseline="strong, 96 px, 160,000 images"
    ),
    "strong, a tenth watched": Change(STRONG, watched=0.1, baseline="strong"),
    "strong, a tenth watched, best epoch": Change(
        STRONG, watched=0.1, best=True, baseline="strong, a tenth watched"
    ),
    "robust and far": Change(replace(ROBUST, **FAR)),
    "stronger moves": Change(replace(CLASSIC, rotation=20, zoom_out=0.7, zoom_in=1.4, shift=0.15)),
    "blended more": Change(replace(CLASSIC, blend=1.0)),
    "erased rectangles": Change(erase=0.5),
    "label smoothing": Change(smooth=0.1),
    "weights by group": Change(by_group=0.5),
    "whole, 96 px, 50,000 images": Change(
        WHOLE, side=96, seen=50_000, baseline="whole, 96 px, 50,000 images"
    ),
    "whole, origins alike, 96 px, 50,000 images": Change(
        WHOLE, side=96, seen=50_000, origins=True, baseline="whole, 96 px, 50,000 images"
    ),
    "strong, 96 px, 50,000 images": Change(
        STRONG, side=96, seen=50_000, baseline="strong, 96 px, 50,000 images"
    ),
    "strong, pasted masks, 96 px, 50,000 images": Change(
        STRONG, side=96, seen=50_000, pasted=PASTED, baseline="strong, 96 px, 50,000 images"
    ),
    "strong, origins alike, 96 px, 50,000 images": Change(
        STRONG, side=96, seen=50_000, origins=True, baseline="strong, 96 px, 50,000 images"
    ),
    "weight decay": Change(decay=0.05),
    "SGD": Change(sgd=True, rate=0.05, decay=5e-4),
    "three times the rate": Change(rate=3e-3),
    "three times the rate, weight decay": Change(rate=3e-3, decay=0.05, baseline="weight decay"),
    "averaged weights": Change(average=0.99),
    "averaged weights, slower": Change(average=0.998),
}


@cache
def images() -> pd.DataFrame:
    """Return the images that may train: row in the set, label, group, fold, and the size of the group."""
    table = inputs.dataset(DataConfig("face-mask-12k")).manifest
    sides = splits.assign(table, "grouped")
    table = table.assign(fold=(splits.draw(table.group.astype(str), "fold") * FOLDS).astype(int))
    table["size"] = table.groupby("group").path.transform("size")
    return table[sides.isin(["train", "validation"])]


def erased(pixels: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Return images (N 3 H W) of which a share has a rectangle of noise, 2 to 27% of the area."""
    count, height, width = len(pixels), *pixels.shape[-2:]
    chosen, area, shape, top, left = torch.rand(5, count, generator=generator)
    area, ratio = 0.02 + 0.25 * area, 3 ** (2 * shape - 1)
    tall = (area * ratio).sqrt().clamp(max=0.9) * height
    wide = (area / ratio).sqrt().clamp(max=0.9) * width
    top, left = top * (height - tall), left * (width - wide)
    rows, columns = torch.arange(height), torch.arange(width)
    across = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
    down = (rows >= top[:, None]) & (rows < (top + tall)[:, None])
    inside = down[:, :, None] & across[:, None] & (chosen < share)[:, None, None]
    noise = 0.5 + 0.25 * torch.randn(pixels.shape, generator=generator)
    return torch.where(inside[:, None].to(pixels.device), noise.to(pixels.device), pixels)


def optimizer(model: models.Classifier, change: Change) -> torch.optim.Optimizer:
    """Return the optimizer; only what multiplies decays."""
    weights = [[p for p in model.parameters() if (p.ndim > 1) == many] for many in (True, False)]
    groups = [
        {"params": part, "weight_decay": decay}
        for part, decay in zip(weights, (change.decay, 0), strict=True)
    ]
    rate = change.rate * GENTLE.get(model.name, 1)
    if change.sgd:
        return torch.optim.SGD(groups, lr=rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=rate, fused=True)


def group_weights(table: pd.DataFrame, power: float) -> torch.Tensor:
    """Return a weight per image, its group's size to the power of -`power`, with mean 1 in each class."""
    weights = table["size"].astype(float) ** -power
    return torch.tensor((weights / weights.groupby(table.label).transform("mean")).to_numpy()).float()


@cache
def laid_over(change: Change) -> pasting.Masks:
    """Return the masks that a recipe lays over faces."""
    return inputs.masks(ClassifierConfig(side=change.side, pasted=change.pasted))


class Lessons:
    """What a network learns from images (rows of `images()`) by a recipe: batches, and a network's loss on each."""

    def __init__(self, change: Change, table: pd.DataFrame, device: torch.device):
        augmentation.RECIPES["tried"] = change.recipe
        self.change, self.device = change, device
        self.truth = torch.tensor(table.label.to_numpy())
        self.weights = group_weights(table, change.by_group).to(device)
        labels = self.truth.numpy()
        self.masks = laid_over(change) if change.pasted else None
        self.offset = objectives.origins(labels, table.group.to_numpy()).to(device) if change.origins else 0
        self.epochs = max(1, round(change.seen / len(table)))
        array = decoded(inputs.dataset(DataConfig("face-mask-12k")), change.side)[table.index]
        rows = np.arange(len(table))  # batches tell which image it is; its label is looked up here
        growth = Growth(change.initial_scale, self.epochs)
        self.batches = Batches(array, rows, rows, BATCH, growth=growth, device=device)
        shares = Batches(array, labels, rows, BATCH, masks=self.masks).class_shares()
        self.classes = objectives.class_weights(shares).to(device)

    def losses(self, model: models.Classifier, epoch: int) -> Iterator[torch.Tensor]:
        """Yield the loss on each batch of an epoch (from 1)."""
        rng = np.random.default_rng([0, epoch, 1])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        for pixels, rows in self.batches.epoch(epoch):
            truth = self.truth[rows]
            if self.masks:
                pixels, truth = pasting.pasted(pixels, truth, self.masks, generator)
            pixels = augmentation.augment(pixels, "tried", generator)
            if self.change.erase:
                pixels = erased(pixels, self.change.erase, generator)
            pixels, share = augmentation.blended(pixels, truth, "tried", rng)
            share = share.to(self.device).float() * (1 - self.change.smooth) + self.change.smooth / 2
            with autocast(self.device):
                logits = model(pixels)
            targets = torch.stack([1 - share, share], 1) * self.classes
            losses = F.cross_entropy(logits.float() + self.offset, targets, reduction="none")
            yield (losses * self.weights[rows.to(self.device)]).mean()


def trained(name: str, change: Change, fold: int, device: torch.device) -> Iterator[models.Classifier]:
    """Train a network on all folds but one; yield it with its last weights, then with the best watched ones if any."""
    torch.manual_seed(0)
    model = models.build(name, None, change.side).to(device, memory_format=torch.channels_last)
    table = images()[images().fold != fold]
    aside = splits.draw(table.group.astype(str), "watched").to_numpy() < change.watched
    watch, lessons = Watch(change.side, table[aside], device), Lessons(change, table[~aside], device)
    steps, step, optimize = lessons.epochs * len(lessons.batches), 0, optimizer(model, change)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimize, lambda step: rate_factor(step, steps))
    average = Average(model, change.average)
    for epoch in range(1, lessons.epochs + 1):
        model.train()
        for loss in lessons.losses(model, epoch):
            loss.backward()
            optimize.step()
            optimize.zero_grad()
            schedule.step()
            average.update(step)
            step += 1
        watch.look(model)
    yield average.model
    if watch.state:
        model.load_state_dict(watch.state)
        yield model


class Watch:
    """The weights after the epoch with the lowest mean loss on some images (rows of `images()`), both classes alike."""

    def __init__(self, side: int, table: pd.DataFrame, device: torch.device):
        array = decoded(inputs.dataset(DataConfig("face-mask-12k")), side)
        self.labels = table.label.to_numpy()
        self.batches = Batches(array, np.zeros(len(array), int), table.index, 512, device=device)
        self.lowest, self.state = np.inf, None

    def look(self, model: models.Classifier) -> None:
        if not len(self.labels):
            return
        logits = predict(model, self.batches.ordered())
        losses = np.logaddexp(0, np.where(self.labels == 1, -logits, logits))
        loss = np.mean([losses[self.labels == label].mean() for label in (0, 1)])
        if loss < self.lowest:
            self.lowest, self.state = loss, copy.deepcopy(model.state_dict())


class Average:
    """A moving average of a network's weights and running statistics; the network itself where `decay` is 0."""

    def __init__(self, model: models.Classifier, decay: float):
        self.decay, self.model = decay, copy.deepcopy(model) if decay else model
        networks = (self.model, model)
        self.pairs = [[v for v in m.state_dict().values() if v.is_floating_point()] for m in networks]

    @torch.no_grad()
    def update(self, step: int) -> None:
        if self.decay:
            torch._foreach_lerp_(*self.pairs, 1 - min(self.decay, (1 + step) / (10 + step)))


def judged(job: tuple[str, Change, int]) -> np.ndarray:
    """Return the logits of a fold's images by a network that was trained on the others, computed once."""
    name, change, fold = job
    path = place(job)
    if not path.exists():
        data = inputs.dataset(DataConfig("face-mask-12k"))
        if multiprocessing.parent_process():
            torch.set_num_threads(1)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        pixels = decoded(data, change.side)
        rows = images().index[images().fold == fold].to_numpy()
        batches = Batches(pixels, np.zeros(len(pixels), int), rows, 512, device=device)
        path.parent.mkdir(parents=True, exist_ok=True)
        for best, model in enumerate(trained(name, change, fold, device)):
            for views in VIEWS:
                content = io.BytesIO()
                np.save(content, seen_as(model, batches, views))
                told = replace(change, best=bool(best), views=views)
                write_bytes(place((name, told, fold)), content.getvalue())
    return np.load(path)


def seen_as(model: models.Classifier, batches: Batches, views: str) -> np.ndarray:
    """Return the mean logit of every image over what is shown of it."""
    parts = []
    for pixels, _ in batches.ordered():
        shown = VIEWS[views](pixels)
        parts.append(predict(model, [(part, None) for part in shown]).reshape(len(shown), -1).mean(0))
    return np.concatenate(parts)


def place(job: tuple[str, Change, int]) -> Path:
    """Return the file of what a network said; its name stands for all that decides it."""
    name, change, fold = job
    meant = asdict(change) | {"baseline": ""}
    data = inputs.dataset(DataConfig("face-mask-12k")).fingerprint
    code = [code_version(CLASSIFIER_CODE), Path(__file__).read_text(encoding="utf-8")]
    return home() / "recipe" / f"{digest([name, meant, fold, data, *code])}.npy"


def row(name: str, title: str, logits: dict[int, np.ndarray], base: dict[int, np.ndarray]) -> dict:
    """Return the scores of a recipe, given the logits by fold of its networks and of those of its baseline."""
    table, change = pd.concat([images()[images().fold == fold] for fold in logits]), CHANGES[title]
    right = (np.concatenate(list(logits.values())) > 0) == table.label.to_numpy()
    score = np.mean([right[table.label == label].mean() for label in (0, 1)])
    found = {"model": name, "change": title, "side": change.side, "seen": change.seen}
    found |= {"folds": " ".join(f"f{fold}" for fold in logits), "images": len(table)}
    found |= {"errors": int((~right).sum()), "balanced_accuracy": score}
    both = [] if title == change.baseline else [fold for fold in logits if fold in base]
    if not both:
        return found | dict.fromkeys(("baseline", "paired", "difference", "low", "high"))
    table = pd.concat([images()[images().fold == fold] for fold in both])
    pair = [1 / (1 + np.exp(-np.concatenate([part[fold] for fold in both]))) for part in (logits, base)]
    gap = comparison.paired_bootstrap(table.label, *pair, table.group, "balanced_accuracy")
    found |= {"baseline": change.baseline, "paired": len(both)}
    return found | {"difference": gap.value, "low": gap.low, "high": gap.high}


def tabulated(said: dict[tuple[str, str, int], np.ndarray]) -> pd.DataFrame:
    """Return a row per network and recipe, from the logits by network, recipe and fold."""
    folds: dict[tuple[str, str], dict[int, np.ndarray]] = {}
    for (name, title, fold), logits in said.items():
        folds.setdefault((name, title), {})[fold] = logits
    rows = [
        row(name, title, found, folds.get((name, CHANGES[title].baseline), {}))
        for (name, title), found in folds.items()
    ]
    return pd.DataFrame(rows)


def write(table: pd.DataFrame) -> None:
    """Put rows into the published table, in the place of earlier ones of the same network and recipe.

    An earlier row stays where the new one says the same, without a baseline to compare it with.
    """
    if TARGET.exists():
        named, earlier = (
            table.set_index(["model", "change"]),
            pd.read_csv(TARGET).set_index(["model", "change"]),
        )
        told = ["folds", "images", "errors"]
        same = (earlier[told].reindex(named.index) == named[told]).all(axis=1)
        named = named[~(same & named.baseline.isna())]
        table = pd.concat([earlier.drop(named.index, errors="ignore"), named]).reset_index()
    order = {title: place for place, title in enumerate(CHANGES)}
    table = table.sort_values("change", key=lambda column: column.map(order))
    table = table.sort_values("model", kind="stable")
    table.to_csv(TARGET, index=False, float_format="%.5f")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=models.BUILDERS, default=list(ARCHITECTURES))
    parser.add_argument("--changes", nargs="+", choices=CHANGES, default=list(CHANGES))
    parser.add_argument("--folds", nargs="+", type=int, choices=range(FOLDS), default=list(range(FOLDS)))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--seen", type=int, help="images that every network sees, an epoch at least; nothing is written"
    )
    options = parser.parse_args()
    titles = dict.fromkeys([*(CHANGES[title].baseline for title in options.changes), *options.changes])
    asked = [(name, title, fold) for title in titles for name in options.models for fold in options.folds]
    changes = {title: replace(CHANGES[title], seen=options.seen or CHANGES[title].seen) for title in titles}
    jobs = [(name, changes[title], fold) for name, title, fold in asked]
    for _, change, _ in jobs:  # once, before processes ask for them
        decoded(inputs.dataset(DataConfig("face-mask-12k")), change.side)
        if change.pasted:
            laid_over(change)
    if options.workers == 1:
        found = [judged(job) for job in jobs]
    else:
        once = {
            (name, replace(change, best=False, views="one", baseline=""), fold) for name, change, fold in jobs
        }
        longest = sorted(once, key=lambda job: job[1].seen * job[1].side ** 2, reverse=True)
        with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
            pool.map(judged, longest, chunksize=1)
        found = [judged(job) for job in jobs]
    table = tabulated(dict(zip(asked, found, strict=True)))
    print(table.round(4).to_string(index=False))
    if not options.seen:
        write(table)


if __name__ == "__main__":
    main()
