"""What is around the face: background, body, ears, glasses, the brim of a hat and things before the mouth."""

import cv2
import numpy as np

from fmlib.data.rendering.hair import _cloth_colour as cloth_colour
from fmlib.data.rendering.hair import _scarf_colour as scarf_colour
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import Sheet, curve, ellipse, grid, noise


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
        x, y, r = (
            rng.uniform(0, 1) * sheet.size,
            rng.uniform(0.1, 0.8) * sheet.size,
            rng.uniform(0.06, 0.2) * sheet.size,
        )
        sheet.fill(ellipse(x, y + 2.6 * r, 2 * r, 2 * r), _backdrop(rng))
        sheet.fill(
            ellipse(x, y - 0.2 * r, r * 1.1, r * 1.3), rng.uniform(0.02, 0.4) * np.array([1, 0.8, 0.6])
        )
        sheet.fill(ellipse(x, y, r * 0.85, r * 1.1), rng.uniform(0.3, 0.95) * np.array([1, 0.76, 0.62]))


def paint_body(sheet: Sheet, scene: Scene) -> None:
    """Neck, shoulders and clothing."""
    rng, view, size = scene.rng("body"), scene.view, sheet.size
    flat = lambda points: view.flat(curve(np.array(points)), size)  # noqa: E731
    lean = 0.12 * np.sin(view.yaw)
    thick = rng.uniform(0.5, 0.72)
    neck = [
        (-thick + lean, 0.4),
        (thick + lean, 0.4),
        (thick, 1.8),
        (thick + 0.5, 2.3),
        (-thick - 0.5, 2.3),
        (-thick, 1.8),
    ]
    sheet.fill(flat(neck), scene.skin * rng.uniform(0.6, 0.9), 1.0, 0.6)
    shade = [(-0.7 + lean, 0.9), (0.7 + lean, 0.9), (0.6, 1.62), (0, 1.75), (-0.6, 1.62)]
    sheet.fill(flat(shade), scene.skin * [0.35, 0.28, 0.26], 0.6, 0.05 * size * view.scale)
    collar, wide = rng.uniform(1.6, 2.1), rng.uniform(1.9, 2.5)
    deep = collar + rng.uniform(0.1, 0.7)
    shirt = [
        (-thick - 0.08, collar),
        (0, deep),
        (thick + 0.08, collar),
        (wide * 0.6, collar + 0.25),
        (wide, collar + 0.7),
        (wide + 0.2, 6),
        (-wide - 0.2, 6),
        (-wide, collar + 0.7),
        (-wide * 0.6, collar + 0.25),
    ]
    look = np.clip(
        cloth_colour(rng)
        * (1 + 0.08 * noise(rng, 10, 14, size) + 0.03 * noise(rng, 70, 70, size))[..., None],
        0,
        1,
    )
    if rng.random() < 0.2:
        look[:, :: max(2, int(rng.integers(4, 12) * size / 192))] *= 0.6
    sheet.fill(flat(shirt), look, 1.0, 0.6)
    if scene.hat == "headscarf":
        wrap = [(-0.9, 1.0), (0.9, 1.0), (1.1, 1.7), (1.5, 2.6), (-1.5, 2.6), (-1.1, 1.7)]
        folds = 1 + 0.14 * noise(rng, 14, 6, size)
        sheet.fill(flat(wrap), np.clip(scarf_colour(scene) * folds[..., None], 0, 1), 1.0, 0.6)


def paint_ears(sheet: Sheet, scene: Scene, front: bool) -> None:
    """The ears as tilted plates; `front` those turned towards the viewer, which are painted last."""
    if scene.hair in ("long", "wavy", "curly") or scene.hat == "headscarf":
        return
    rng = scene.rng("ears")
    big, flare = rng.uniform(0.85, 1.15), rng.uniform(0.1, 0.3)
    for side in (-1, 1):
        if (side * scene.view.yaw < -0.35) != front:  # the ear on the side that comes forward
            continue
        for grow, shade, soft in ((1.0, 0.88, 0.7), (0.6, 0.72, 2.0)):
            t = ellipse(0, 0, 0.17 * big * grow, 0.3 * big * grow, 0.2)
            depth = -0.05 - t[:, 0]
            x = side * (0.97 + flare * (0.17 + t[:, 0]) + 0.03)
            points = np.stack([x, 0.22 + t[:, 1], depth], 1)
            sheet.fill(
                scene.view.project(points, sheet.size),
                scene.skin * [shade, shade * 0.92, shade * 0.9],
                1.0,
                soft,
            )


