"""Painting masks onto the unwrapped head: shape, fabric, folds, edges, valve and straps."""

import cv2
import numpy as np

from fmlib.data.rendering.face import Skin
from fmlib.data.rendering.head import RELIEF, angles, heights
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import curve, ellipse, grid, noise

SURGICAL = (
    (150, 200, 225),
    (110, 180, 215),
    (170, 215, 225),
    (235, 240, 242),
    (28, 28, 32),
    (235, 170, 195),
    (150, 210, 180),
    (185, 175, 220),
)
SURGICAL_ODDS = (0.25, 0.2, 0.12, 0.21, 0.09, 0.05, 0.05, 0.03)


def paint_mask(skin: Skin, scene: Scene) -> None:
    """Put the scene's mask on the face and mark its pixels in `skin.region`."""
    if scene.wear == "none":
        return
    rng = scene.rng("mask")
    outline = _outline(scene, rng)
    px = skin.head.texture(*curve(outline, rounds=2).T, skin.size)
    cover, window = skin.coverage(px, 0.5)
    full = np.zeros((skin.size, skin.size), np.float32)
    full[window] = cover
    _straps(skin, scene, outline, rng)
    skin.fill(px, (0.08, 0.05, 0.05), 0.5, 0.05 * skin.unit)  # the shadow it throws on the skin
    _bulge(skin, scene, full, rng)
    fabric = _fabric(skin, scene, rng)
    skin.blend(cover, window, fabric)
    skin.region[window] = cover
    _edges(skin, outline, fabric, rng)
    if scene.mask_kind == "ffp2" and rng.random() < 0.5:
        _valve(skin, scene, rng)


