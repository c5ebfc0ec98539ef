"""Painting stubble, moustaches and beards."""

import cv2
import numpy as np

from fmlib.data.rendering.head import RELIEF
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import curve, ellipse, mirrored, noise
from fmlib.data.rendering.skin import Skin


def paint_beard(skin: Skin, scene: Scene) -> None:
    """The scene's beard, rough as hair is, leaving the lips free."""
    if not scene.beard:
        return
    rng, size = scene.rng("beard"), skin.size
    rough = np.clip(0.75 + 0.3 * noise(rng, 110, 170, size) + 0.15 * noise(rng, 20, 30, size), 0, 1)
    alpha = {"stubble": rng.uniform(0.2, 0.5), "full": 0.95}.get(scene.beard, 0.9)
    cover = _cover(skin, _outlines(scene.beard, skin.head.chin, rng))
    colour = scene.hair_colour * rng.uniform(0.7, 1.1) * (0.7 + 0.5 * rough[..., None])
    skin.blend(cover * alpha * rough, (slice(0, size), slice(0, size)), colour)
    if scene.beard == "full":
        thick = rng.uniform(0.02, 0.09)
        skin.relief += cv2.resize(cover, (RELIEF, RELIEF), interpolation=cv2.INTER_AREA) * thick


def _cover(skin: Skin, outlines: list[np.ndarray]) -> np.ndarray:
    """Where hair grows, 0..1: inside any outline, but not on the lips."""
    cover = np.zeros((skin.size, skin.size), np.float32)
    for outline in outlines:
        part, window = skin.coverage(skin.head.unwrap(curve(outline), skin.size), 0.03 * skin.unit)
        cover[window] = np.maximum(cover[window], part)
    lips, window = skin.coverage(skin.head.unwrap(ellipse(0, 0.93, 0.22, 0.08), skin.size), 0.02 * skin.unit)
    cover[window] *= 1 - lips
    return cover


def _outlines(kind: str, chin: float, rng: np.random.Generator) -> list[np.ndarray]:
    moustache = mirrored([(0, 0.7), (0.24, 0.76), (0.34, 0.9), (0.2, 0.86), (0, 0.84)])
    goatee = mirrored([(0.2, 1.08), (0.28, chin - 0.08), (0, chin)])
    line = rng.uniform(0.55, 0.8)  # how far up the cheeks
    inner = [
        (0.12, 1.08),
        (0.3, 1.05),
        (0.36, 0.9),
        (0.5, line + 0.12),
        (0.75, line),
        (0.93, 0.5),
        (0.99, 0.3),
    ]
    full = mirrored([*inner, (0.99, 0.7), (0.8, 1.3), (0, chin + 0.05)])
    return {"moustache": [moustache], "goatee": [moustache, goatee]}.get(kind, [moustache, full])
