"""Colours and prints of cloth: masks, clothes, hats and scarves."""

import cv2
import numpy as np

from fmlib.data.rendering.sheet import ellipse, grid, noise

SURGICAL = ("96c8e1", "6eb4d7", "aad7e1", "ebf0f2", "1c1c20", "ebaac3", "96d2b4", "b9afdc")
SURGICAL_ODDS = (0.25, 0.2, 0.12, 0.21, 0.09, 0.05, 0.05, 0.03)
FFP2, FFP2_ODDS = ("ededeb", "1a1a1c", "bfc7cc"), (0.75, 0.13, 0.12)
PLAIN = ("141417", "ebe8e3", "808085", "1a244d")
STRONG = ("bf141f", "f2cc26", "e6661a", "1a6633", "730f1f", "1a4dbf")
PRINTS = ("stripes", "checks", "dots", "patches", "flowers")


def rgb(hexadecimal: str) -> np.ndarray:
    """Three floats in 0..1 from six hexadecimal digits."""
    return np.frombuffer(bytes.fromhex(hexadecimal), np.uint8) / np.float32(255)


def cloth_colour(rng: np.random.Generator) -> np.ndarray:
    """Of clothes: muted, dark, light or strong."""
    grey, strong = rng.uniform(0.05, 0.9), rng.uniform(0.05, 0.95, 3)
    return (grey + (strong - grey) * rng.choice((0.15, 0.5, 1.0))).astype(np.float32)


def mask_colour(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Of a mask: light blue and white most often where surgical, white where FFP2, any where of cloth."""
    if kind == "surgical":
        colour = rgb(rng.choice(SURGICAL, p=SURGICAL_ODDS))
    elif kind == "ffp2":
        colour = rgb(rng.choice(FFP2, p=FFP2_ODDS))
    else:
        colour = _any_colour(rng)
    return np.clip(colour * rng.uniform(0.9, 1.06), 0, 1).astype(np.float32)


def _any_colour(rng: np.random.Generator) -> np.ndarray:
    """Black, white, grey and navy often, then strong colours; otherwise any."""
    chance = rng.random()
    if chance > 0.65:
        return rng.uniform(0.05, 0.95, 3)
    return np.clip(rgb(rng.choice(PLAIN if chance < 0.4 else STRONG)) * rng.uniform(0.8, 1.15, 3), 0.02, 1)


def woven(colour: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A size x size picture of cloth: the colour with its weave and worn patches."""
    weave = 1 + 0.02 * noise(rng, 90, 120, size) + 0.03 * noise(rng, 8, 10, size)
    return (colour * weave[..., None]).astype(np.float32)


def add_print(fabric: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> None:
    """Stripes, checks, dots, patches or flowers in a second colour."""
    size, kind, other = len(fabric), str(rng.choice(PRINTS)), _any_colour(rng)
    if kind == "flowers":
        return _flowers(fabric, rng)
    if np.abs(other - colour).sum() < 0.6:
        other = 1 - colour
    alpha = np.clip(_pattern(kind, size, rng) * 6, 0, 1)[..., None]
    fabric += alpha * (other.astype(np.float32) - fabric)


def _pattern(kind: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Positive where the second colour goes."""
    if kind == "patches":
        return noise(rng, 26, 34, size) - 0.2
    row, column = (plane / size for plane in grid(size))
    pitch, turn = 2 * np.pi * rng.uniform(14, 40), rng.uniform(0, np.pi)
    c, s = np.float32(pitch * np.cos(turn)), np.float32(pitch * np.sin(turn))
    wave = np.sin(row * c + column * s + 2 * rng.random() * noise(rng, 5, 5, size))
    across = np.sin(column * c - row * s)
    return {"stripes": wave, "checks": np.maximum(wave, across) - 0.6, "dots": wave * across - 0.45}[kind]


def _flowers(fabric: np.ndarray, rng: np.random.Generator) -> None:
    size, colours = len(fabric), rng.uniform(0.1, 1, (4, 3)).tolist()
    for _ in range(90):
        x, y, radius = (rng.uniform((0.2, 0.2, 0.006), (0.8, 0.8, 0.022)) * size * 16).astype(int).tolist()
        cv2.circle(fabric, (x, y), radius, colours[rng.integers(4)], -1, cv2.LINE_AA, 4)


def add_logo(fabric: np.ndarray, at: np.ndarray, unit: float, rng: np.random.Generator) -> None:
    """A small polygon of another colour around pixel `at`; `unit`: pixels per head unit."""
    long_, short = rng.uniform((0.05, 0.03), (0.25, 0.13)) * unit
    px = ellipse(*at, long_, short, rng.uniform(0, 3), n=int(rng.integers(3, 9)))
    cv2.fillPoly(fabric, [np.round(px * 16).astype(np.int32)], rng.uniform(0, 1, 3).tolist(), cv2.LINE_AA, 4)
