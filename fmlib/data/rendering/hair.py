"""Hair: what lies on the skull's texture, what hangs behind it and what falls before it."""

import cv2
import numpy as np

from fmlib.data.rendering.hats import scarf
from fmlib.data.rendering.head import RELIEF, TOP, TURN
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import Sheet, curve, grid, mirrored, noise
from fmlib.data.rendering.skin import Skin

LONG = ("long", "wavy")


def strands(rng: np.random.Generator, colour: np.ndarray, size: int, curl: float) -> np.ndarray:
    """A size x size picture of hair falling downwards: fine streaks, bent by `curl`."""
    streaks = 0.55 * noise(rng, 5, 110, size) + 0.45 * noise(rng, 5, 40, size)
    bend = curl * size * noise(rng, 9, 5, size)
    row, column = grid(size)
    streaks = cv2.remap(streaks, column + bend, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    shine = np.clip(1 + 0.28 * streaks, 0.4, 2.2)[..., None]
    return np.minimum(1, colour * shine + 0.03 * (shine - 1)).astype(np.float32)


def curls(rng: np.random.Generator, colour: np.ndarray, size: int) -> np.ndarray:
    """A size x size picture of curly hair."""
    lumps = noise(rng, 60, 80, size) + 0.5 * noise(rng, 30, 40, size)
    return np.clip(colour * (1 + 0.3 * lumps[..., None]), 0, 1)


def _look(scene: Scene, rng: np.random.Generator, size: int, dim: float, curl: float) -> np.ndarray:
    """The scene's hair as a picture, `dim` times its brightness."""
    if scene.hair == "curly":
        return curls(rng, scene.hair_colour * dim, size)
    return strands(rng, scene.hair_colour * np.float32(dim), size, curl)


def paint_scalp(skin: Skin, scene: Scene) -> None:
    """Hair on the skull, from the hairline up."""
    if scene.hair == "bald":
        return
    rng, buzz = scene.rng("scalp"), scene.hair == "buzz"
    px = skin.head.texture(*_hairline(scene, rng).T, skin.size)
    cover, window = skin.coverage(px, (0.05 if buzz else 0.02) * skin.unit)
    alpha = rng.uniform(0.6, 0.9) if buzz else 1.0
    skin.blend(cover * alpha, window, _look(scene, rng, skin.size, 1, 0.03), hide=True)
    thick = {"buzz": 0.01, "curly": rng.uniform(0.15, 0.4), "tied": 0.05}
    lift = thick.get(scene.hair, rng.uniform(0.06, 0.2))
    skin.lift(cover, window, lift * (1 + 0.15 * noise(rng, 9, 13, RELIEF)))


def _hairline(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Outline in (angle, y) of what is covered with hair: above forehead and temples, before and behind the ears."""
    line = rng.uniform(-0.45, -0.2) if scene.hair == "fringe" else rng.uniform(-0.98, -0.68)
    side = 0.9 if scene.hair in LONG else rng.uniform(0.15, 0.55)  # how far down the sideburns go
    temple = rng.uniform(0.95, 1.15)
    half = [(0.0, line), (0.35, line + 0.02), (0.7, line + 0.12), (temple, -0.35), (temple + 0.1, -0.05)]
    right = np.array([*half, (1.3, side), (1.5, side), (1.62, 0.05), (1.8, 0.4), (TURN, 0.7)])
    right[:4, 1] += rng.normal(0, 0.05, 4)
    left = right[::-1] * (-1, 1)
    left[:, 1] += rng.normal(0, 0.04, len(left))
    lower = np.vstack([left, right])
    if scene.hair in ("fringe", "short", "curly"):
        lower = _jagged(lower, rng, 0.05 if scene.hair == "short" else 0.09)
    return np.vstack([lower, [(TURN, TOP), (-TURN, TOP)]])


def _jagged(line: np.ndarray, rng: np.random.Generator, depth: float) -> np.ndarray:
    """Let a hairline fall into uneven tips."""
    at, corner = np.linspace(0, len(line) - 1, 70), np.arange(len(line))
    fine = np.stack([np.interp(at, corner, line[:, k]) for k in (0, 1)], 1)
    fine[:, 1] += depth * rng.standard_normal(70)
    return fine


def paint_behind(sheet: Sheet, scene: Scene) -> None:
    """Hair or scarf that hangs behind head and neck."""
    rng, size = scene.rng("behind"), sheet.size
    wide = rng.uniform(1.05, 1.4)
    if scene.hat == "headscarf":
        half = [(0.6, -1.4), (1.1, -0.6), (1.15, 0.5), (1.2, 1.3), (1.6, 2.4), (1.6, 3.5)]
        look = scarf(scene, rng, 0.1, size) * np.float32(0.75)
    elif scene.hair in LONG:
        half = [
            (0.5, -1.45),
            (0.95, -0.8),
            (wide, 0.2),
            (wide * 1.05, 1.2),
            (wide, rng.uniform(1.6, 3.2)),
            (0.5, 3),
        ]
        look = _look(scene, rng, size, 0.65, 0.05 if scene.hair == "wavy" else 0.015)
    elif scene.hair == "curly":
        half = [(0.7, -1.6), (wide * 1.1, -0.9), (wide * 1.15, -0.1), (wide, 0.6), (0.8, 1.0)]
        look = _look(scene, rng, size, 0.75, 0)
    else:
        return
    outline = curve(mirrored(half)) - (0.25 * np.sin(scene.view.yaw), 0)
    sheet.fill(scene.view.flat(outline, size), look, 1.0, 0.8)


def paint_locks(sheet: Sheet, scene: Scene) -> None:
    """Long hair that falls beside the face and over the cheeks' edges."""
    if scene.hair not in LONG or scene.hat == "headscarf":
        return
    rng, size = scene.rng("locks"), sheet.size
    look = _look(scene, rng, size, 1, 0.06 if scene.hair == "wavy" else 0.012)
    top = -0.5 if scene.hat else rng.uniform(-1.25, -1.0)
    parting = 0.0 if scene.hat else rng.uniform(-0.4, 0.4)
    for side in (-1, 1):
        points = _lock(rng, parting * side, top) * (side, 1, 1) @ scene.view.rotation().T
        px = scene.view.flat(curve(points[:, :2]), size)
        sheet.fill(np.add(px, (0, 0.02 * size)), (0.03, 0.02, 0.02), 0.25, 0.02 * size)
        sheet.fill(px, look, 1.0, 0.9, hide=True)


def _lock(rng: np.random.Generator, parting: float, top: float) -> np.ndarray:
    """Outline in space, 10 3, of the hair on the right: down along the cheek and up again further out."""
    cheek, length = rng.uniform(0.72, 0.98), rng.uniform(1.3, 2.8)
    inner = [(parting, top, 0.9), (0.62, -0.62, 0.85), (cheek, 0, 0.5), (cheek + 0.06, 0.7, 0.45)]
    ends = [(rng.uniform(0.6, 1.0), 1.4, 0.4), (rng.uniform(0.7, 1.2), length, 0.3)]
    outer = [(1.3, 1.3, 0.1), (1.22, 0.4, 0), (1.1, -0.5, 0), (0.75, -1.2, 0.1)]
    return np.array([*inner, *ends, *outer])
