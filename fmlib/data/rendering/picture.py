"""From a scene to pixels: paint the head, turn it, and put everything around it in order of depth."""

from typing import NamedTuple

import cv2
import numpy as np

from fmlib.data.rendering import camera, surround
from fmlib.data.rendering.face import paint_face
from fmlib.data.rendering.hair import paint_behind, paint_locks, paint_scalp
from fmlib.data.rendering.hats import paint_brim, paint_hat, paint_wrap
from fmlib.data.rendering.head import angles, heights, seen, texture_maps
from fmlib.data.rendering.masks import paint_mask
from fmlib.data.rendering.occluders import paint_occluder
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import Sheet
from fmlib.data.rendering.skin import Skin
from fmlib.data.rendering.worn import paint_ears, paint_glasses

SUPER = 1.5  # the canvas has this many times the stored picture's pixels on a side
TEXTURE = 1.3  # and the unwrapped head so many times the canvas's
GRID = 80  # pixels on a side for which the visible surface point is computed
BRIDGE, CHEEK = 0.12, 1.05  # where the lower face begins (y) and ends to the sides (angle)


class Exposure(NamedTuple):
    """A photograph, uint8 H W 3, and where mask and lower face are in it, bool H W."""

    image: np.ndarray
    mask_region: np.ndarray
    lower_face: np.ndarray


def photograph(scene: Scene, side: int) -> Exposure:
    """Draw the scene and photograph it at side x side pixels."""
    canvas = Sheet(round(SUPER * side))
    surround.paint_background(canvas, scene)
    paint_behind(canvas, scene)
    surround.paint_body(canvas, scene)
    paint_wrap(canvas, scene)
    paint_ears(canvas, scene, front=False)
    camera.light_body(canvas, scene)
    lower = _place_head(canvas, scene)
    paint_ears(canvas, scene, front=True)
    paint_locks(canvas, scene)
    paint_glasses(canvas, scene)
    paint_brim(canvas, scene)
    paint_occluder(canvas, scene)
    return Exposure(camera.shoot(canvas.rgb, scene, side), _region(canvas.region, side), _region(lower, side))


def _region(cover: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(cover, (side, side), interpolation=cv2.INTER_AREA) > 0.5


def _place_head(canvas: Sheet, scene: Scene) -> np.ndarray:
    """Paint, light and turn the head onto the canvas; returns the lower face's coverage."""
    skin = Skin(scene.head, round(TEXTURE * canvas.size))
    paint_face(skin, scene)
    paint_mask(skin, scene)
    paint_scalp(skin, scene)
    paint_hat(skin, scene)
    camera.light_head(skin, scene)
    angle, y, inside = seen(
        scene.head, skin.relief, scene.view, GRID, hem=0.12 if scene.hat == "headscarf" else 0.03
    )
    maps = texture_maps(angle, y, canvas.size, skin.size)
    margin = cv2.resize(
        np.clip(inside, -0.1, 0.1), (canvas.size, canvas.size), interpolation=cv2.INTER_LINEAR
    )
    alpha = np.clip(0.5 + margin * scene.view.scale * canvas.size, 0, 1)
    shown = cv2.remap(skin.rgb, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    canvas.rgb += alpha[..., None] * (shown - canvas.rgb)
    canvas.region = alpha * cv2.remap(skin.region, *maps, cv2.INTER_LINEAR)
    return alpha * cv2.remap(_lower_face(skin), *maps, cv2.INTER_LINEAR)


def _lower_face(skin: Skin) -> np.ndarray:
    """Texture coverage of the face from the bridge of the nose to the chin."""
    rows, columns = heights(skin.size), np.abs(angles(skin.size))
    below = (rows[:, None] > BRIDGE) & (rows[:, None] < skin.head.jaw(columns))
    return (below & (columns < CHEEK)).astype(np.float32)
