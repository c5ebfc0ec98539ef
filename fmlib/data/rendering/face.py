"""Painting the face's texture: the relief, the complexion and the nose; eyes, mouth and beard follow."""

import numpy as np

from fmlib.data.rendering.beard import paint_beard
from fmlib.data.rendering.eyes import paint_eyes
from fmlib.data.rendering.head import RELIEF, angles
from fmlib.data.rendering.mouth import paint_mouth
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import curve, ellipse, noise
from fmlib.data.rendering.skin import Skin


def paint_face(skin: Skin, scene: Scene) -> None:
    """Everything between hairline and chin."""
    _relief(skin, scene.rng("relief"))
    _complexion(skin, scene)
    _nose(skin, scene)
    paint_eyes(skin, scene)
    if scene.wear != "proper":  # a mask worn properly hides it
        paint_mouth(skin, scene)
    paint_beard(skin, scene)


def _relief(skin: Skin, rng: np.random.Generator) -> None:
    """Flatten the front, then raise nose, brows, cheeks, lips and chin and sink the eyes."""
    skin.relief += (0.05 * np.sin(2 * angles(RELIEF)) ** 2)[None]
    length, broad, high = rng.normal(0, 0.03), rng.uniform(0.85, 1.3), rng.uniform(0.8, 1.2)
    for y, wide, lift in ((0.12, 0.11, 0.05), (0.28, 0.12, 0.07), (0.44, 0.14, 0.11), (0.55, 0.15, 0.1)):
        skin.bump(0, y + length, wide * broad, 0.12, lift * high)
    for side in (-1, 1):
        skin.bump(side * 0.15 * broad, 0.57 + length, 0.07, 0.07, 0.06)
        skin.bump(side * 0.42, 0.0, 0.2, 0.13, -0.055)
        skin.bump(side * 0.4, -0.24, 0.3, 0.1, 0.035)
        skin.bump(side * 0.62, 0.38, 0.25, 0.22, 0.035 + 0.02 * rng.random())
    skin.bump(0, 0.92, 0.28, 0.07, 0.035)
    skin.bump(0, 1.08, 0.2, 0.05, -0.015)
    skin.bump(0, 1.28, 0.24, 0.12, 0.04)


def _complexion(skin: Skin, scene: Scene) -> None:
    """Skin colour with blotches, a flush on cheeks and nose, freckles and a few lines."""
    rng, size = scene.rng("complexion"), skin.size
    blotches = 1 + 0.025 * noise(rng, 14, 20, size) + 0.02 * noise(rng, 60, 90, size)
    skin.rgb[:] = scene.skin * blotches[..., None]
    flush, strength = scene.skin * [1.08, 0.78, 0.76], rng.uniform(0.1, 0.5)
    for x, y, a, b in ((-0.55, 0.42, 0.24, 0.18), (0.55, 0.42, 0.24, 0.18), (0, 0.5, 0.15, 0.15)):
        skin.shape(ellipse(x, y, a, b), flush, strength, 0.1)
    for _ in range(rng.integers(0, 40) if rng.random() < 0.2 else 0):
        x, y = rng.normal(0, 0.4), rng.normal(0.35, 0.2)
        skin.shape(ellipse(x, y, 0.018, 0.018, n=8), scene.skin * [0.8, 0.7, 0.6], 0.5)
    _lines(skin, scene.skin * [0.72, 0.6, 0.56], rng.random() ** 2)


def _lines(skin: Skin, dark: np.ndarray, age: float) -> None:
    """Folds beside the mouth, bags under the eyes and, from some age on, a furrowed brow."""
    for side in (-1, 1):
        fold = [(0.2 * side, 0.58), (0.34 * side, 0.72), (0.4 * side, 0.92), (0.38 * side, 1.02)]
        skin.stroke(curve(fold, False), dark, 0.03, 0.15 + 0.55 * age, 0.02)
        bag = [(0.26 * side, 0.13), (0.4 * side, 0.19), (0.58 * side, 0.13)]
        skin.stroke(curve(bag, False), dark, 0.03, 0.15 + 0.5 * age, 0.025)
    for y in (-0.5, -0.62, -0.74) if age > 0.35 else ():
        wave = [(-0.45, y), (-0.2, y - 0.04), (0, y), (0.2, y - 0.04), (0.45, y)]
        skin.stroke(curve(wave, False), dark, 0.015, 0.5 * max(0, age - 0.3), 0.015)


def _nose(skin: Skin, scene: Scene) -> None:
    rng = scene.rng("nose")
    broad, y = rng.uniform(0.85, 1.3), 0.6 + rng.normal(0, 0.02)
    dark = scene.skin * [0.5, 0.38, 0.34]
    skin.shape(ellipse(0, y + 0.02, 0.2 * broad, 0.05), scene.skin * [0.75, 0.65, 0.62], 0.6, 0.04)
    for side in (-1, 1):
        skin.shape(ellipse(side * 0.09 * broad, y, 0.055, 0.03, -0.3 * side), dark * 0.7, 0.85, 0.012)
        wing = [(0.14 * side, y - 0.13), (0.22 * broad * side, y - 0.07), (0.2 * broad * side, y + 0.01)]
        skin.stroke(curve(wing, False), dark, 0.025, 0.5, 0.015)
        ridge = [(0.2 * side, -0.08), (0.1 * side, 0.1), (0.1 * side, 0.4)]
        skin.stroke(curve(ridge, False), scene.skin * [0.8, 0.72, 0.7], 0.06, 0.3, 0.04)
    skin.stroke([(0, 0.05), (0, 0.5)], np.minimum(1, scene.skin * 1.2 + 0.04), 0.06, 0.25, 0.03)