def paint_glasses(sheet: Sheet, scene: Scene) -> None:
    """Frames before the eyes with temples to the ears; clear, tinted or dark glass."""
    if not scene.glasses:
        return
    rng, unit = scene.rng("glasses"), sheet.size * scene.view.scale
    a, b, square = rng.uniform(0.27, 0.37), rng.uniform(0.17, 0.3), rng.uniform(2, 5)
    frame = np.array(
        rng.choice(
            ((0.05, 0.05, 0.06), (0.3, 0.2, 0.12), (0.6, 0.6, 0.62), (0.7, 0.55, 0.25), (0.5, 0.1, 0.12))
        )
    )
    dark = rng.random() < 0.35
    tint, alpha = (
        (rng.uniform(0.02, 0.25, 3), rng.uniform(0.75, 0.97))
        if dark
        else (np.array([0.9, 0.95, 1]), rng.uniform(0, 0.12))
    )
    width, y = max(1.0, rng.uniform(0.02, 0.07) * unit), rng.uniform(-0.02, 0.08)
    project = lambda points: scene.view.project(points, sheet.size)  # noqa: E731
    for side in (-1, 1):
        t = np.linspace(0, 2 * np.pi, 29)
        c, s = np.cos(t), np.sin(t)
        x = side * 0.42 + a * np.sign(c) * np.abs(c) ** (2 / square)
        ring = np.stack([x, y + b * np.sign(s) * np.abs(s) ** (2 / square), 1.28 - 0.25 * x**2], 1)
        sheet.fill(project(ring), tint, alpha, 0.3, hide=bool(dark))
        if rng.random() < 0.5:
            glint = ellipse(side * 0.42 - 0.08, y - 0.05, 0.12, 0.03, -0.6)
            sheet.fill(
                project(np.column_stack([glint, np.full(len(glint), 1.28)])),
                (1, 1, 1),
                rng.uniform(0.1, 0.6),
                1.0,
            )
        sheet.line(project(ring), frame, width, 0.95, hide=True)
        if side * scene.view.yaw < 0.35:
            arm = np.array([((0.42 + a) * side, y - 0.05, 1.1), (1.05 * side, y - 0.02, 0.1)])
            sheet.line(project(arm), frame, width, 0.9, hide=True)
    bridge = np.array([(-0.42 + a, y - 0.03, 1.27), (0, y - 0.06, 1.3), (0.42 - a, y - 0.03, 1.27)])
    sheet.line(project(bridge), frame, width, 0.95, hide=True)


def paint_brim(sheet: Sheet, scene: Scene) -> None:
    """The peak of a cap or the brim of a wide hat."""
    if scene.hat not in ("cap", "brim"):
        return
    edge = scene.rng("hat").uniform(-0.75, -0.45)  # the crown's own first draw
    rng = scene.rng("brim")
    reach = rng.uniform(0.5, 0.8)
    around = np.linspace(-1.3, 1.3, 15) if scene.hat == "cap" else np.linspace(-np.pi, np.pi, 31)
    outer = np.stack(
        [(1.05 + reach * 0.5) * np.sin(around), edge + 0.18 + 0 * around, (1.2 + reach) * np.cos(around)], 1
    )
    inner = np.stack([1.1 * np.sin(around), edge - 0.05 + 0 * around, 1.28 * np.cos(around)], 1)[::-1]
    colour = cloth_colour(rng)
    px = scene.view.project(np.vstack([outer, inner]), sheet.size)
    sheet.fill(np.add(px, (0, 0.03 * sheet.size)), (0.02, 0.02, 0.02), 0.4, 0.02 * sheet.size)
    sheet.fill(px, colour, 1.0, 0.5, hide=True)


def paint_occluder(sheet: Sheet, scene: Scene) -> None:
    """A hand, a scarf or a cup before the mouth of a bare face."""
    if scene.occluder:
        {"hand": _hand, "scarf": _scarf, "cup": _cup}[scene.occluder](sheet, scene)


def _mouth(scene: Scene) -> np.ndarray:
    """Where the mouth is, in camera coordinates."""
    return (scene.view.rotation() @ np.array([0, 0.92, 1.25]))[:2]


