"""The head as a surface: shape, texture coordinates, turning, and which point each pixel sees.

Head coordinates: x to the image's right, y down, z towards the viewer; the unit is half a face's width and
the eyes lie at y = 0. A point of the surface is (angle, y): x = w(y) (1 + h) sin(angle), z = d(y) (1 + h)
cos(angle), where w and d are the profile's half width and depth and h is the relief painted on it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

TURN = 2.0  # the texture spans angles of -TURN..TURN radians
TOP, BOTTOM = -1.8, 1.6  # and this range of y
RELIEF = 128  # rows and columns of the relief
STEPS = 11  # Newton steps to the surface
Y = np.linspace(TOP, BOTTOM, 341)


@dataclass(frozen=True)
class Head:
    """Profile of one head: half width and depth over the heights `Y`, and where the chin ends."""

    width: np.ndarray
    depth: np.ndarray
    chin: float

    def jaw(self, angle: np.ndarray) -> np.ndarray:
        """Height y of the jaw's lower edge, which rises from the chin towards the ears."""
        return self.chin - 0.3 * (1 - np.cos(1.6 * np.maximum(0, np.abs(angle) - 0.4)))

    def texture(self, angle, y, size: int) -> np.ndarray:
        """Texture pixels, n 2, of surface points (angle, y)."""
        px = np.empty((*np.shape(angle), 2))
        px[..., 0], px[..., 1] = _column(angle, size), _row(y, size)
        return px

    def unwrap(self, points, size: int) -> np.ndarray:
        """Texture pixels of points (x, y) drawn on the face as seen from the front."""
        points = np.asarray(points, float)
        angle = np.arcsin(
            np.maximum(-1, np.minimum(1, points[:, 0] / np.interp(points[:, 1], Y, self.width)))
        )
        return self.texture(angle, points[:, 1], size)

    def space(self, angle, y, lift: float = 0.0) -> np.ndarray:
        """Points in space, n 3, of (angle, y), lifted off the bare profile by a share `lift`."""
        width, depth = np.interp(y, Y, self.width), np.interp(y, Y, self.depth)
        return np.stack(
            [(1 + lift) * width * np.sin(angle), y + 0 * angle, (1 + lift) * depth * np.cos(angle)], -1
        )


def _column(angle, size: int):
    return (angle + TURN) * ((size - 1) / (2 * TURN))


def _row(y, size: int):
    return (y - TOP) * ((size - 1) / (BOTTOM - TOP))


def angles(size: int) -> np.ndarray:
    """Angle of each texture column."""
    return np.linspace(-TURN, TURN, size, dtype=np.float32)


def heights(size: int) -> np.ndarray:
    """Height y of each texture row."""
    return np.linspace(TOP, BOTTOM, size, dtype=np.float32)


def random_head(rng: np.random.Generator) -> Head:
    """A head between narrow and broad, with a pointed or square jaw and a short or long chin."""
    chin, jaw, broad = rng.uniform(1.36, 1.5), rng.normal(0, 0.05), rng.normal(1, 0.04)
    knots = [0, 0.35, 0.65, 0.9, 1.1, 1.25, 1.36, 1.45]
    widths = np.array([1, 0.96, 0.89, 0.82 + jaw, 0.71 + 1.4 * jaw, 0.59 + 1.5 * jaw, 0.45 + jaw, 0.22])
    depths = np.array([1.15, 1.16, 1.17, 1.17, 1.15, 1.11, 1.02, 0.85])
    stretch = np.interp(Y, [0, chin], [0, 1.45])
    lower_width, lower_depth = np.interp(stretch, knots, widths), np.interp(stretch, knots, depths)
    skull = np.clip(1 - np.abs((Y + 0.15) / (1.35 + 0.1 * broad)) ** 2.4, 0, 1) ** (1 / 2.4)
    width = np.where(Y < 0, np.minimum(1, 1.02 * skull), lower_width) * broad
    depth = np.where(Y < 0, 1.17 * skull, lower_depth)
    blur = lambda values: np.maximum(0.02, np.convolve(np.pad(values, 6, "edge"), np.ones(13) / 13, "valid"))  # noqa: E731
    return Head(blur(width), blur(depth), chin)


