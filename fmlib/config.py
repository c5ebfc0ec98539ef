"""Where things live, what the classes are called, and what describes a run."""

import os
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from numbers import Integral, Real
from pathlib import Path

from fmlib.errors import UsageError, known
from fmlib.files import absolute

REPO = Path(__file__).resolve().parent.parent
CLASSES = ("without mask", "with mask")  # labels 0 and 1; 1 is the positive class
STAGES = ("data", "classifier", "dae", "vae", "gradcam", "metrics")
ARCHITECTURES = ("resnet18", "efficientnet-b0", "alexnet", "googlenet")  # the ones every report compares
UNMASKING = ("unmasking", "mask-finder")  # autoencoders that find masks of rendered faces
CONCERNED = {  # settings of some autoencoders -> these
    "pasted": UNMASKING,
    **dict.fromkeys(("beta", "warm_up", "edges"), ("cvae",)),
}
# the fields of a run that are whole numbers and may be None, and all of them -> the least that they may be
OPTIONAL = ("train_size", "validation_size", "patience")
LEAST = {
    **dict.fromkeys((*OPTIONAL, "side", "epochs", "passes", "batch_size", "latent"), 1),
    **{"seed": 0, "pasted": 0},
}
LARGEST = 2**63 - 1
PLACES = ("FMLIB_HOME", "FMLIB_FACE_MASK_12K")  # variables of the environment that name folders
OPTIMIZERS = ("adam", "sgd", "adadelta", "asgd")
ACTIVATIONS = ("relu", "tanh", "leaky_relu")
BALANCES = ("images", "origins")  # what is alike in number for both classes, as far as a loss can make it so


def home() -> Path:
    """Folder of caches and runs: `FMLIB_HOME`, or `.fmlib` in the repository."""
    return absolute(os.environ.get("FMLIB_HOME") or REPO / ".fmlib")


def pin_places() -> None:
    """Make the places that the environment names absolute: processes that start from here have folders of their own."""
    for name in PLACES:
        if os.environ.get(name):
            with suppress(UsageError):  # whoever reads it says what is wrong with it
                os.environ[name] = str(absolute(os.environ[name]))


