"""Judge photographs of one's own with a trained classifier, one batch after the other."""

import io
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from fmlib import calibration, modelfile, overlay
from fmlib.arithmetic import exact
from fmlib.config import CLASSES
from fmlib.data import folders, pictures
from fmlib.data.batches import to_float
from fmlib.data.decoding import squared
from fmlib.data.manifest import why
from fmlib.errors import UsageError
from fmlib.explain import Contrast, explainer
from fmlib.modelfile import Trained

Names = str | os.PathLike | Iterable[str | os.PathLike]  # of files and folders; one needs no list
BATCH = 32
READERS = min(8, os.cpu_count() or 1)  # each may hold one decoded photograph


@dataclass(frozen=True)
class Judgement:
    """What is said of one file: a label and the probability of a mask, or the `error` why it cannot be judged."""

    path: str
    label: str = ""
    probability: float = np.nan
    error: str = ""
    cam: str = ""  # the overlay's file


def predict(model: str | os.PathLike, images: Names, cam: str | os.PathLike | None = None) -> pd.DataFrame:
    """Judge image files.

    Args:
        model: the key of a stored classifier run, its folder, or a file made by `python -m fmlib export`.
        images: image files, of animated ones the first frame is judged; and folders, with all that is in them; several
            or a single one.
        cam: folder for overlays that show which pixels spoke for the label; None draws none.

    Returns:
        A row per file, in their order: path, label ("with mask" or "without mask"), probability of a mask (calibrated
        on the run's validation images), error (why a file could not be judged; then label is empty), cam (the
        overlay's file).

    Raises:
        UsageError: there is no such model.
    """
    rows = [asdict(judgement) for judgement in judged(modelfile.load(model), images, cam)]
    return pd.DataFrame(rows, columns=[field.name for field in fields(Judgement)])


def judged(trained: Trained, images: Names, cam: str | os.PathLike | None = None) -> Iterator[Judgement]:
    """Yield what the classifier says of each file, as in `predict`; only a batch of them is held at a time."""
    folder = None if cam is None else Path(cam)
    if folder:
        _made(folder)
    found = files(images, besides=folder)
    with ThreadPoolExecutor(READERS) as pool:
        while batch := list(islice(found, BATCH)):
            read = list(pool.map(lambda entry: _read(*entry, trained.side, folder is not None), batch))
            yield from _judge(trained, read, folder)


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{str(folder)!r} cannot hold the overlays: {error.strerror}; name another folder"
        ) from error


def files(images: Names, besides: Path | None = None) -> Iterator[tuple[str, str]]:
    """Every file named, and every visible one below a folder named, with an error where it is not to be opened.

    Links inside a folder are followed to files of that folder; one that leads out is an error, unless
    FMLIB_FOLLOW_LINKS is 1. The folder `besides` is not entered.

    Raises:
        UsageError: a folder named is `besides` itself.
    """
    for name in map(os.fspath, [images] if isinstance(images, str | os.PathLike) else images):
        path = Path(name)
        if not name:
            yield name, "an empty name"
        elif not os.path.isdir(path):
            yield str(path), ""
        elif _same(path, besides):
            raise UsageError(
                f"{str(path)!r} cannot hold both the photographs and the overlays; name another folder"
            )
        else:
            yield from _below(path, besides)


def _same(folder: Path, besides: Path | None) -> bool:
    """Whether a folder is `besides`; one that is gone or cannot be reached is not."""
    try:
        return besides is not None and besides.samefile(folder)
    except OSError:
        return False


def _below(folder: Path, besides: Path | None) -> Iterator[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    empty, within = True, Path(os.path.realpath(folder))
    for path in folders.walk(folder, problems, folder, within, lambda path: _same(Path(path), besides)):
        empty = False
        yield path, ""
    yield from ((os.path.join(folder, name), reason) for name, reason in problems)
    if empty and not problems:
        yield str(folder), "a folder without files"


@dataclass(frozen=True)
class _Read:
    """A file's pixels, uint8 side side 3; the photograph itself, smaller, if an overlay is wanted; or an error."""

    path: str
    error: str = ""
    pixels: np.ndarray | None = None
    photograph: Image.Image | None = None


def _read(path: str, error: str, side: int, keep: bool) -> _Read:
    if error:
        return _Read(path, error)
    try:
        image = pictures.open_rgb(io.BytesIO(pictures.read_bytes(Path(path))))
    except pictures.UnreadableError as reason:
        return _Read(path, why(path, reason))
    return _Read(path, "", squared(image, side), overlay.reduced(image) if keep else None)


def _judge(trained: Trained, read: list[_Read], folder: Path | None) -> list[Judgement]:
    answers = iter(_answers(trained, [file for file in read if not file.error], folder))
    return [Judgement(file.path, error=file.error) if file.error else next(answers) for file in read]


def _answers(trained: Trained, usable: list[_Read], folder: Path | None) -> list[Judgement]:
    if not usable:
        return []
    images = to_float(np.stack([file.pixels for file in usable])).to(trained.device)
    logits, maps = _explained(trained, images) if folder else (_logits(trained, images), None)
    logits = logits.float().cpu().double().numpy()
    probability = calibration.calibrated(logits[:, 1] - logits[:, 0], trained.temperature)
    answers = []
    for row, (file, p) in enumerate(zip(usable, probability, strict=True)):
        drawn = (
            "" if maps is None else str(overlay.write(maps[row], file.photograph, Path(file.path), folder))
        )
        answers.append(Judgement(file.path, CLASSES[int(p >= 0.5)], float(p), cam=drawn))
    return answers


@exact()
@torch.inference_mode()
def _logits(trained: Trained, images: torch.Tensor) -> torch.Tensor:
    return trained.network(images)


@exact()
def _explained(trained: Trained, images: torch.Tensor) -> tuple[torch.Tensor, np.ndarray]:
    """Logits N 2, and Grad-CAM of each image's more likely class, N side side."""
    with explainer(Contrast(trained.network)) as explain:
        cams = explain(images)
    said = (cams.logits[:, 1] >= cams.logits[:, 0]).long()
    return cams.logits, cams.of("gradcam", said).cpu().numpy()