@dataclass(frozen=True)
class View:
    """How the head stands before the camera; angles in radians, lengths in shares of the picture's side."""

    yaw: float
    pitch: float
    roll: float
    scale: float  # the head's unit
    centre: tuple[float, float]  # where the head's origin lies

    def rotation(self) -> np.ndarray:
        """Matrix, 3 3, from head to camera coordinates."""
        cy, sy, cp, sp = np.cos(self.yaw), np.sin(self.yaw), np.cos(self.pitch), np.sin(self.pitch)
        return np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]]) @ np.array(
            [[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]
        )

    def flat(self, points, size: int) -> np.ndarray:
        """Pixels of points (X, Y) in camera coordinates."""
        c, s = np.cos(self.roll), np.sin(self.roll)
        points = np.asarray(points, float)
        return (points @ np.array([[c, s], [-s, c]]) * self.scale + self.centre) * size - 0.5

    def project(self, points, size: int) -> np.ndarray:
        """Pixels of points (x, y, z) in head coordinates."""
        return self.flat((np.asarray(points, float) @ self.rotation().T)[:, :2], size)

    def grid(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Camera coordinates X and Y of each pixel of a size x size picture."""
        steps = (np.arange(size, dtype=np.float32) + 0.5) / size
        x, y = np.meshgrid((steps - self.centre[0]) / self.scale, (steps - self.centre[1]) / self.scale)
        c, s = np.float32(np.cos(self.roll)), np.float32(np.sin(self.roll))
        return c * x + s * y, c * y - s * x


def seen(
    head: Head, relief: np.ndarray, view: View, size: int, hem: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angle and y of the surface point that each pixel sees, and how far it lies inside the outline.

    The third array is negative outside; its unit is the head's. All three are size x size. The surface ends
    `hem` below the jaw: what is worn may hang lower than the face.
    """
    big_x, big_y = (plane.ravel() for plane in view.grid(size))
    turn = view.rotation().astype(np.float32)
    start = turn[0][:, None] * big_x + turn[1][:, None] * big_y  # 3 N: head coordinates at depth 0
    step, depth = turn[2], np.full(big_x.shape, 1.7, np.float32)
    for _ in range(STEPS):
        rise, slope, *_ = _distance(head, relief, start + step[:, None] * depth, step)
        move = np.clip(rise / np.maximum(slope, 0.3), -0.3, 0.3)
        depth -= np.where((rise > 0) & (slope <= 0), 0, move)
    point = start + step[:, None] * depth
    rise, _, angle, inside = _distance(head, relief, point, step)
    shape = (size, size)
    inside = np.minimum(inside, head.jaw(angle) + hem - point[1])
    return angle.reshape(shape), point[1].reshape(shape), inside.reshape(shape)


def _distance(head: Head, relief, point: np.ndarray, step: np.ndarray):
    """For points 3 N on rays along `step`: height over the surface, its slope, angle, margin of the ray."""
    at = np.clip((point[1] - TOP) * ((len(Y) - 1) / (BOTTOM - TOP)), 0, len(Y) - 1).astype(np.int32)
    width, depth = head.width.astype(np.float32)[at], head.depth.astype(np.float32)[at]
    a, b = point[0] / width, point[2] / depth
    da, db = step[0] / width, step[2] / depth
    radius = np.sqrt(a * a + b * b) + 1e-6
    angle = np.arctan2(a, b)
    bump = _sample(relief, angle, point[1])
    nearest = np.abs(a * db - da * b) / np.sqrt(da * da + db * db)
    return radius - 1 - bump, (a * da + b * db) / radius, angle, (1 + bump - nearest) * width


def _sample(relief: np.ndarray, angle: np.ndarray, y: np.ndarray) -> np.ndarray:
    columns, rows = _column(angle, relief.shape[1]), _row(y, relief.shape[0])
    side = int(len(angle) ** 0.5)
    maps = [plane.reshape(side, -1).astype(np.float32) for plane in (columns, rows)]
    return cv2.remap(relief, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).ravel()


def texture_maps(
    angle: np.ndarray, y: np.ndarray, canvas: int, texture: int
) -> tuple[np.ndarray, np.ndarray]:
    """Maps for cv2.remap from a texture to a canvas, from what each pixel of a coarser grid sees."""
    grow = lambda plane: cv2.resize(plane, (canvas, canvas), interpolation=cv2.INTER_LINEAR)  # noqa: E731
    return _column(grow(angle), texture).astype(np.float32), _row(grow(y), texture).astype(np.float32)


def normals(head: Head, relief: np.ndarray) -> np.ndarray:
    """Unit normals, RELIEF RELIEF 3, of the surface with its relief, in head coordinates."""
    angle, y = angles(RELIEF), heights(RELIEF)
    width, depth = (
        np.interp(y, Y, values).astype(np.float32)[:, None] for values in (head.width, head.depth)
    )
    grown = 1 + relief
    place = np.dstack([grown * width * np.sin(angle), grown * depth * np.cos(angle)])
    (xa, za), (xy, zy) = (
        cv2.split(cv2.Scharr(place, cv2.CV_32F, *order, scale=1 / 32)) for order in ((1, 0), (0, 1))
    )
    dy = (BOTTOM - TOP) / (RELIEF - 1)
    # Across (xa, 0, za) and down (xy, dy, zy): their cross product points outwards.
    normal = np.stack([-za * dy, za * xy - xa * zy, xa * dy], -1)
    return normal / np.sqrt((normal * normal).sum(-1, keepdims=True) + 1e-12)
