"""Things before the mouth of a bare face: a hand, a scarf, a cup."""

import numpy as np

from fmlib.data.rendering.fabrics import cloth_colour
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import Sheet, curve, ellipse, grid, noise

FINGERS = ((-0.33, 0.45), (-0.11, 0.62), (0.11, 0.66), (0.33, 0.55))  # where on the palm, and how long


def paint_occluder(sheet: Sheet, scene: Scene) -> None:
    """Whatever the scene has before the mouth."""
    if scene.occluder:
        {"hand": _hand, "scarf": _scarf, "cup": _cup}[scene.occluder](sheet, scene)


def _mouth(scene: Scene) -> np.ndarray:
    """Where the mouth is, in camera coordinates."""
    return (scene.view.rotation() @ np.array([0, 0.92, 1.25]))[:2]


def _finger(sheet: Sheet, px: np.ndarray, skin: np.ndarray, thick: float) -> None:
    """A finger along a line: a dark rim, the skin, a paler ridge."""
    sheet.line(px, skin * [0.45, 0.36, 0.34], 1.25 * thick, 0.9, 0.8, hide=True)
    sheet.line(px, skin, thick, 1.0, 0.8, hide=True)
    sheet.line(px - (0.15 * thick, 0), np.minimum(1, skin * 1.12), 0.35 * thick, 0.5, 0.2 * thick)


def _hand(sheet: Sheet, scene: Scene) -> None:
    """A palm with four fingers and a thumb laid over the mouth."""
    rng, unit, size = scene.rng("hand"), sheet.size * scene.view.scale, sheet.size
    side, turn, big = rng.choice((-1, 1)), rng.uniform(-1.5, 0.4), rng.uniform(0.9, 1.15)
    skin = np.clip(scene.skin * rng.uniform(0.85, 1.1), 0, 1)
    c, s = np.cos(turn), np.sin(turn)
    matrix = big * np.array([[c * side, s], [-s * side, c]])
    palm = np.array([(-0.42, 0.1), (0.42, 0.05), (0.45, 0.8), (0.35, 2.6), (-0.35, 2.6), (-0.45, 0.8)])
    px = scene.view.flat(curve(palm) @ matrix + _mouth(scene), size)
    sheet.fill(px + 0.03 * size, (0, 0, 0), 0.3, 0.03 * size)
    sheet.fill(px, skin * 0.95, 1.0, 0.6, hide=True)
    lines = [[(0.35, 0.7), (0.62, 0.25), (0.66, -0.05)]]
    lines += [[(x, 0.25), (1.1 * x, -0.2), (1.15 * x + rng.normal(0, 0.03), -long_)] for x, long_ in FINGERS]
    for line in lines:
        px = scene.view.flat(curve(np.array(line), False) @ matrix + _mouth(scene), size)
        _finger(sheet, px, skin, 0.2 * unit)
        nail = ellipse(*px[-1], 0.06 * unit, 0.08 * unit)
        sheet.fill(nail, np.minimum(1, skin * [1.1, 0.95, 0.95] + 0.05), 0.6, 0.8)


def _scarf(sheet: Sheet, scene: Scene) -> None:
    """A thick scarf pulled up over the mouth and wound around the neck."""
    rng, size = scene.rng("scarf"), sheet.size
    top, x = rng.uniform(0.55, 0.8), _mouth(scene)[0]
    upper = [(-1.25, top - 0.1), (-0.7, top), (x * 0.7, top + 0.08), (0.7, top), (1.25, top - 0.1)]
    wrap = np.array([*upper, (1.5, 1.5), (1.4, 2.3), (0, 2.5), (-1.4, 2.3), (-1.5, 1.5)])
    px = scene.view.flat(curve(wrap), size)
    sheet.fill(px - (0, 0.02 * size), (0, 0, 0), 0.3, 0.02 * size)
    sheet.fill(px, _wool(rng, size), 1.0, 0.8, hide=True)


def _wool(rng: np.random.Generator, size: int) -> np.ndarray:
    """Thick cloth in folds, plain or striped, as a size x size picture."""
    colour, other = cloth_colour(rng), cloth_colour(rng)
    if rng.random() < 0.4:
        row, column = grid(size)
        stripes = np.sin(60 * rng.uniform(0.4, 1.2) / size * (row + 0.3 * column)) > 0
        colour = np.where(stripes[..., None], colour, other)
    folds = noise(rng, 12, 3, size) + 0.4 * noise(rng, 70, 50, size)
    return np.clip(colour * (1 + 0.22 * folds[..., None]), 0, 1)


def _cup(sheet: Sheet, scene: Scene) -> None:
    """A cup lifted to the lips, with the fingers that hold it."""
    rng, size, unit = scene.rng("cup"), sheet.size, sheet.size * scene.view.scale
    top, base, tall, tilt = rng.uniform((0.35, 0.25, 0.8, -0.2), (0.5, 0.38, 1.1, 0.2))
    rim, colour = np.add(_mouth(scene), (0, rng.uniform(-0.15, 0.05))), cloth_colour(rng)

    def paint(points, tone, alpha=1.0, soft=0.6, hide=False):
        sheet.fill(scene.view.flat(np.add(points, rim), size), tone, alpha, soft, hide)

    paint([(-top, 0), (top, 0), (base + tilt, tall), (-base + tilt, tall)], colour, hide=True)
    for left, shade in ((-top, 0.6), (top - 0.22, 0.75)):
        low = left * 0.75 + tilt
        strip = [(left, 0), (left + 0.22, 0), (low + 0.22, tall), (low, tall)]
        paint(strip, colour * shade, 0.6, 0.06 * unit)
    paint(ellipse(0, 0, top, 0.1), np.minimum(1, colour * 1.15), hide=True)
    paint(ellipse(0, 0.015, top * 0.9, 0.07), colour * 0.4)
    for y in 0.24 + 0.16 * np.arange(4):
        line = np.array([(top + 0.15, y + 0.04), (0.1, y - 0.02), (-0.1 + rng.normal(0, 0.05), y)])
        _finger(sheet, scene.view.flat(curve(line, False) + rim, size), scene.skin * 0.95, 0.15 * unit)
