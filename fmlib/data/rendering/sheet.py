"""A sheet to paint on: polygons and lines with soft edges, blended only where they fall."""

import math
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

Colour = Sequence[float] | np.ndarray  # three numbers in 0..1, or an image of the sheet's size
SHIFT = 4  # fractional bits of the coordinates handed to OpenCV


def curve(points: np.ndarray, closed: bool = True, rounds: int = 2) -> np.ndarray:
    """Round off a polygon (closed) or a polyline by cutting its corners (Chaikin), `rounds` times."""
    return _cutting(len(points), closed, rounds) @ np.asarray(points, float)


@cache
def _cutting(n: int, closed: bool, rounds: int) -> np.ndarray:
    """Matrix that makes the rounded outline from n corners."""
    rows = np.eye(n)
    for _ in range(rounds):
        following = np.roll(rows, -1, 0)
        cut = np.stack([0.75 * rows + 0.25 * following, 0.25 * rows + 0.75 * following], 1).reshape(-1, n)
        rows = cut if closed else np.concatenate([rows[:1], cut[1:-3], rows[-1:]])
    return rows


def mirrored(half: Sequence[tuple[float, float]]) -> np.ndarray:
    """Closed outline from its right half, listed from the top to the bottom; points with x = 0 are kept once."""
    left = [(-x, y) for x, y in half[::-1] if x]
    return np.array([*half, *left])


def ellipse(x: float, y: float, a: float, b: float, turn: float = 0.0, n: int = 24) -> np.ndarray:
    """Outline, n 2, of an ellipse with half axes a and b, turned by `turn` radians."""
    c, s = math.cos(turn), math.sin(turn)
    return _circle(n) @ np.array([(a * c, a * s), (-b * s, b * c)]) + (x, y)


@cache
def _circle(n: int) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([np.cos(t), np.sin(t)], 1)


def noise(rng: np.random.Generator, rows: int, columns: int, size: int) -> np.ndarray:
    """Smooth noise, size size, about unit variance: rows x columns random values interpolated.

    The values drawn do not depend on `size`, so a scene is the same at every resolution.
    """
    values = rng.standard_normal((rows, columns)).astype(np.float32)
    return cv2.resize(values, (size, size), interpolation=cv2.INTER_CUBIC)


def blurred(stencil: np.ndarray, sigma: float) -> np.ndarray:
    """A uint8 picture blurred about as by a Gaussian of this sigma, the same however many threads work on it."""
    if sigma < 1.2:
        return cv2.GaussianBlur(stencil, (0, 0), sigma)
    reach = 2 * round((math.sqrt(6 * sigma**2 + 1) - 1) / 2) + 1  # two boxes of this width: the same variance
    return cv2.blur(cv2.blur(stencil, (reach, reach)), (reach, reach))


@cache
def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each pixel of a size x size picture, float32."""
    row, column = np.mgrid[:size, :size].astype(np.float32)
    return row, column


class Sheet:
    """An RGB picture, size size 3 in 0..1, and the regions that whatever is painted on top hides."""

    def __init__(self, size: int):
        self.size = size
        self.rgb = np.zeros((size, size, 3), np.float32)
        self.region = np.zeros((size, size), np.float32)  # visible part of the mask

    def window(self, px: np.ndarray, pad: float) -> tuple[slice, slice]:
        """Rows and columns that a shape with outline `px` and a margin `pad` can touch."""
        (left, top), (right, bottom) = px.min(0).tolist(), px.max(0).tolist()
        across, down = (left - pad, right + pad + 2), (top - pad, bottom + pad + 2)
        return slice(*(min(max(int(v), 0), self.size) for v in down)), slice(
            *(min(max(int(v), 0), self.size) for v in across)
        )

    def coverage(self, px, soft: float = 0.0, width: float = 0.0) -> tuple[np.ndarray, tuple[slice, slice]]:
        """How far a filled outline (or, with a width, a line) covers each pixel of its window, 0..1."""
        px = np.asarray(px, float)
        window = self.window(px, 3 * soft + width + 2)
        stencil = np.zeros((window[0].stop - window[0].start, window[1].stop - window[1].start), np.uint8)
        if stencil.size == 0:
            return stencil.astype(np.float32), window
        fixed = np.round((px - [window[1].start, window[0].start]) * (1 << SHIFT)).astype(np.int32)
        if width:
            cv2.polylines(stencil, [fixed], False, 255, max(1, round(width)), cv2.LINE_AA, SHIFT)
        else:
            cv2.fillPoly(stencil, [fixed], 255, cv2.LINE_AA, SHIFT)
        if soft > 0.3:
            stencil = blurred(stencil, soft)
        return stencil.astype(np.float32) * (min(1.0, width or 1.0) / 255), window

    def blend(
        self, alpha: np.ndarray, window: tuple[slice, slice], colour: Colour, hide: bool = False
    ) -> None:
        """Lay `colour` over the window with the given opacity; with `hide` it covers the region too."""
        if alpha.size == 0:
            return
        colour = np.asarray(colour, np.float32)
        under = self.rgb[window]
        change = (colour[window] if colour.ndim == 3 else colour) - under
        change *= alpha[..., None]
        under += change
        if hide:
            self.region[window] *= 1 - alpha

    def fill(self, px, colour: Colour, alpha: float = 1.0, soft: float = 0.0, hide: bool = False) -> None:
        """Paint a filled outline given in pixels."""
        cover, window = self.coverage(px, soft)
        self.blend(cover * alpha, window, colour, hide)

    def line(self, px, colour: Colour, width: float, alpha=1.0, soft=0.0, hide: bool = False) -> None:
        """Paint an open line given in pixels."""
        cover, window = self.coverage(px, soft, width)
        self.blend(cover * alpha, window, colour, hide)
