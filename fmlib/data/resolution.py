"""One resolution for all: every image goes through the same small size before the size that a model gets."""

import numpy as np
from PIL import Image

THROUGH = 16  # px
MARGIN = 0.1  # of each side that is cut off, so that smeared borders do not show either


def matched(image: Image.Image, side: int, through: int = THROUGH, margin: float = MARGIN) -> np.ndarray:
    """An image without its margin and with no more detail than `through` px can hold, uint8 side side 3."""
    width, height = image.size
    inside = (width * margin, height * margin, width * (1 - margin), height * (1 - margin))
    small = image.resize((through, through), Image.Resampling.BOX, box=inside)
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
