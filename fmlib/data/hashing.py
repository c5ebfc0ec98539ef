"""A 64-bit perceptual hash of a picture."""

import numpy as np
from PIL import Image

SIDE = 32  # px of the grey thumbnail that is hashed
_STEPS = np.arange(SIDE)
# rows 1..8 of the cosine transform; the constant row is left out, because light tells no picture from another
COSINES = np.cos(np.pi * np.outer(np.arange(1, 9), _STEPS + 0.5) / SIDE).astype(np.float32)  # 8 32
WEIGHTS = (1 << np.arange(64, dtype=np.uint64)).astype(np.uint64)


def thumbnail(image: Image.Image, side: int = SIDE) -> np.ndarray:
    """Grey thumbnail, float32 side x side, 0..255, averaged over areas."""
    grey = image.convert("L")
    return np.asarray(grey.resize((side, side), Image.Resampling.BOX), dtype=np.float32)


def phash(thumbnails: np.ndarray) -> np.ndarray:
    """Perceptual hashes: signs of the 8 x 8 lowest frequencies against their median.

    Args:
        thumbnails: float N 32 32.
    Returns:
        uint64 N; similar pictures differ in few bits.
    """
    spectrum = COSINES @ thumbnails @ COSINES.T  # N 8 8
    flat = spectrum.reshape(len(thumbnails), 64)
    bits = flat > np.median(flat, axis=1, keepdims=True)
    return (bits * WEIGHTS).sum(axis=1, dtype=np.uint64)
