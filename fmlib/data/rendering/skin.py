"""The unwrapped head as a sheet: colours painted by face coordinates, and the relief under them."""

import cv2
import numpy as np

from fmlib.data.rendering.head import RELIEF, Head, angles, heights
from fmlib.data.rendering.sheet import Sheet


class Skin(Sheet):
    """The unwrapped head: colours, and the relief (a share of the radius) that lights and turns them."""

    def __init__(self, head: Head, size: int):
        super().__init__(size)
        self.head, self.unit = head, size / 3.4  # unit: pixels per unit of y
        self.relief = np.zeros((RELIEF, RELIEF), np.float32)

    def shape(self, points, colour, alpha=1.0, soft=0.0, hide=False) -> None:
        """Fill an outline given as face points (x, y); `soft` in head units."""
        self.fill(self.head.unwrap(points, self.size), colour, alpha, soft * self.unit, hide)

    def stroke(self, points, colour, width, alpha=1.0, soft=0.0, hide=False) -> None:
        """Draw a line through face points; `width` and `soft` in head units."""
        px = self.head.unwrap(points, self.size)
        self.line(px, colour, width * self.unit, alpha, soft * self.unit, hide)

    def bump(self, angle: float, y: float, wide: float, tall: float, lift: float) -> None:
        """Raise the relief by a bell of this height around (angle, y)."""
        across = np.exp(-(((angles(RELIEF) - angle) / wide) ** 2))
        self.relief += (lift * np.exp(-(((heights(RELIEF) - y) / tall) ** 2)))[:, None] * across

    def full(self, cover: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
        """Coverage of a window as coverage, size size, of the whole sheet."""
        whole = np.zeros((self.size, self.size), np.float32)
        whole[window] = cover
        return whole

    def lift(self, cover: np.ndarray, window: tuple[slice, slice], by: float | np.ndarray) -> None:
        """Raise the relief where something lies on the head, smoothing away what it covers."""
        whole = cv2.resize(self.full(cover, window), (RELIEF, RELIEF), interpolation=cv2.INTER_AREA)
        whole = cv2.GaussianBlur(whole, (0, 0), 2.2)
        raised = 0.6 * np.maximum(self.relief, 0) + by
        self.relief = (self.relief * (1 - whole) + raised * whole).astype(np.float32)