def _hand(sheet: Sheet, scene: Scene) -> None:
    """A palm with four fingers and a thumb laid over the mouth."""
    rng, unit, size = scene.rng("hand"), sheet.size * scene.view.scale, sheet.size
    side, turn = rng.choice((-1, 1)), rng.uniform(-1.5, 0.4)
    skin = np.clip(scene.skin * rng.uniform(0.85, 1.1), 0, 1)
    c, s = np.cos(turn), np.sin(turn)
    matrix = np.array([[c, s], [-s, c]]) * rng.uniform(0.9, 1.15)
    place = lambda points: scene.view.flat((np.asarray(points) @ matrix) * [side, 1] + _mouth(scene), size)  # noqa: E731
    palm = [(-0.42, 0.1), (0.42, 0.05), (0.45, 0.8), (0.35, 2.6), (-0.35, 2.6), (-0.45, 0.8)]
    sheet.fill(place(curve(np.array(palm))) + 0.03 * size, (0, 0, 0), 0.3, 0.03 * size)
    sheet.fill(place(curve(np.array(palm))), skin * 0.95, 1.0, 0.6, hide=True)
    thumb = [(0.35, 0.7), (0.62, 0.25), (0.66, -0.05)]
    fingers = [
        [(x, 0.25), (x * 1.1, -0.2), (x * 1.15 + rng.normal(0, 0.03), -length)]
        for x, length in zip((-0.33, -0.11, 0.11, 0.33), (0.45, 0.62, 0.66, 0.55), strict=True)
    ]
    for finger in [thumb, *fingers]:
        px = place(curve(np.array(finger), False))
        sheet.line(px, skin * [0.45, 0.36, 0.34], 0.25 * unit, 0.9, 0.8, hide=True)
        sheet.line(px, skin, 0.2 * unit, 1.0, 0.8, hide=True)
        sheet.line(px - [0.03 * unit, 0], np.minimum(1, skin * 1.12), 0.07 * unit, 0.5, 0.04 * unit)
        sheet.fill(
            ellipse(*px[-1], 0.06 * unit, 0.08 * unit),
            np.minimum(1, skin * [1.1, 0.95, 0.95] + 0.05),
            0.6,
            0.8,
        )


def _scarf(sheet: Sheet, scene: Scene) -> None:
    """A thick scarf pulled up over the mouth and wound around the neck."""
    rng, size, x = scene.rng("scarf"), sheet.size, _mouth(scene)[0]
    top = rng.uniform(0.55, 0.8)
    upper = [(-1.25, top - 0.1), (-0.7, top), (x * 0.7, top + 0.08), (0.7, top), (1.25, top - 0.1)]
    wrap = [*upper, (1.5, 1.5), (1.4, 2.3), (0, 2.5), (-1.4, 2.3), (-1.5, 1.5)]
    rows = noise(rng, 12, 3, size) + 0.4 * noise(rng, 70, 50, size)
    bend = scene.rng("scarf colour")
    look = np.clip(cloth_colour(bend) * (1 + 0.22 * rows[..., None]), 0, 1)
    if bend.random() < 0.4:
        row, column = (plane / size for plane in grid(size))
        stripes = (np.sin(60 * bend.uniform(0.4, 1.2) * (row + 0.3 * column)) > 0)[..., None]
        look = np.where(stripes, look, np.clip(cloth_colour(bend) * (1 + 0.2 * rows[..., None]), 0, 1))
    px = scene.view.flat(curve(np.array(wrap)), size)
    sheet.fill(px - [0, 0.02 * size], (0, 0, 0), 0.3, 0.02 * size)
    sheet.fill(px, look.astype(np.float32), 1.0, 0.8, hide=True)


def _cup(sheet: Sheet, scene: Scene) -> None:
    """A cup lifted to the lips, with the fingers that hold it."""
    rng, size, unit = scene.rng("cup"), sheet.size, sheet.size * scene.view.scale
    x, y = _mouth(scene)
    top, base, tall = rng.uniform(0.35, 0.5), rng.uniform(0.25, 0.38), rng.uniform(0.8, 1.1)
    tilt, turn = rng.normal(0, 0.15), y + rng.uniform(-0.15, 0.05)
    colour = cloth_colour(rng)
    side = [(-top, 0), (top, 0), (base + tilt, tall), (-base + tilt, tall)]
    place = lambda points: scene.view.flat(np.add(points, (x, turn)), size)  # noqa: E731
    sheet.fill(place(side), colour, 1.0, 0.6, hide=True)
    for left, shade in ((-top, 0.6), (top - 0.22, 0.75)):
        strip = [(left, 0), (left + 0.22, 0), (left * 0.75 + 0.22 + tilt, tall), (left * 0.75 + tilt, tall)]
        sheet.fill(place(strip), colour * shade, 0.6, 0.06 * unit)
    sheet.fill(place(ellipse(0, 0, top, 0.1)), np.clip(colour * 1.15, 0, 1), 1.0, 0.5, hide=True)
    sheet.fill(place(ellipse(0, 0.015, top * 0.9, 0.07)), colour * 0.4, 1.0, 0.5)
    skin = np.clip(scene.skin, 0, 1)
    for k in range(4):
        finger = [
            (top + 0.15, 0.28 + 0.16 * k),
            (0.1, 0.22 + 0.16 * k),
            (-0.1 + rng.normal(0, 0.05), 0.24 + 0.16 * k),
        ]
        px = place(curve(np.array(finger), False))
        sheet.line(px, skin * [0.5, 0.4, 0.38], 0.19 * unit, 0.9, 0.8, hide=True)
        sheet.line(px, skin * 0.95, 0.15 * unit, 1.0, 0.8, hide=True)
