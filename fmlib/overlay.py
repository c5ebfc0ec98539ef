"""A classifier's map laid over the photograph that it judged."""

import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fmlib.explain import coloured
from fmlib.files import replacing

LONGEST = 640  # px of an overlay's longer side


def reduced(image: Image.Image) -> Image.Image:
    """A copy of the photograph that is as large as its overlay."""
    copy = image.copy()
    copy.thumbnail((LONGEST, LONGEST))
    # pytorch-gradcam, which lays the map over it, loses a side of one pixel
    return copy.resize([max(2, side) for side in copy.size])


def write(saliency: np.ndarray, photograph: Image.Image, source: Path, folder: Path) -> Path:
    """Write the overlay of one photograph as PNG; returns its path, the same for the same `source`.

    Args:
        saliency: map of the whole picture, side side in [0, 1].
        photograph: H W 3.
        source: the photograph's file, after which the overlay is named; files of one name do not collide.
    """
    enlarged = cv2.resize(saliency, photograph.size, interpolation=cv2.INTER_LINEAR)
    _, blended = coloured(enlarged, np.asarray(photograph, dtype=np.float32) / 255)
    place = hashlib.sha256(os.fsencode(source.absolute())).hexdigest()[:8]
    # file systems take 255 bytes, and a letter has up to four
    target = folder / f"{source.stem[:50]}-cam-{place}.png"
    with replacing(target) as part:
        Image.fromarray((blended * 255).round().astype(np.uint8)).save(part, format="PNG")
    return target
