"""What is around the head: the background, and neck, shoulders and clothing."""

import cv2
import numpy as np

from fmlib.data.rendering.fabrics import cloth_colour
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import Sheet, curve, ellipse, mirrored, noise


def paint_background(sheet: Sheet, scene: Scene) -> None:
    """A gradient, then blurred shapes, texture, or the lines of a room; at half the resolution."""
    rng, back = scene.rng("background"), Sheet(sheet.size // 2)
    first, second = _backdrop(rng), _backdrop(rng)
    turn = rng.uniform(0, 2 * np.pi)
    ramp = np.linspace(-0.5, 0.5, back.size, dtype=np.float32)
    mix = np.clip(0.5 + ramp[None] * np.cos(turn) + ramp[:, None] * np.sin(turn), 0, 1)[..., None]
    back.rgb[:] = first + mix * (second - first) * rng.random()
    kind = rng.choice(("plain", "shapes", "texture", "room", "crowd"), p=(0.25, 0.3, 0.15, 0.2, 0.1))
    if kind == "texture":
        grain = noise(rng, *rng.integers(4, 60, 2), back.size)
        back.rgb += grain[..., None] * rng.uniform(0.02, 0.15, 3).astype(np.float32)
    elif kind != "plain":
        {"shapes": _shapes, "room": _room, "crowd": _crowd}[str(kind)](back, rng)
        back.rgb = cv2.GaussianBlur(back.rgb, (0, 0), back.size * rng.uniform(0.003, 0.035))
    np.clip(back.rgb, 0, 1, out=back.rgb)
    sheet.rgb = cv2.resize(back.rgb, (sheet.size, sheet.size), interpolation=cv2.INTER_LINEAR)


def _backdrop(rng: np.random.Generator) -> np.ndarray:
    """Dark, light, grey or coloured."""
    value = rng.choice((rng.uniform(0, 0.2), rng.uniform(0.2, 0.8), rng.uniform(0.8, 1)), p=(0.35, 0.4, 0.25))
    return np.clip(value + rng.normal(0, 1, 3) * rng.choice((0.02, 0.1, 0.25)), 0, 1).astype(np.float32)


def _shapes(sheet: Sheet, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(4, 16)):
        x, y, a, b = rng.uniform(0, sheet.size, 4) * [1, 1, 0.35, 0.35]
        n = int(rng.choice((3, 4, 5, 20)))
        sheet.fill(ellipse(x, y, a + 2, b + 2, rng.uniform(0, 3), n), _backdrop(rng), rng.uniform(0.3, 1))


def _room(sheet: Sheet, rng: np.random.Generator) -> None:
    """Walls, shelves, windows: upright and level bars."""
    size = sheet.size
    for _ in range(rng.integers(5, 18)):
        x, y = rng.uniform(-0.1, 1, 2) * size
        wide, tall = rng.permutation([rng.uniform(0.01, 0.3), rng.uniform(0.1, 1.2)]) * size
        lean = rng.normal(0, 0.04) * size
        sheet.fill(
            [(x, y), (x + wide, y), (x + wide + lean, y + tall), (x + lean, y + tall)],
            _backdrop(rng),
            rng.uniform(0.4, 1),
        )


def _crowd(sheet: Sheet, rng: np.random.Generator) -> None:
    """Blurred people: skin-coloured heads over coloured clothes."""
    for _ in range(rng.integers(2, 6)):
        x, y, r = rng.uniform((0, 0.1, 0.06), (1, 0.8, 0.2)) * sheet.size
        sheet.fill(ellipse(x, y + 2.6 * r, 2 * r, 2 * r), _backdrop(rng))
        hair, skin = (
            rng.uniform(0.02, 0.4) * np.array([1, 0.8, 0.6]),
            rng.uniform(0.3, 0.95) * np.array([1, 0.76, 0.62]),
        )
        sheet.fill(ellipse(x, y - 0.2 * r, r * 1.1, r * 1.3), hair)
        sheet.fill(ellipse(x, y, r * 0.85, r * 1.1), skin)


def paint_body(sheet: Sheet, scene: Scene) -> None:
    """Neck, shoulders and clothing."""
    rng, view, size = scene.rng("body"), scene.view, sheet.size
    lean, thick = 0.12 * np.sin(view.yaw), rng.uniform(0.5, 0.72)
    neck = mirrored([(thick, 0.4), (thick, 1.8), (thick + 0.5, 2.3)])
    neck[[0, -1], 0] += lean
    shade = np.add(mirrored([(0.7, 0.9), (0.6, 1.62), (0, 1.75)]), (0.5 * lean, 0))
    sheet.fill(view.flat(curve(neck), size), scene.skin * rng.uniform(0.6, 0.9), 1.0, 0.6)
    dark = scene.skin * [0.35, 0.28, 0.26]
    sheet.fill(view.flat(curve(shade), size), dark, 0.6, 0.05 * size * view.scale)
    collar, wide, deep = rng.uniform((1.6, 1.9, 0.1), (2.1, 2.5, 0.7))
    shirt = [
        (0, collar + deep),
        (thick + 0.08, collar),
        (wide * 0.6, collar + 0.25),
        (wide, collar + 0.7),
        (wide + 0.2, 6),
    ]
    sheet.fill(view.flat(curve(mirrored(shirt)), size), _clothes(rng, size), 1.0, 0.6)


def _clothes(rng: np.random.Generator, size: int) -> np.ndarray:
    """Plain or striped cloth, as a size x size picture."""
    weave = 1 + 0.08 * noise(rng, 10, 14, size) + 0.03 * noise(rng, 70, 70, size)
    if rng.random() < 0.2:
        weave *= np.where(np.arange(size) * rng.uniform(15, 50) / size % 1 < 0.3, 0.6, 1).astype(np.float32)
    return np.clip(cloth_colour(rng) * weave[..., None], 0, 1)
