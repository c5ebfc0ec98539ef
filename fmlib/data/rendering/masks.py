"""Painting masks onto the unwrapped head: shape, folds, edges, valve and straps."""

import cv2
import numpy as np

from fmlib.data.rendering.fabrics import add_logo, add_print, mask_colour, rgb, woven
from fmlib.data.rendering.head import RELIEF, angles, heights
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import curve, ellipse, noise
from fmlib.data.rendering.skin import Skin

VALVES = ("e0e0e0", "999ea6", "262629", "3366bf")
CORNERS = {1: (3, 5), -1: (14, 12)}  # the outline's points that the straps leave from, by side


def paint_mask(skin: Skin, scene: Scene) -> None:
    """Put the scene's mask on the face and mark its pixels in `skin.region`."""
    if scene.wear == "none":
        return
    rng = scene.rng("mask")
    outline = _outline(scene, rng)
    px = skin.head.texture(*curve(outline).T, skin.size)
    cover, window = skin.coverage(px, 0.5)
    _straps(skin, scene, outline, rng)
    skin.fill(px, (0.08, 0.05, 0.05), 0.5, 0.05 * skin.unit)  # the shadow it throws on the skin
    _bulge(skin, scene, skin.full(cover, window), rng)
    fabric = _fabric(skin, scene, rng)
    skin.blend(cover, window, fabric)
    skin.region[window] = cover
    _edges(skin, outline, fabric, rng)
    if scene.mask_kind == "ffp2" and rng.random() < 0.5:
        _valve(skin, scene, rng)


