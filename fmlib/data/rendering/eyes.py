"""Painting the eyes and brows."""

import numpy as np

from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import curve, ellipse
from fmlib.data.rendering.skin import Skin

IRIS = ((70, 45, 28), (50, 32, 22), (95, 75, 45), (88, 105, 120), (85, 110, 85))
IRIS_ODDS = (0.35, 0.35, 0.1, 0.12, 0.08)


def paint_eyes(skin: Skin, scene: Scene) -> None:
    """Eyes open or shut, looking somewhere, with lids, lashes, make-up and brows."""
    rng = scene.rng("eyes")
    open_ = 0.0 if rng.random() < 0.05 else rng.uniform(0.05, 0.11)
    look, gap, long_ = rng.normal(0, 0.022, 2), rng.normal(0.42, 0.02), rng.uniform(0.16, 0.2)
    iris = np.array(IRIS[rng.choice(len(IRIS), p=IRIS_ODDS)]) / 255
    shadow = scene.skin * [0.6, 0.46, 0.42]
    if rng.random() < 0.25:
        shadow = rng.uniform(0.3, 0.9, 3) * [0.7, 0.5, 0.6]
    lash, tilt, depth = rng.uniform(0.012, 0.035), rng.normal(0.02, 0.025), rng.uniform(0.2, 0.7)
    for side in (-1, 1):
        x = gap * side
        skin.shape(ellipse(x, -0.05, 0.26, 0.14), shadow, depth, 0.06)
        left, right = (x - long_, tilt * (side < 0)), (x + long_, tilt * (side > 0))
        upper = np.array([left, (x - 0.08, -open_), (x + 0.06, -open_ * 1.05), right]) - (0, tilt)
        lower = np.array([right, (x + 0.08, open_ * 0.55), (x - 0.08, open_ * 0.55), left]) - (0, tilt)
        if open_:
            _eyeball(skin, np.concatenate([upper, lower]), (x + look[0], -0.02 + look[1] * 0.4), iris)
        skin.stroke(curve(upper, False), (0.06, 0.04, 0.04), lash, 0.9, 0.008)
        skin.stroke(curve(lower, False), scene.skin * [0.5, 0.36, 0.34], 0.014, 0.6, 0.01)
        crease = upper - (0.03 * side, 0.06)
        skin.stroke(curve(crease, False), scene.skin * [0.55, 0.42, 0.4], 0.02, 0.6, 0.012)
    _brows(skin, scene)


def _eyeball(skin: Skin, almond: np.ndarray, at: tuple[float, float], iris: np.ndarray) -> None:
    """White, iris, pupil and glint, kept inside the lids."""
    lids, window = skin.coverage(skin.head.unwrap(curve(almond), skin.size), 0.4)
    skin.blend(lids, window, (0.86, 0.83, 0.81))
    within = skin.full(lids, window)
    for radius, colour in ((0.095, iris * 0.5), (0.08, iris), (0.04, (0.03, 0.03, 0.03))):
        disc, there = skin.coverage(skin.head.unwrap(ellipse(*at, radius, radius), skin.size), 0.4)
        skin.blend(disc * within[there], there, colour)
    skin.shape(ellipse(at[0] + 0.03, at[1] - 0.03, 0.016, 0.016, n=8), (1, 1, 1), 0.8)


def _brows(skin: Skin, scene: Scene) -> None:
    rng = scene.rng("brows")
    thick, arch = rng.uniform(0.025, 0.07), rng.uniform(0.02, 0.1)
    y, mood = rng.normal(-0.25, 0.03), rng.normal(0, 0.03)
    colour = np.minimum(scene.hair_colour * 0.8, scene.skin * 0.7)
    for side in (-1, 1):
        top = np.array([(0.19, y + mood), (0.42, y - arch), (0.68, y + 0.03)])
        low = np.array([(0.66, y + 0.05), (0.42, y - arch + thick), (0.2, y + mood + thick * 1.4)])
        skin.shape(curve(np.concatenate([top, low]) * [side, 1]), colour, rng.uniform(0.6, 0.95), 0.014)
