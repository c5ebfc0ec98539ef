"""Painting the mouth: closed, smiling with teeth, or wide open."""

from dataclasses import dataclass

import numpy as np

from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import curve, ellipse, mirrored
from fmlib.data.rendering.skin import Skin

GAPE = {"closed": (0.0, 0.0), "smiling": (0.05, 0.15), "open": (0.04, 0.28)}  # how far the lips part


@dataclass(frozen=True)
class Mouth:
    """A mouth's measures in head units: how wide, full and high, how far open and how much of a smile."""

    gape: float
    smile: float
    half: float
    full: float
    y: float


def paint_mouth(skin: Skin, scene: Scene) -> None:
    """Lips, with or without make-up, and what shows between them."""
    rng = scene.rng("mouth")
    mouth = _random_mouth(rng)
    made_up = rng.random() < 0.4
    lip = scene.skin * [0.86, 0.6, 0.6] + [0.03, 0, 0.01]
    if made_up:
        lip = rng.uniform((0.5, 0.02, 0.08), (0.85, 0.25, 0.35))
    corner = (mouth.half, mouth.y - mouth.smile)
    low = mouth.y + 0.1 * mouth.full + mouth.gape
    skin.shape(ellipse(0, low + 0.07, 0.2, 0.03), scene.skin * [0.7, 0.6, 0.56], 0.5, 0.03)
    skin.shape(curve(_lips(mouth)), lip, 0.95 if made_up else 0.75, 0.012)
    seam = np.array(
        [
            (-corner[0], corner[1]),
            (-0.12, mouth.y - mouth.gape * 0.3),
            (0.12, mouth.y - mouth.gape * 0.3),
            corner,
        ]
    )
    if mouth.gape:
        _inside(skin, mouth, seam, rng)
    else:
        skin.stroke(curve(seam, False), lip * 0.35, 0.02, 0.9, 0.008)
    skin.shape(ellipse(0, low - 0.05 * mouth.full, 0.1, 0.02), np.minimum(1, lip * 1.3 + 0.08), 0.35, 0.015)
    for x in (-corner[0], corner[0]):
        skin.shape(ellipse(x, corner[1], 0.03, 0.025), scene.skin * [0.5, 0.38, 0.36], 0.5, 0.02)


def _random_mouth(rng: np.random.Generator) -> Mouth:
    mood = str(rng.choice(tuple(GAPE), p=(0.42, 0.4, 0.18)))
    gape = rng.uniform(*GAPE[mood])
    smile = rng.uniform(0.06, 0.14) if mood == "smiling" else max(0.0, rng.normal(0.02, 0.03))
    half = 0.27 + 0.9 * smile + rng.normal(0, 0.02)
    return Mouth(gape, smile, half, full=rng.uniform(0.7, 1.3), y=0.9 + rng.normal(0, 0.02))


def _lips(mouth: Mouth) -> np.ndarray:
    """Outline of both lips, with the bow in the upper one."""
    top = mouth.y - 0.06 * mouth.full - mouth.gape * 0.3
    low = mouth.y + 0.1 * mouth.full + mouth.gape
    half = [
        (0, top + 0.01),
        (0.04, top - 0.01),
        (0.12, top),
        (mouth.half, mouth.y - mouth.smile),
        (0.16, low),
    ]
    return mirrored(half)


def _inside(skin: Skin, mouth: Mouth, seam: np.ndarray, rng: np.random.Generator) -> None:
    """A dark gap with upper teeth and, when wide open, the tongue."""
    gape, y = mouth.gape, mouth.y
    left, right = (-0.9 * mouth.half, y - 0.8 * mouth.smile), (0.9 * mouth.half, y - 0.8 * mouth.smile)
    gap = np.array([*seam, right, (0.15, y + gape * 0.95), (-0.15, y + gape * 0.95), left])
    inside, window = skin.coverage(skin.head.unwrap(curve(gap), skin.size), 0.4)
    skin.blend(inside, window, (0.16, 0.04, 0.04))
    within = skin.full(inside, window)
    teeth = rng.uniform(0.72, 0.97) * np.array([1, 0.97, 0.9])
    parts = [(ellipse(0, y - 0.06, 0.5, 0.05 + min(gape, 0.13) * 0.75), teeth)]
    if gape > 0.1:
        parts.append((ellipse(0, y + gape * 0.8, 0.16, 0.3 * gape), (0.6, 0.25, 0.25)))
    for outline, colour in parts:
        part, there = skin.coverage(skin.head.unwrap(outline, skin.size), 0.5)
        skin.blend(part * within[there] * 0.95, there, colour)
    for x in np.linspace(-0.21, 0.21, 7):  # the gaps between the teeth
        line = skin.head.unwrap([(x, y - 0.1), (x, y + 0.04)], skin.size)
        cleft, there = skin.coverage(line, 0.3, width=1.0)
        skin.blend(cleft * within[there] * 0.25, there, (0.4, 0.3, 0.28))
