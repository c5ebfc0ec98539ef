"""Ears and glasses: placed in space beside and before the head."""

import numpy as np

from fmlib.data.rendering.fabrics import rgb
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import Sheet, ellipse

FRAMES = ("0d0d0f", "4d331f", "99999e", "b38c40", "801a1f")


def paint_ears(sheet: Sheet, scene: Scene, front: bool) -> None:
    """The ears as tilted plates; `front`: those turned towards the viewer, which are painted last."""
    if scene.hair in ("long", "wavy", "curly") or scene.hat == "headscarf":
        return
    rng = scene.rng("ears")
    big, flare = rng.uniform(0.85, 1.15), rng.uniform(0.1, 0.3)
    for side in (-1, 1):
        if (side * scene.view.yaw < -0.35) != front:
            continue
        for grow, shade, soft in ((1.0, 0.88, 0.7), (0.6, 0.72, 2.0)):
            t, y = ellipse(0, 0.22, 0.17 * big * grow, 0.3 * big * grow, 0.2).T
            points = np.stack([side * (1 + flare * (0.17 + t)), y, -0.05 - t], 1)
            tone = scene.skin * [shade, shade * 0.92, shade * 0.9]
            sheet.fill(scene.view.project(points, sheet.size), tone, 1.0, soft)


def paint_glasses(sheet: Sheet, scene: Scene) -> None:
    """Frames before the eyes with temples to the ears; clear, tinted or dark glass."""
    if not scene.glasses:
        return
    rng, unit = scene.rng("glasses"), sheet.size * scene.view.scale
    a, b, square, y = rng.uniform((0.27, 0.17, 2, -0.02), (0.37, 0.3, 5, 0.08))
    frame, width, dark = (
        rgb(rng.choice(FRAMES)),
        max(1.0, rng.uniform(0.02, 0.07) * unit),
        rng.random() < 0.35,
    )
    glass = (
        (rng.uniform(0.02, 0.25, 3), rng.uniform(0.75, 0.97))
        if dark
        else ((0.9, 0.95, 1), rng.uniform(0, 0.12))
    )

    def project(points) -> np.ndarray:
        return scene.view.project(points, sheet.size)

    for side in (-1, 1):
        ring = project(_lens(0.42 * side, y, a, b, square))
        sheet.fill(ring, *glass, 0.3, hide=dark)
        if rng.random() < 0.5:
            glint = project(_lens(0.42 * side - 0.08, y - 0.06, 0.12, 0.04, 2))
            sheet.fill(glint, (1, 1, 1), rng.uniform(0.1, 0.6), 1.0)
        sheet.line(ring, frame, width, 0.95, hide=True)
        if side * scene.view.yaw < 0.35:
            arm = [((0.42 + a) * side, y - 0.05, 1.1), (1.05 * side, y - 0.02, 0.1)]
            sheet.line(project(arm), frame, width, 0.9, hide=True)
    bridge = [(a - 0.42, y - 0.03, 1.27), (0, y - 0.06, 1.3), (0.42 - a, y - 0.03, 1.27)]
    sheet.line(project(bridge), frame, width, 0.95, hide=True)


def _lens(x: float, y: float, a: float, b: float, square: float) -> np.ndarray:
    """Outline in space of a lens, 29 3: a superellipse, round (2) to rectangular (5), bent around the face."""
    t = np.linspace(0, 2 * np.pi, 29)
    c, s = (np.sign(v) * np.abs(v) ** (2 / square) for v in (np.cos(t), np.sin(t)))
    return np.stack([x + a * c, y + b * s, 1.28 - 0.25 * (x + a * c) ** 2], 1)
