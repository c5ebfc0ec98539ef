"""Painting the face's texture: skin, eyes, brows, nose, mouth and beard, with their relief."""

import cv2
import numpy as np

from fmlib.data.rendering.head import RELIEF, Head, angles, heights
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import Sheet, curve, ellipse, noise

IRIS = ((70, 45, 28), (50, 32, 22), (95, 75, 45), (88, 105, 120), (85, 110, 85))


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


def paint_face(skin: Skin, scene: Scene) -> None:
    """Everything between hairline and chin."""
    _relief(skin, scene.rng("relief"))
    _complexion(skin, scene)
    _nose(skin, scene)
    _eyes(skin, scene)
    if scene.wear != "proper":  # a mask worn properly hides it
        _mouth(skin, scene)
    _beard(skin, scene)


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
    age = rng.random() ** 2
    dark = scene.skin * [0.72, 0.6, 0.56]
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


def _eyes(skin: Skin, scene: Scene) -> None:
    """Eyes open or shut, looking somewhere, with lids, lashes, make-up and brows."""
    rng = scene.rng("eyes")
    open_ = 0.0 if rng.random() < 0.05 else rng.uniform(0.05, 0.11)
    look, gap, long_ = rng.normal(0, 0.022, 2), rng.normal(0.42, 0.02), rng.uniform(0.16, 0.2)
    iris = np.array(IRIS[rng.choice(5, p=(0.35, 0.35, 0.1, 0.12, 0.08))]) / 255
    shadow = (
        rng.uniform(0.3, 0.9, 3) * [0.7, 0.5, 0.6] if rng.random() < 0.25 else scene.skin * [0.6, 0.46, 0.42]
    )
    lash, tilt, depth = rng.uniform(0.012, 0.035), rng.normal(0.02, 0.025), rng.uniform(0.2, 0.7)
    for side in (-1, 1):
        x = gap * side
        skin.shape(ellipse(x, -0.05, 0.26, 0.14), shadow, depth, 0.06)
        corners = (x - long_, tilt * (side < 0)), (x + long_, tilt * (side > 0))
        inner = np.array([0.03, 0]) if side < 0 else np.array([-0.03, 0])
        upper = np.array([corners[0], (x - 0.08, -open_), (x + 0.06, -open_ * 1.05), corners[1]]) - [0, tilt]
        lower = np.array([corners[1], (x + 0.08, open_ * 0.55), (x - 0.08, open_ * 0.55), corners[0]]) - [
            0,
            tilt,
        ]
        if open_:
            _eyeball(skin, np.concatenate([upper, lower]), (x + look[0], -0.02 + look[1] * 0.4), iris)
        skin.stroke(curve(upper, False), (0.06, 0.04, 0.04), lash, 0.9, 0.008)
        skin.stroke(curve(lower, False), scene.skin * [0.5, 0.36, 0.34], 0.014, 0.6, 0.01)
        skin.stroke(curve(upper - [0, 0.06] + inner, False), scene.skin * [0.55, 0.42, 0.4], 0.02, 0.6, 0.012)
    _brows(skin, scene)


def _eyeball(skin: Skin, almond: np.ndarray, at: tuple[float, float], iris: np.ndarray) -> None:
    """White, iris, pupil and glint, kept inside the lids."""
    lids, window = skin.coverage(skin.head.unwrap(curve(almond), skin.size), 0.4)
    skin.blend(lids, window, (0.86, 0.83, 0.81))
    for radius, colour in ((0.095, iris * 0.5), (0.08, iris), (0.04, (0.03, 0.03, 0.03))):
        px = skin.head.unwrap(ellipse(*at, radius, radius), skin.size)
        disc, there = skin.coverage(px, 0.4)
        full = np.zeros((skin.size, skin.size), np.float32)
        full[window] = lids
        skin.blend(disc * full[there], there, colour)
    skin.shape(ellipse(at[0] + 0.03, at[1] - 0.03, 0.016, 0.016, n=8), (1, 1, 1), 0.8)


def _brows(skin: Skin, scene: Scene) -> None:
    rng = scene.rng("brows")
    thick, arch, y, mood = (
        rng.uniform(0.025, 0.07),
        rng.uniform(0.02, 0.1),
        rng.normal(-0.25, 0.03),
        rng.normal(0, 0.03),
    )
    colour = np.minimum(scene.hair_colour * 0.8, scene.skin * 0.7)
    for side in (-1, 1):
        top = np.array([(0.19, y + mood), (0.42, y - arch), (0.68, y + 0.03)])
        low = np.array([(0.66, y + 0.05), (0.42, y - arch + thick), (0.2, y + mood + thick * 1.4)])
        skin.shape(curve(np.concatenate([top, low]) * [side, 1]), colour, rng.uniform(0.6, 0.95), 0.014)


