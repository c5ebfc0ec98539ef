"""Altering a photograph as data sets do that enlarge themselves: mirrored, zoomed, rotated, recompressed."""

import cv2
import numpy as np

from fmlib.data.rendering.camera import jpeg
from fmlib.data.rendering.picture import Exposure


def alter(photo: Exposure, how: str, rng: np.random.Generator) -> Exposure:
    """A copy of the photograph; both regions follow its pixels."""
    side = len(photo.image)
    if how == "mirror":
        parts = [np.ascontiguousarray(part[:, ::-1]) for part in photo]
    elif how == "recompress":
        parts = [_resized(photo.image, rng.uniform(0.6, 0.95)), photo.mask_region, photo.lower_face]
    else:
        move = _zoom(side, rng) if how == "zoom" else _rotation(side, rng)
        parts = [
            _warp(photo.image, move),
            *(_warp(part.astype(np.float32), move) > 0.5 for part in photo[1:]),
        ]
    quality = rng.integers(40, 61) if how == "recompress" else rng.integers(70, 96)
    return Exposure(jpeg(parts[0], int(quality)), *parts[1:])


def _resized(image: np.ndarray, share: float) -> np.ndarray:
    side = len(image)
    small = cv2.resize(image, (max(8, round(side * share)),) * 2, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)


def _zoom(side: int, rng: np.random.Generator) -> np.ndarray:
    """Enlarged by up to a quarter or shrunk a little, and shifted."""
    middle = (side - 1) / 2
    move = cv2.getRotationMatrix2D((middle, middle), 0, rng.uniform(0.92, 1.25))
    move[:, 2] += rng.uniform(-0.08, 0.08, 2) * side
    return move


def _rotation(side: int, rng: np.random.Generator) -> np.ndarray:
    """Turned by 5 to 25 degrees either way."""
    middle = (side - 1) / 2
    return cv2.getRotationMatrix2D((middle, middle), float(rng.choice((-1, 1)) * rng.uniform(5, 25)), 1)


def _warp(image: np.ndarray, move: np.ndarray) -> np.ndarray:
    """Moved, with the border pixels smeared outwards as in augmented data sets."""
    return cv2.warpAffine(image, move, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
