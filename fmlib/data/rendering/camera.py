"""Light on the head and everything between the scene and the stored picture."""

import io

import cv2
import numpy as np
from PIL import Image

from fmlib.data.rendering.head import RELIEF, normals
from fmlib.data.rendering.scene import Scene
from fmlib.data.rendering.sheet import Sheet
from fmlib.data.rendering.skin import Skin


def light_head(skin: Skin, scene: Scene) -> None:
    """Shade the texture: light from a side with the shadows it throws, fill light, hollows and gloss."""
    rng, normal = scene.rng("light"), normals(skin.head, skin.relief)
    azimuth, height = np.clip(rng.normal(0, 0.7), -1.4, 1.4), rng.uniform(-0.1, 1.1)
    fill = rng.uniform(0.25, 0.85)
    toward = np.array([np.sin(azimuth) * np.cos(height), -np.sin(height), np.cos(azimuth) * np.cos(height)])
    toward = (scene.view.rotation().T @ toward).astype(np.float32)
    facing = np.clip(cv2.transform(normal, toward[None]), 0, 1)
    lit = facing * _shadow(skin.relief, toward, rng.uniform(0.3, 1))
    hollow = np.clip(1 + 2.5 * (skin.relief - cv2.blur(cv2.blur(skin.relief, (9, 9)), (9, 9))), 0.6, 1.15)
    key_colour = 1 + rng.normal(0, 0.05) * np.array([1, 0.2, -1])
    shade = (fill * hollow)[..., None] + (1.15 - 0.75 * fill) * lit[..., None] * key_colour
    half = toward + scene.view.rotation()[2]
    half = (half / np.linalg.norm(half)).astype(np.float32)
    mirrored = np.clip(cv2.transform(normal, half[None]), 0, 1)
    gloss = cv2.pow(mirrored, 24) * rng.uniform(0, 0.3)
    skin.rgb *= _grown(shade, skin.size)
    skin.rgb += _grown(gloss * lit, skin.size)[..., None] * (0.4 + 0.6 * skin.rgb)


def _grown(plane: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(plane.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)


def _shadow(relief: np.ndarray, toward: np.ndarray, depth: float) -> np.ndarray:
    """1 where light from `toward` arrives, down to 1 - depth where higher relief stands in its way."""
    blocked = np.zeros_like(relief)
    for step in (2.4, 4.8, 8, 12):
        move = np.float32([[1, 0, -toward[0] * step * 1.2], [0, 1, -toward[1] * step * 1.2]])
        higher = cv2.warpAffine(relief, move, (RELIEF, RELIEF), borderMode=cv2.BORDER_REPLICATE)
        blocked = np.maximum(blocked, higher - relief - step * 0.015 * max(0.3, toward[2]))
    return 1 - depth * cv2.GaussianBlur(np.clip(blocked * 25, 0, 1), (0, 0), 1.2)


def light_body(sheet: Sheet, scene: Scene) -> None:
    """The same light's fall-off across what is not the head, as a plain gradient."""
    rng = scene.rng("light")
    azimuth = np.clip(rng.normal(0, 0.7), -1.4, 1.4)
    x = scene.view.grid(sheet.size)[0]
    sheet.rgb *= (0.9 + 0.25 * np.clip(x * np.sin(azimuth), -1.2, 1.2))[..., None]


def expose(rgb: np.ndarray, scene: Scene) -> np.ndarray:
    """Exposure, contrast, white balance, saturation and a veil of stray light; all drawn per picture."""
    rng = scene.rng("exposure")
    gain, contrast = np.exp(rng.normal(0.05, 0.22)), np.exp(rng.normal(0, 0.15))
    balance = np.exp(rng.normal(0, 0.06, 3) + rng.normal(0, 0.07) * np.array([1, 0, -1]))
    rgb = 0.45 + (rgb * (gain * balance).astype(np.float32) - 0.45) * np.float32(contrast)
    grey = rgb.mean(-1, keepdims=True)
    saturation = 0.0 if rng.random() < 0.02 else np.clip(rng.normal(1.08, 0.22), 0.3, 1.7)
    veil = 0.25 * rng.random() ** 3
    return np.clip((grey + (rgb - grey) * np.float32(saturation)) * (1 - veil) + veil * rng.random(), 0, 1)


def shoot(rgb: np.ndarray, scene: Scene, side: int) -> np.ndarray:
    """Bring a lit picture to side x side pixels: lens blur, few pixels, noise, then JPEG; uint8."""
    rng, noisy = scene.rng("lens"), scene.rng("sensor")
    image = cv2.resize(expose(rgb, scene), (side, side), interpolation=cv2.INTER_AREA)
    blur = side / 96 * abs(rng.normal(0, 0.8)) * (rng.random() < 0.6)
    if blur > 0.25:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    few, enlarge = (
        int(24 * 2 ** rng.uniform(0, 2.2)),
        int(rng.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST), p=(0.45, 0.35, 0.2))),
    )
    if rng.random() < 0.45 and few < side:
        image = cv2.resize(
            cv2.resize(image, (few, few), interpolation=cv2.INTER_AREA), (side, side), interpolation=enlarge
        )
    level = 0.03 * noisy.random() ** 2
    image += noisy.standard_normal(image.shape, np.float32) * level
    return jpeg(np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8), int(rng.integers(70, 96)))


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """The picture after one pass through JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))