def _number(value: object, kind: type) -> bool:
    """Whether a value is a number of this kind, Python's or NumPy's, and no truth value."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _check_whole(name: str, value: object) -> None:
    optional = name in OPTIONAL
    if value is None and optional:
        return
    if not (_number(value, Integral) and LEAST[name] <= value <= LARGEST):
        wanted = f"a whole number from {LEAST[name]} to {LARGEST}{', or None' if optional else ''}"
        raise UsageError(f"{name} must be {wanted}, not {value!r}")


def _check_range(name: str, value: object, low: float, high: float) -> None:
    if not (_number(value, Real) and low <= value <= high and value < inf):
        upwards = f"from {low:g} to {high:g}" if high < inf else f"from {low:g}"
        raise UsageError(f"{name} must be a number {upwards}, not {value!r}")


@dataclass(frozen=True)
class DataConfig:
    """Which images: a source's name or a folder, and for the synthetic source how many and from which seed."""

    dataset: str = "synthetic"
    images: int | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What every training run is described by; equal descriptions are one run.

    Attributes:
        split: "grouped" or "official" (which images train).
        train_size: number of training images, a sample by group; None for all.
        validation_size: number of images it is validated on, a sample by group; None for all.
        side: image side in px.
        passes: passes over the training images that make an epoch, after which the network is validated.
        optimizer: one of `OPTIMIZERS`; `learning_rate` None takes the optimizer's default.
        patience: epochs without a better validation loss after which training stops; the weights of the lowest are
            kept. None: training goes to the end, where the learning rate is zero, and keeps its last weights.
    """

    data: DataConfig = DataConfig()
    split: str = "grouped"
    train_size: int | None = None
    validation_size: int | None = None
    side: int = 64
    epochs: int = 6
    passes: int = 1
    batch_size: int = 64
    optimizer: str = "adam"
    learning_rate: float | None = None
    patience: int | None = 10
    seed: int = 0

    def __post_init__(self):
        """Refuse numbers that mean nothing: UsageError."""
        for name in LEAST:
            if hasattr(self, name):
                _check_whole(name, getattr(self, name))
        rate = self.learning_rate
        if rate is not None and not (_number(rate, Real) and 0 < rate < inf):
            raise UsageError(f"learning_rate must be a number above 0, or None, not {rate!r}")


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig(RunConfig):
    """An autoencoder.

    Attributes:
        model: one of `fmlib.better_autoencoders.BUILDERS`.
        noise: largest standard deviation of the Gaussian noise that a denoiser is trained against.
        pasted: number of rendered faces whose masks an unmasking DAE or a mask finder finds.
        latent: dimensions of a VAE's latent space.
        augmentation: a recipe of `fmlib.augmentation` that blends nothing; images that a classifier is given are made
            from the codes of images changed by it.
        beta, warm_up, edges: of a CVAE's loss (`fmlib.autoencoder_losses.sharp_elbo`).
    """

    model: str = "dae"
    noise: float = 0.3
    pasted: int = 0
    latent: int = 128
    augmentation: str = "none"
    beta: float = 1.0
    warm_up: float = 0.0
    edges: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        for name, largest in (("noise", 1), ("warm_up", 1), ("beta", inf), ("edges", inf)):
            _check_range(name, getattr(self, name), 0, largest)
        for name, models in CONCERNED.items():
            default = getattr(type(self), name)
            if getattr(self, name) != default and self.model not in models:
                raise UsageError(
                    f"{name} is of {' and '.join(models)}; leave it out for the autoencoder {self.model!r}"
                )
        if self.model in UNMASKING and self.pasted < 1:
            raise UsageError(
                f"the autoencoder {self.model!r} finds masks of rendered faces: let pasted say of how many"
            )


@dataclass(frozen=True, kw_only=True)
class Generated:
    """Images that a variational autoencoder makes up, mixed into every batch of a classifier.

    Attributes:
        autoencoder: the one that makes them, of the images that it has learned from.
        way: how their codes are drawn, one of `fmlib.generation.WAYS`.
        share: of every batch; 1.0 trains on generated images alone.
        until: share of the epochs, from the first, that they are mixed into; the rest sees real images alone.
    """

    autoencoder: AutoencoderConfig
    way: str = "gaussian"
    share: float = 0.5
    until: float = 1.0

    def __post_init__(self):
        """Refuse shares that are none: UsageError."""
        for name in ("share", "until"):
            _check_range(name, getattr(self, name), 0, 1)


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig(RunConfig):
    """A classifier.

    Attributes:
        augmentation: a recipe of `fmlib.augmentation`.
        pasted: number of rendered faces whose masks are laid over faces without one (`fmlib.data.pasting`).
        generated: made-up images that take a share of every batch.
        balance: "images" weighs the classes' images alike; "origins" also allows for a class whose images are copies
            of few originals (`fmlib.objectives.origins`).
        initial_scale: side of the images that training begins with, as a share of `side`, which they grow to
            (`fmlib.resizing`); from 0.5 to 1. Below 1 patience must be None: the best epoch could be one of small
            images.
        start: a DAE, of masks or not, whose encoder the model "dae-encoder" starts from; None starts it at random.
    """

    model: str = "resnet18"
    activation: str | None = None
    pretrained: bool = False
    augmentation: str = "classic"
    pasted: int = 0
    generated: Generated | None = None
    start: AutoencoderConfig | None = None
    balance: str = "images"
    initial_scale: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        known("balance", self.balance, BALANCES)
        _check_range("initial_scale", self.initial_scale, 0.5, 1)
        if self.initial_scale < 1 and self.patience is not None:
            raise UsageError(
                f"images that grow (initial_scale={self.initial_scale}) are trained on to the end: set patience=None"
            )