def _outline(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Outline in (angle, y): nose, cheek, side, jaw and chin, a little askew."""
    chin = scene.head.chin
    top, side, high, low = (
        rng.uniform(0.14, 0.38),
        rng.uniform(0.95, 1.4),
        rng.uniform(0.3, 0.5),
        rng.uniform(0.8, 1.05),
    )
    bottom = chin + rng.uniform(-0.06, 0.08)
    if scene.wear == "under_nose":
        top = rng.uniform(0.68, 0.76)
        high, low, bottom = top - rng.uniform(-0.05, 0.15), max(low, top + 0.3), chin + 0.08
    if scene.wear == "on_chin":
        top = rng.uniform(1.08, 1.18)
        high, low, bottom = top - rng.uniform(0.05, 0.2), top + 0.12, chin + 0.1
    dip = rng.uniform(0.0, 0.1) * (
        scene.wear == "proper"
    )  # below the eyes the edge lies lower than on the nose
    half = [
        (0.14, top + 0.02),
        (0.4, top + dip + 0.02),
        (0.75, (top + high) / 2 + dip),
        (side, high),
        (side * 1.02, (high + low) / 2),
    ]
    half += [(side, low), (0.75 * side, (low + bottom) / 2), (0.45, bottom - 0.04), (0.18, bottom)]
    points = np.array([*half, *[(-a, y) for a, y in half[::-1]]])
    lean = rng.normal(0, 0.03)
    return points + np.stack([0 * points[:, 0] + rng.normal(0, 0.03), lean * points[:, 0]], 1)


def _bulge(skin: Skin, scene: Scene, cover: np.ndarray, rng: np.random.Generator) -> None:
    """Replace the face's relief by the mask's: a tent over nose and chin, with folds."""
    angle, y = angles(RELIEF)[None], heights(RELIEF)[:, None]
    small = cv2.resize(cover, (RELIEF, RELIEF), interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(skin.relief, (0, 0), 5)
    peak, middle = rng.uniform(0.07, 0.13), rng.uniform(0.5, 0.75)
    if scene.wear != "proper":
        peak, middle = rng.uniform(0.02, 0.06), 1.0
    if scene.mask_kind == "ffp2":
        tent = (peak + 0.06) * np.exp(-(np.abs(angle / 0.6) ** 1.3) - ((y - middle) / 0.5) ** 2)
    else:
        tent = peak * np.exp(-((angle / 0.5) ** 2) - ((y - middle) / 0.55) ** 2)
    relief = np.maximum(smooth + 0.03 + tent, skin.relief + 0.01)
    if scene.mask_kind == "surgical":
        count, phase = rng.uniform(7, 11), rng.random()
        sharp = (y * count / 1.3 + phase) % 1
        relief = relief + rng.uniform(0.006, 0.016) * sharp * np.exp(-((angle / 1.1) ** 4))
    creases = noise(rng, 10, 14, RELIEF) + 0.5 * noise(rng, 24, 34, RELIEF)
    slack = 2.0 if scene.wear == "on_chin" else 1.0
    relief = relief + slack * rng.uniform(0.002, 0.012) * creases
    skin.relief = (skin.relief * (1 - small) + relief * small).astype(np.float32)


def _fabric(skin: Skin, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """The cloth's colours, as a picture of the sheet's size."""
    size = skin.size
    if scene.mask_kind == "surgical":
        base = np.array(SURGICAL[rng.choice(len(SURGICAL), p=SURGICAL_ODDS)]) / 255
    elif scene.mask_kind == "ffp2":
        base = np.array(
            ((0.93, 0.93, 0.92), (0.1, 0.1, 0.11), (0.75, 0.78, 0.8))[rng.choice(3, p=(0.75, 0.13, 0.12))]
        )
    else:
        base = _any_colour(rng)
    base = np.clip(base * rng.uniform(0.9, 1.06), 0, 1).astype(np.float32)
    weave = 1 + 0.02 * noise(rng, 90, 120, size) + 0.03 * noise(rng, 8, 10, size)
    fabric = (base * weave[..., None]).astype(np.float32)
    if scene.mask_kind == "patterned":
        _print(fabric, base, rng)
    elif scene.mask_kind == "cloth" and rng.random() < 0.25:
        _logo(fabric, skin, rng)
    return fabric


def _any_colour(rng: np.random.Generator) -> np.ndarray:
    """Black, white, grey and navy often, then strong colours; otherwise any."""
    plain = ((0.08, 0.08, 0.09), (0.92, 0.91, 0.89), (0.5, 0.5, 0.52), (0.1, 0.14, 0.3))
    strong = (
        (0.75, 0.08, 0.12),
        (0.95, 0.8, 0.15),
        (0.9, 0.4, 0.1),
        (0.1, 0.4, 0.2),
        (0.45, 0.06, 0.12),
        (0.1, 0.3, 0.75),
    )
    chance = rng.random()
    if chance < 0.65:
        palette = plain if chance < 0.4 else strong
        return np.clip(palette[rng.integers(len(palette))] * rng.uniform(0.8, 1.15, 3), 0.02, 1)
    return rng.uniform(0.05, 0.95, 3)


def _print(fabric: np.ndarray, base: np.ndarray, rng: np.random.Generator) -> None:
    """Stripes, checks, dots, flowers or patches."""
    size = len(fabric)
    other = _any_colour(rng)
    if np.abs(other - base).sum() < 0.6:
        other = 1 - base
    row, column = (plane / size for plane in grid(size))
    pitch, turn = rng.uniform(14, 40), rng.uniform(0, np.pi)
    wave = np.sin(
        2 * np.pi * pitch * (row * np.cos(turn) + column * np.sin(turn))
        + 2 * noise(rng, 5, 5, size) * rng.random()
    )
    across = np.sin(2 * np.pi * pitch * (column * np.cos(turn) - row * np.sin(turn)))
    kind = rng.choice(("stripes", "checks", "dots", "patches", "flowers"))
    pattern = {"stripes": wave, "checks": np.maximum(wave, across) - 0.6, "dots": wave * across - 0.45}.get(
        str(kind)
    )
    if kind == "patches":
        pattern = noise(rng, 26, 34, size) - 0.2
    if kind == "flowers":
        return _flowers(fabric, rng)
    alpha = np.clip(pattern * 6, 0, 1)[..., None]
    fabric += alpha * (other - fabric)


def _flowers(fabric: np.ndarray, rng: np.random.Generator) -> None:
    size, colours = len(fabric), rng.uniform(0.1, 1, (4, 3))
    for _ in range(90):
        at, radius = rng.uniform(0.2, 0.8, 2) * size, rng.uniform(0.006, 0.022) * size
        colour = tuple(float(c) for c in colours[rng.integers(4)])
        cv2.circle(fabric, tuple(int(v * 16) for v in at), int(radius * 16), colour, -1, cv2.LINE_AA, 4)


def _logo(fabric: np.ndarray, skin: Skin, rng: np.random.Generator) -> None:
    at = skin.head.texture(rng.uniform(-0.5, 0.5), rng.uniform(0.75, 1.1), skin.size)
    px = ellipse(*at, rng.uniform(3, 16), rng.uniform(2, 8), rng.uniform(0, 3), n=int(rng.integers(3, 9)))
    cv2.fillPoly(fabric, [np.round(px * 16).astype(np.int32)], rng.uniform(0, 1, 3).tolist(), cv2.LINE_AA, 4)


def _edges(skin: Skin, outline: np.ndarray, fabric: np.ndarray, rng: np.random.Generator) -> None:
    """A hem along the rim, a wire over the nose, sometimes a seam down the middle."""
    px = skin.head.texture(*curve(np.vstack([outline, outline[:1]]), False).T, skin.size)
    tone = fabric[skin.size // 2, skin.size // 2]
    hem = tone * rng.uniform(0.6, 0.85) if rng.random() < 0.7 else np.minimum(1, tone * 1.1 + 0.1)
    skin.line(px, hem, 0.03 * skin.unit, 0.6, 0.5)
    top = outline[[-2, -1, 0, 1]] + [0, 0.05]
    skin.line(skin.head.texture(*curve(top, False).T, skin.size), tone * 0.75, 0.02 * skin.unit, 0.5, 0.6)
    if rng.random() < 0.3:
        seam = outline[[0, 8]] * [0, 1]
        skin.line(skin.head.texture(*seam.T, skin.size), tone * 0.6, 0.015 * skin.unit, 0.6, 0.5)


def _valve(skin: Skin, scene: Scene, rng: np.random.Generator) -> None:
    """The breathing valve of an FFP2 mask, beside or on the middle."""
    middle = {"proper": 0.85, "under_nose": 1.1, "on_chin": 1.3}[scene.wear]
    angle = rng.choice((-0.4, 0.0, 0.4))
    colour = np.array(
        rng.choice(((0.88, 0.88, 0.88), (0.6, 0.62, 0.65), (0.15, 0.15, 0.16), (0.2, 0.4, 0.75)))
    )
    for radius, shade in ((0.15, 0.6), (0.135, 1.0), (0.08, 0.8)):
        ring = ellipse(angle, middle, radius, radius)
        skin.fill(skin.head.texture(*ring.T, skin.size), colour * shade, 1.0, 0.4)


def _straps(skin: Skin, scene: Scene, outline: np.ndarray, rng: np.random.Generator) -> None:
    """Elastic loops to the ears, or two bands around the head."""
    colour = np.array((0.93, 0.93, 0.93)) if rng.random() < 0.7 else np.array((0.1, 0.1, 0.1))
    around = scene.mask_kind == "ffp2" and rng.random() < 0.5
    ends = ((2.2, -0.5), (2.2, 0.7)) if around else ((1.55, 0.02), (1.55, 0.5))
    width = rng.uniform(0.025, 0.05) * skin.unit
    for side, corners in ((1, (3, 5)), (-1, (14, 12))):
        for corner, end in zip(corners, ends, strict=True):
            start = outline[corner]
            middle = (start + np.multiply(end, (side, 1))) / 2 + [0, 0.03]
            line = curve(np.array([start, middle, np.multiply(end, (side, 1))]), False)
            px = skin.head.texture(*line.T, skin.size)
            skin.line(np.add(px, (0, 1.5)), (0.08, 0.05, 0.05), width, 0.3, 1.0)
            skin.line(px, colour, width, 0.95)
