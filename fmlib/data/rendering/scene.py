"""What a picture shows, drawn at random: the wearing of the mask apart from everything else."""

from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np

from fmlib.data.rendering.fabrics import rgb
from fmlib.data.rendering.head import Head, View, random_head

# Monk Skin Tone scale, 1 (lightest) to 10, as published at skintone.google (CC BY 4.0).
MONK = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")
WEARS = ("none", "proper", "under_nose", "on_chin")
KINDS = ("surgical", "cloth", "patterned", "ffp2")
OCCLUDERS = ("hand", "scarf", "cup")
BARE, IMPROPER = 0.65, 0.20  # shares of the negatives; the rest has something before the mouth
HAIR = ("14100e", "261b14", "3e2a1c", "604228", "967042", "cdac76", "78341a", "969492")
HAIR_ODDS = (0.26, 0.2, 0.17, 0.1, 0.08, 0.07, 0.05, 0.07)


def stream(seed: int, index: int, name: str) -> np.random.Generator:
    """The generator that one aspect, `name`, of image `index` is drawn from."""
    return np.random.default_rng([seed, index, crc32(name.encode())])


@dataclass(frozen=True)
class Scene:
    """One picture's content; painters draw their details from `rng(name)`, so no aspect disturbs another."""

    seed: int
    index: int
    label: int
    wear: str
    mask_kind: str
    occluder: str
    yaw: float  # degrees, + = face turned to its left
    pitch: float  # degrees, + = face turned up
    skin_tone: int  # Monk scale, 1..10
    glasses: bool
    hat: str
    beard: str
    hair: str

    def rng(self, name: str) -> np.random.Generator:
        """Generator of one aspect of this scene."""
        return stream(self.seed, self.index, name)

    @cached_property
    def head(self) -> Head:
        """The head's shape."""
        return random_head(self.rng("head"))

    @cached_property
    def view(self) -> View:
        """Where the head stands: from a tight crop of the face to head and shoulders."""
        rng = self.rng("view")
        tall = 2.0 + 1.9 * rng.beta(1.4, 3.0)  # heads' units from the picture's top to its bottom
        centre = (0.5 + rng.normal(0, 0.035), 0.5 - 0.34 / tall + rng.normal(0, 0.04))
        roll = np.radians(np.clip(rng.normal(0, 8), -28, 28))
        return View(np.radians(self.yaw), np.radians(self.pitch), float(roll), 1 / tall, centre)

    @cached_property
    def skin(self) -> np.ndarray:
        """Skin colour: the Monk tone, warmed as light through blood does, and varied."""
        rng = self.rng("skin")
        tone = rgb(MONK[self.skin_tone - 1]) ** 0.8 * rng.uniform(0.86, 1.02)
        colour = tone * [1.02, rng.uniform(0.79, 0.94), rng.uniform(0.64, 0.9)] + rng.normal(0, 0.012, 3)
        return np.clip(colour, 0.03, 1).astype(np.float32)

    @cached_property
    def hair_colour(self) -> np.ndarray:
        """Hair colour, dark more often than light."""
        rng = self.rng("hair colour")
        base = rgb(rng.choice(HAIR, p=HAIR_ODDS))
        return np.clip(base * rng.uniform(0.75, 1.25) + rng.normal(0, 0.01, 3), 0.02, 0.95).astype(np.float32)

    def attributes(self) -> dict:
        """What is stored beside the picture."""
        return {
            "wear": self.wear,
            "mask_kind": self.mask_kind,
            "yaw": self.yaw,
            "pitch": self.pitch,
            "skin_tone": self.skin_tone,
            "glasses": self.glasses,
            "hat": bool(self.hat),
            "beard": bool(self.beard),
            "occluder": self.occluder,
        }


def compose(seed: int, index: int, label: int) -> Scene:
    """Draw the scene of image `index`; only `wear`, `mask_kind` and `occluder` depend on the label."""
    wear, occluder = _wearing(stream(seed, index, "wear"), label)
    kind = str(stream(seed, index, "kind").choice(KINDS, p=(0.42, 0.24, 0.2, 0.14))) if wear != "none" else ""
    rng = stream(seed, index, "person")
    yaw = np.clip(rng.normal(0, 20), -50, 50)
    return Scene(
        seed, index, label, wear, kind, occluder,
        yaw=round(float(yaw), 1),
        pitch=round(float(np.clip(rng.normal(0, 8), -22, 22)), 1),
        skin_tone=int(rng.integers(1, 11)),
        glasses=bool(rng.random() < 0.2),
        hat=str(rng.choice(("", "beanie", "cap", "headscarf", "brim"), p=(0.8, 0.06, 0.06, 0.05, 0.03))),
        beard=str(rng.choice(("", "stubble", "moustache", "goatee", "full"), p=(0.62, 0.14, 0.05, 0.06, 0.13))),
        hair=str(
            rng.choice(
                ("bald", "buzz", "short", "fringe", "long", "wavy", "curly", "tied"),
                p=(0.06, 0.1, 0.26, 0.1, 0.2, 0.12, 0.07, 0.09),
            )
        ),
    )  # fmt: skip


def _wearing(rng: np.random.Generator, label: int) -> tuple[str, str]:
    if label:
        return "proper", ""
    chance = rng.random()
    if chance < BARE:
        return "none", ""
    if chance < BARE + IMPROPER:
        return str(rng.choice(WEARS[2:])), ""
    return "none", str(rng.choice(OCCLUDERS))
