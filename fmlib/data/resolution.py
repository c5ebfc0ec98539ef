"""One resolution for all: every image goes through the same small size before the size that a model gets."""

import numpy as np
from PIL import Image

THROUGH = 24  # px


def matched(image: Image.Image, side: int, through: int = THROUGH) -> np.ndarray:
    """An image without more detail than `through` px can hold, uint8 side side 3."""
    small = image.resize((through, through), Image.Resampling.BOX)
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