def _mouth(skin: Skin, scene: Scene) -> None:
    """Lips closed, smiling, showing teeth, or wide open."""
    rng = scene.rng("mouth")
    mood = rng.choice(("closed", "smiling", "open"), p=(0.42, 0.4, 0.18))
    low, high = {"closed": (0.0, 0.0), "smiling": (0.05, 0.15), "open": (0.04, 0.28)}[str(mood)]
    gape = rng.uniform(low, high)
    smile = rng.uniform(0.06, 0.14) if mood == "smiling" else max(0.0, rng.normal(0.02, 0.03))
    half, full, y = 0.27 + 0.9 * smile + rng.normal(0, 0.02), rng.uniform(0.7, 1.3), 0.9 + rng.normal(0, 0.02)
    made_up = rng.random() < 0.4
    lip = (
        rng.uniform((0.5, 0.02, 0.08), (0.85, 0.25, 0.35))
        if made_up
        else scene.skin * [0.86, 0.6, 0.6] + [0.03, 0, 0.01]
    )
    top, low = y - 0.06 * full - gape * 0.3, y + 0.1 * full + gape
    left, right = (-half, y - smile), (half, y - smile)
    outer = [
        left,
        (-0.12, top),
        (-0.04, top - 0.01),
        (0, top + 0.01),
        (0.04, top - 0.01),
        (0.12, top),
        right,
        (0.16, low),
        (-0.16, low),
    ]
    skin.shape(ellipse(0, low + 0.07, 0.2, 0.03), scene.skin * [0.7, 0.6, 0.56], 0.5, 0.03)
    skin.shape(curve(np.array(outer)), lip, 0.95 if made_up else 0.75, 0.012)
    seam = np.array([left, (-0.12, y - gape * 0.3), (0.12, y - gape * 0.3), right])
    if gape:
        floor = np.array(
            [
                (0.9 * half, y - 0.8 * smile),
                (0.15, y + gape * 0.95),
                (-0.15, y + gape * 0.95),
                (-0.9 * half, y - 0.8 * smile),
            ]
        )
        _open_mouth(skin, np.concatenate([seam, floor]), y, gape, rng)
    else:
        skin.stroke(curve(seam, False), lip * 0.35, 0.02, 0.9, 0.008)
    skin.shape(ellipse(0, low - 0.05 * full, 0.1, 0.02), np.minimum(1, lip * 1.3 + 0.08), 0.35, 0.015)
    for end in (left, right):
        skin.shape(ellipse(*end, 0.03, 0.025), scene.skin * [0.5, 0.38, 0.36], 0.5, 0.02)


def _open_mouth(skin: Skin, gap: np.ndarray, y: float, gape: float, rng: np.random.Generator) -> None:
    """A dark gap with upper teeth, sometimes lower teeth, and a tongue."""
    inside, window = skin.coverage(skin.head.unwrap(curve(gap), skin.size), 0.4)
    skin.blend(inside, window, (0.16, 0.04, 0.04))
    full = np.zeros((skin.size, skin.size), np.float32)
    full[window] = inside
    teeth = rng.uniform(0.72, 0.97) * np.array([1, 0.97, 0.9])
    parts = [((0, y - 0.06), 0.5, 0.05 + min(gape, 0.13) * 0.75, teeth)]
    if gape > 0.1:
        parts += [((0, y + gape * 0.8), 0.16, 0.3 * gape, np.array([0.6, 0.25, 0.25]))]
    for at, a, b, colour in parts:
        part, there = skin.coverage(skin.head.unwrap(ellipse(*at, a, b), skin.size), 0.5)
        skin.blend(part * full[there] * 0.95, there, colour)
    for x in np.linspace(-0.21, 0.21, 7):
        comb = skin.coverage(skin.head.unwrap(np.array([(x, y - 0.1), (x, y + 0.04)]), skin.size), 0.3, 1.0)
        skin.blend(comb[0] * full[comb[1]] * 0.25, comb[1], (0.4, 0.3, 0.28))


def _beard(skin: Skin, scene: Scene) -> None:
    """Stubble, moustache, goatee or a full beard, rough as hair is."""
    if not scene.beard:
        return
    rng, chin = scene.rng("beard"), skin.head.chin
    rough = np.clip(0.75 + 0.3 * noise(rng, 110, 170, skin.size) + 0.15 * noise(rng, 20, 30, skin.size), 0, 1)
    alpha = {"stubble": rng.uniform(0.2, 0.5), "full": 0.95}.get(scene.beard, 0.9)
    cover = np.zeros((skin.size, skin.size), np.float32)
    for outline in _beard_outlines(scene.beard, chin, rng):
        part, window = skin.coverage(skin.head.unwrap(curve(np.array(outline)), skin.size), 0.03 * skin.unit)
        cover[window] = np.maximum(cover[window], part)
    lips, window = skin.coverage(skin.head.unwrap(ellipse(0, 0.93, 0.22, 0.08), skin.size), 0.02 * skin.unit)
    cover[window] *= 1 - lips
    colour = scene.hair_colour * rng.uniform(0.7, 1.1) * (0.7 + 0.5 * rough[..., None])
    everywhere = slice(0, skin.size), slice(0, skin.size)
    skin.blend(cover * alpha * rough, everywhere, colour.astype(np.float32), hide=False)
    if scene.beard == "full":
        skin.relief += cv2.resize(cover, (RELIEF, RELIEF), interpolation=cv2.INTER_AREA) * rng.uniform(
            0.02, 0.09
        )


def _beard_outlines(kind: str, chin: float, rng: np.random.Generator) -> list:
    moustache = [
        (-0.34, 0.9),
        (-0.24, 0.76),
        (0, 0.7),
        (0.24, 0.76),
        (0.34, 0.9),
        (0.2, 0.86),
        (0, 0.84),
        (-0.2, 0.86),
    ]
    goatee = [(-0.2, 1.08), (0.2, 1.08), (0.28, chin - 0.08), (0, chin), (-0.28, chin - 0.08)]
    line = rng.uniform(0.55, 0.8)  # how far up the cheeks
    half = [
        (0.99, 0.3),
        (0.93, 0.5),
        (0.75, line),
        (0.5, line + 0.12),
        (0.36, 0.9),
        (0.3, 1.05),
        (0.12, 1.08),
    ]
    full = [
        *half,
        *[(-x, y) for x, y in half[::-1]],
        (-0.99, 0.7),
        (-0.8, 1.3),
        (0, chin + 0.05),
        (0.8, 1.3),
        (0.99, 0.7),
    ]
    return {"moustache": [moustache], "goatee": [moustache, goatee]}.get(kind, [moustache, full])
