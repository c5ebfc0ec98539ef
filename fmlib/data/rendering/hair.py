"""Hair and headwear: what lies on the skull's texture, what hangs behind it and what falls before it."""

import cv2
import numpy as np

from fmlib.data.rendering.face import Skin
from fmlib.data.rendering.head import RELIEF
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import Sheet, curve, grid, noise

LONG = ("long", "wavy")


def strands(
    rng: np.random.Generator, colour: np.ndarray, size: int, curl: float, along: int = 5
) -> np.ndarray:
    """A size x size picture of hair falling downwards: fine streaks, bent by `curl`."""
    streaks = 0.55 * noise(rng, along, 110, size) + 0.45 * noise(rng, along, 40, size)
    if curl:
        bend = (curl * size * noise(rng, 9, 5, size)).astype(np.float32)
        row, column = grid(size)
        streaks = cv2.remap(streaks, column + bend, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    shine = np.clip(1 + 0.28 * streaks, 0.4, 2.2)[..., None]
    return np.clip(colour * shine + 0.03 * (shine - 1), 0, 1).astype(np.float32)


def paint_scalp(skin: Skin, scene: Scene) -> None:
    """Hair on the skull, from the hairline up, and whatever is worn on it."""
    rng = scene.rng("scalp")
    if scene.hair != "bald":
        _scalp(skin, scene, rng)
    if scene.hat in ("beanie", "cap", "brim"):
        _crown(skin, scene)
    elif scene.hat == "headscarf":
        _headscarf(skin, scene)


def _scalp(skin: Skin, scene: Scene, rng: np.random.Generator) -> None:
    line = rng.uniform(-0.98, -0.68) if scene.hair != "fringe" else rng.uniform(-0.45, -0.2)
    side = rng.uniform(0.15, 0.55) if scene.hair not in LONG else 0.9
    temple = rng.uniform(0.95, 1.15)
    half = np.array(
        [
            (0.0, line),
            (0.35, line + 0.02),
            (0.7, line + 0.12),
            (temple, -0.35),
            (temple + 0.1, -0.05),
            (1.3, side),
            (1.5, side),
            (1.62, 0.05),
            (1.8, 0.4),
            (2.5, 1.1),
        ]
    )
    half[:4, 1] += rng.normal(0, 0.05, 4)
    mirrored = half[::-1] * [-1, 1] + np.stack([np.zeros(10), rng.normal(0, 0.04, 10)], 1)
    outline = np.vstack([mirrored, half, [(2.5, -1.8), (-2.5, -1.8)]])
    if scene.hair in ("fringe", "short", "curly"):
        outline = _jagged(outline, rng, 0.05 if scene.hair == "short" else 0.09)
    soft = 0.02 if scene.hair != "buzz" else 0.05
    cover, window = skin.coverage(skin.head.texture(*outline.T, skin.size), soft * skin.unit)
    look = (
        _curls(rng, scene, skin.size)
        if scene.hair == "curly"
        else strands(rng, scene.hair_colour, skin.size, 0.03)
    )
    alpha = rng.uniform(0.6, 0.9) if scene.hair == "buzz" else 1.0
    skin.blend(cover * alpha, window, look, hide=True)
    thick = {"buzz": 0.01, "curly": rng.uniform(0.15, 0.4), "tied": 0.05}.get(
        scene.hair, rng.uniform(0.06, 0.2)
    )
    _raise(skin, cover, window, thick * (1 + 0.15 * noise(rng, 9, 13, RELIEF)))


def _jagged(outline: np.ndarray, rng: np.random.Generator, depth: float) -> np.ndarray:
    """Let the hairline fall into uneven tips."""
    low, high = outline[:-2], outline[-2:]
    place = np.linspace(0, len(low) - 1, 70)
    fine = np.stack([np.interp(place, np.arange(len(low)), low[:, k]) for k in (0, 1)], 1)
    fine[:, 1] += depth * rng.standard_normal(70)
    return np.vstack([fine, high])


def _curls(rng: np.random.Generator, scene: Scene, size: int) -> np.ndarray:
    lumps = noise(rng, 60, 80, size) + 0.5 * noise(rng, 30, 40, size)
    return np.clip(scene.hair_colour * (1 + 0.3 * lumps[..., None]), 0, 1).astype(np.float32)


def _raise(skin: Skin, cover: np.ndarray, window, lift) -> None:
    full = np.zeros((skin.size, skin.size), np.float32)
    full[window] = cover
    full = cv2.GaussianBlur(cv2.resize(full, (RELIEF, RELIEF), interpolation=cv2.INTER_AREA), (0, 0), 2.2)
    skin.relief = (skin.relief * (1 - full) + full * (0.6 * np.maximum(skin.relief, 0) + lift)).astype(
        np.float32
    )


def _crown(skin: Skin, scene: Scene) -> None:
    """A cap, a knitted beanie or the crown of a wide hat."""
    rng = scene.rng("hat")
    edge = rng.uniform(-0.75, -0.45)
    drop = rng.uniform(0.0, 0.25) if scene.hat == "beanie" else 0.05
    angle = np.linspace(-2.5, 2.5, 21)
    lower = np.stack([angle, edge + drop * np.abs(np.sin(angle / 1.6))], 1)
    outline = np.vstack([lower, [(2.5, -1.8), (-2.5, -1.8)]])
    colour, size = _cloth_colour(rng), skin.size
    knit = 1 + (0.12 if scene.hat == "beanie" else 0.03) * np.sign(np.sin(np.linspace(0, 150, size)))[None, :]
    cloth = colour * (knit + 0.05 * noise(rng, 20, 20, size))[..., None]
    cover, window = skin.coverage(skin.head.texture(*outline.T, size), 0.4)
    skin.blend(cover, window, np.clip(cloth, 0, 1), hide=True)
    _raise(skin, cover, window, rng.uniform(0.1, 0.2))
    band = skin.head.texture(*(lower - [0, 0.12]).T, size)
    skin.line(band, colour * rng.uniform(0.4, 1.2), 0.03 * skin.unit, 0.8, 0.5)


def _headscarf(skin: Skin, scene: Scene) -> None:
    """Cloth around the whole face, its opening an oval."""
    rng = scene.rng("hat")
    top, side = rng.uniform(-0.85, -0.55), rng.uniform(0.95, 1.15)
    turn = np.linspace(0, 2 * np.pi, 40)
    opening = np.stack([side * np.sin(turn), 0.35 - (0.35 - top) * np.cos(turn)], 1)
    opening[:, 1] = np.where(
        opening[:, 1] > 0.35, 0.35 + (opening[:, 1] - 0.35) * 1.3 / (0.35 - top), opening[:, 1]
    )
    frame = [(0, -1.8), (2.5, -1.8), (2.5, 1.6), (-2.5, 1.6), (-2.5, -1.8), (0, -1.8)]
    outline = np.vstack([opening, frame])
    cover, window = skin.coverage(skin.head.texture(*outline.T, skin.size), 0.5)
    folds = 1 + 0.1 * noise(rng, 7, 24, skin.size)
    skin.blend(cover, window, np.clip(_scarf_colour(scene) * folds[..., None], 0, 1), hide=True)
    _raise(skin, cover, window, 0.07 + 0.03 * noise(rng, 5, 18, RELIEF))


def _scarf_colour(scene: Scene) -> np.ndarray:
    return _cloth_colour(scene.rng("headscarf colour"))


def _cloth_colour(rng: np.random.Generator) -> np.ndarray:
    """Muted, dark, light or strong."""
    grey, strong = rng.uniform(0.05, 0.9), rng.uniform(0.05, 0.95, 3)
    return (grey + (strong - grey) * rng.choice((0.15, 0.5, 1.0))).astype(np.float32)


def paint_behind(sheet: Sheet, scene: Scene) -> None:
    """Hair or scarf that hangs behind head and neck."""
    rng, view = scene.rng("behind"), scene.view
    shift = 0.25 * np.sin(view.yaw)
    wide = rng.uniform(1.05, 1.4)
    if scene.hat == "headscarf":
        half = [(0.6, -1.4), (1.1, -0.6), (1.15, 0.5), (1.2, 1.3), (1.6, 2.4), (1.6, 3.5)]
        colour, grain = _scarf_colour(scene), 1 + 0.1 * noise(rng, 6, 20, sheet.size)
        look = np.clip(colour * 0.75 * grain[..., None], 0, 1)
    elif scene.hair in LONG:
        half = [
            (0.5, -1.45),
            (0.95, -0.8),
            (wide, 0.2),
            (wide * 1.05, 1.2),
            (wide, rng.uniform(1.6, 3.2)),
            (0.5, 3.0),
        ]
        look = strands(rng, scene.hair_colour * 0.65, sheet.size, 0.05 if scene.hair == "wavy" else 0.015)
    elif scene.hair == "curly":
        half = [(0.7, -1.6), (wide * 1.1, -0.9), (wide * 1.15, -0.1), (wide, 0.6), (0.8, 1.0)]
        look = _curls(rng, scene, sheet.size) * 0.75
    else:
        return
    outline = np.array([*half, *[(-x, y) for x, y in half[::-1]]]) - (shift, 0)
    sheet.fill(view.flat(curve(outline), sheet.size), look, 1.0, 0.8)


def paint_locks(sheet: Sheet, scene: Scene) -> None:
    """Long hair that falls beside the face and over the cheeks' edges."""
    if scene.hair not in LONG or scene.hat == "headscarf":
        return
    rng, size = scene.rng("locks"), sheet.size
    look = strands(rng, scene.hair_colour, size, 0.06 if scene.hair == "wavy" else 0.012)
    top = -0.5 if scene.hat else rng.uniform(-1.25, -1.0)
    parting, length = rng.uniform(-0.4, 0.4), rng.uniform(1.3, 2.8)
    for side in (-1, 1):
        cheek = rng.uniform(0.72, 0.98)
        inner = [
            (parting * (top < -0.9), top, 0.9),
            (0.62 * side, -0.62, 0.85),
            (cheek * side, 0.0, 0.5),
            ((cheek + 0.06) * side, 0.7, 0.45),
            (rng.uniform(0.6, 1.0) * side, 1.4, 0.4),
        ]
        outer = [
            (rng.uniform(0.7, 1.2) * side, length, 0.3),
            (1.3 * side, 1.3, 0.1),
            (1.22 * side, 0.4, 0),
            (1.1 * side, -0.5, 0),
            (0.75 * side, -1.2, 0.1),
        ]
        points = np.array([*inner, *outer]) @ scene.view.rotation().T
        px = scene.view.flat(curve(points[:, :2]), size)
        sheet.fill(np.add(px, (0, 0.02 * size)), (0.03, 0.02, 0.02), 0.25, 0.02 * size)
        sheet.fill(px, look, 1.0, 0.9, hide=True)
