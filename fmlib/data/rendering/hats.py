"""Headwear: beanies, caps, wide hats and headscarves."""

import numpy as np

from fmlib.data.rendering.fabrics import cloth_colour
from fmlib.data.rendering.head import BOTTOM, RELIEF, TOP, TURN
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import Sheet, curve, mirrored, noise
from fmlib.data.rendering.skin import Skin


def paint_hat(skin: Skin, scene: Scene) -> None:
    """What of the scene's headwear lies on the head."""
    if scene.hat == "headscarf":
        _headscarf(skin, scene)
    elif scene.hat:
        _crown(skin, scene)


def _edge(scene: Scene) -> float:
    """Height y of a hat's lower edge above the eyes."""
    return scene.rng("hat edge").uniform(-0.75, -0.45)


def _crown(skin: Skin, scene: Scene) -> None:
    """A cap, a knitted beanie or the crown of a wide hat."""
    rng, size, knitted = scene.rng("hat"), skin.size, scene.hat == "beanie"
    angle = np.linspace(-TURN, TURN, 21)
    drop = rng.uniform(0.0, 0.25) if knitted else 0.05
    lower = np.stack([angle, _edge(scene) + drop * np.abs(np.sin(angle / 1.6))], 1)
    outline = np.vstack([lower, [(TURN, TOP), (-TURN, TOP)]])
    ribs = 1 + (0.12 if knitted else 0.03) * np.sign(np.sin(np.linspace(0, 120, size)))[None, :]
    colour = cloth_colour(rng)
    cloth = np.clip(colour * (ribs + 0.05 * noise(rng, 20, 20, size))[..., None], 0, 1)
    cover, window = skin.coverage(skin.head.texture(*outline.T, size), 0.4)
    skin.blend(cover, window, cloth, hide=True)
    skin.lift(cover, window, rng.uniform(0.1, 0.2))
    band = skin.head.texture(*(lower - (0, 0.12)).T, size)
    skin.line(band, colour * rng.uniform(0.4, 1.2), 0.03 * skin.unit, 0.8, 0.5)


def _headscarf(skin: Skin, scene: Scene) -> None:
    """Cloth around the whole face, its opening an oval."""
    rng = scene.rng("hat")
    top, side, middle = rng.uniform(-0.85, -0.55), rng.uniform(0.95, 1.15), 0.35
    turn = np.linspace(0, 2 * np.pi, 40)
    down = -np.cos(turn)
    opening = np.stack([side * np.sin(turn), middle + down * np.where(down < 0, middle - top, 1.3)], 1)
    frame = [(0, TOP), (TURN, TOP), (TURN, BOTTOM), (-TURN, BOTTOM), (-TURN, TOP), (0, TOP)]
    px = skin.head.texture(*np.vstack([opening, frame]).T, skin.size)
    cover, window = skin.coverage(px, 0.5)
    skin.blend(cover, window, scarf(scene, rng, 0.1, skin.size), hide=True)
    skin.lift(cover, window, 0.07 + 0.03 * noise(rng, 5, 18, RELIEF))


def scarf(scene: Scene, rng: np.random.Generator, depth: float, size: int) -> np.ndarray:
    """The headscarf's cloth with folds, as a size x size picture."""
    folds = 1 + depth * noise(rng, 7, 20, size)
    return np.clip(cloth_colour(scene.rng("headscarf colour")) * folds[..., None], 0, 1)


def paint_wrap(sheet: Sheet, scene: Scene) -> None:
    """The headscarf's end, wound around the neck."""
    if scene.hat == "headscarf":
        half = [(0, 0.95), (0.9, 1.0), (1.1, 1.7), (1.5, 2.6)]
        px = scene.view.flat(curve(mirrored(half)), sheet.size)
        sheet.fill(px, scarf(scene, scene.rng("wrap"), 0.14, sheet.size), 1.0, 0.6)


def paint_brim(sheet: Sheet, scene: Scene) -> None:
    """The peak of a cap or the brim of a wide hat."""
    if scene.hat not in ("cap", "brim"):
        return
    rng, edge = scene.rng("brim"), _edge(scene)
    reach = rng.uniform(0.5, 0.8)
    angle = np.linspace(-1.3, 1.3, 15) if scene.hat == "cap" else np.linspace(-np.pi, np.pi, 31)
    sine, cosine, flat = np.sin(angle), np.cos(angle), np.ones(len(angle))
    outer = np.stack([(1.05 + reach * 0.5) * sine, (edge + 0.18) * flat, (1.2 + reach) * cosine], 1)
    inner = np.stack([1.1 * sine, (edge - 0.05) * flat, 1.28 * cosine], 1)[::-1]
    px = scene.view.project(np.vstack([outer, inner]), sheet.size)
    sheet.fill(np.add(px, (0, 0.03 * sheet.size)), (0.02, 0.02, 0.02), 0.4, 0.02 * sheet.size)
    sheet.fill(px, cloth_colour(rng), 1.0, 0.5, hide=True)