def _outline(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Outline in (angle, y), 18 2: nose, cheek, side, jaw and chin of both halves, a little askew."""
    top, side, high, low, bottom = _extent(scene, rng)
    dip = rng.uniform(0.0, 0.1) * (
        scene.wear == "proper"
    )  # the edge lies lower on the cheeks than on the nose
    half = [(0.14, top + 0.02), (0.4, top + dip + 0.02), (0.75, (top + high) / 2 + dip), (side, high)]
    half += [(side * 1.02, (high + low) / 2), (side, low), (0.75 * side, (low + bottom) / 2)]
    half += [(0.45, bottom - 0.04), (0.18, bottom)]
    points = np.array([*half, *[(-angle, y) for angle, y in half[::-1]]])
    shift, lean = rng.normal(0, 0.03, 2)
    return points + np.stack([np.full(len(points), shift), lean * points[:, 0]], 1)


def _extent(scene: Scene, rng: np.random.Generator) -> tuple[float, ...]:
    """Upper edge on the nose, angle of the sides, their upper and lower corner, and the lower edge."""
    chin, way = scene.head.chin, scene.wear
    top, side = rng.uniform(0.14, 0.38), rng.uniform(0.95, 1.4)
    high, low, bottom = rng.uniform(0.3, 0.5), rng.uniform(0.8, 1.05), chin + rng.uniform(-0.06, 0.08)
    if way == "under_nose":
        top = rng.uniform(0.68, 0.76)
        high, low, bottom = top - rng.uniform(-0.05, 0.15), max(low, top + 0.3), chin + 0.08
    if way == "on_chin":
        top = rng.uniform(1.08, 1.18)
        high, low, bottom = top - rng.uniform(0.05, 0.2), top + 0.12, chin + 0.1
    return top, side, high, low, bottom


def _bulge(skin: Skin, scene: Scene, cover: np.ndarray, rng: np.random.Generator) -> None:
    """Replace the face's relief by the mask's: a tent over nose and chin, with folds."""
    small = cv2.resize(cover, (RELIEF, RELIEF), interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(skin.relief, (0, 0), 4)
    relief = np.maximum(smooth + 0.03 + _tent(scene, rng), skin.relief + 0.01)
    if scene.mask_kind == "surgical":
        count, phase = rng.uniform(7, 11), rng.random()
        pleats = ((heights(RELIEF) * count / 1.3 + phase) % 1)[:, None]
        relief += rng.uniform(0.006, 0.016) * pleats * np.exp(-((angles(RELIEF) / 1.1) ** 4))
    creases = noise(rng, 10, 14, RELIEF) + 0.5 * noise(rng, 24, 34, RELIEF)
    slack = 2.0 if scene.wear == "on_chin" else 1.0
    relief += slack * rng.uniform(0.002, 0.012) * creases
    skin.relief = (skin.relief * (1 - small) + relief * small).astype(np.float32)


def _tent(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """How far the cloth stands off the face: a cone for FFP2, softly rounded otherwise."""
    angle, y = angles(RELIEF), heights(RELIEF)
    peak, middle = rng.uniform(0.07, 0.13), rng.uniform(0.5, 0.75)
    if scene.wear != "proper":
        peak, middle = rng.uniform(0.02, 0.06), 1.0
    if scene.mask_kind == "ffp2":
        across, down, peak = (
            np.exp(-(np.abs(angle / 0.6) ** 1.3)),
            np.exp(-(((y - middle) / 0.5) ** 2)),
            peak + 0.06,
        )
    else:
        across, down = np.exp(-((angle / 0.5) ** 2)), np.exp(-(((y - middle) / 0.55) ** 2))
    return peak * down[:, None] * across


def _fabric(skin: Skin, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """The cloth as a picture of the sheet's size."""
    colour = mask_colour(scene.mask_kind, rng)
    fabric = woven(colour, skin.size, rng)
    if scene.mask_kind == "patterned":
        add_print(fabric, colour, rng)
    elif scene.mask_kind == "cloth" and rng.random() < 0.25:
        at = skin.head.texture(rng.uniform(-0.5, 0.5), rng.uniform(0.75, 1.1), skin.size)
        add_logo(fabric, at, skin.unit, rng)
    return fabric


def _edges(skin: Skin, outline: np.ndarray, fabric: np.ndarray, rng: np.random.Generator) -> None:
    """A hem along the rim, a wire over the nose, sometimes a seam down the middle."""
    px = skin.head.texture(*curve(np.vstack([outline, outline[:1]]), False).T, skin.size)
    tone = fabric[skin.size // 2, skin.size // 2]
    hem = tone * rng.uniform(0.6, 0.85) if rng.random() < 0.7 else np.minimum(1, tone * 1.1 + 0.1)
    skin.line(px, hem, 0.03 * skin.unit, 0.6, 0.5)
    top = outline[[-2, -1, 0, 1]] + (0, 0.05)
    skin.line(skin.head.texture(*curve(top, False).T, skin.size), tone * 0.75, 0.02 * skin.unit, 0.5, 0.6)
    if rng.random() < 0.3:
        seam = outline[[0, 8]] * [0, 1]
        skin.line(skin.head.texture(*seam.T, skin.size), tone * 0.6, 0.015 * skin.unit, 0.6, 0.5)


def _valve(skin: Skin, scene: Scene, rng: np.random.Generator) -> None:
    """The breathing valve of an FFP2 mask, beside or on the middle."""
    middle = {"proper": 0.85, "under_nose": 1.1, "on_chin": 1.3}[scene.wear]
    angle = rng.choice((-0.4, 0.0, 0.4))
    colour = rgb(rng.choice(VALVES))
    for radius, shade in ((0.15, 0.6), (0.135, 1.0), (0.08, 0.8)):
        ring = ellipse(angle, middle, radius, radius)
        skin.fill(skin.head.texture(*ring.T, skin.size), colour * shade, 1.0, 0.4)


def _straps(skin: Skin, scene: Scene, outline: np.ndarray, rng: np.random.Generator) -> None:
    """Elastic loops to the ears, or two bands around the head."""
    colour = np.array((0.93, 0.93, 0.93)) if rng.random() < 0.7 else np.array((0.1, 0.1, 0.1))
    around = scene.mask_kind == "ffp2" and rng.random() < 0.5
    ends = ((2.2, -0.5), (2.2, 0.7)) if around else ((1.55, 0.02), (1.55, 0.5))
    width = rng.uniform(0.025, 0.05) * skin.unit
    for side, corners in CORNERS.items():
        for start, end in zip(outline[list(corners)], np.array(ends) * (side, 1), strict=True):
            line = curve(np.array([start, (start + end) / 2 + (0, 0.03), end]), False)
            px = skin.head.texture(*line.T, skin.size)
            skin.line(np.add(px, (0, 0.02 * skin.unit)), (0.08, 0.05, 0.05), width, 0.3, 1.0)
            skin.line(px, colour, width, 0.95)
