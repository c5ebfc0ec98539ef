"""The look that all figures share: a style sheet, a colour per thing, a way to save."""

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fmlib.errors import FmlibError

SHEET = Path(__file__).with_name("report.mplstyle")
SIZE_LIMIT = 200_000  # bytes of a saved figure, of either kind
DPI = 170

# After Okabe and Ito (2008) and Tol (2021), darkened until text in each colour meets AA on white (4.5:1). The
# first four, which the four standard architectures wear, are told apart best by every kind of colour vision.
BLUE, VERMILION, GREEN, INDIGO = "#0072B2", "#C25100", "#00805F", "#332288"
PURPLE, OCHRE, WINE, GREY = "#AA4499", "#8A6D00", "#882255", "#4A4A4A"
PALETTE = (BLUE, VERMILION, GREEN, INDIGO, PURPLE, OCHRE, WINE, GREY)
NEUTRAL = "#6B6B6B"  # chance, baselines, whatever is no competitor
GOOD, BAD = BLUE, VERMILION  # right and wrong

COLOURS = (
    {"resnet18": BLUE, "efficientnet-b0": VERMILION, "alexnet": GREEN, "googlenet": INDIGO}
    | {"resnet34": PURPLE, "resnet50": WINE, "efficientnet-b1": OCHRE, "efficientnet-b2": GREY}
    | {"efficientnet-b3": "#7A3300", "compact": "#5C6B00"}
    | {"adam": BLUE, "sgd": VERMILION, "adadelta": GREEN, "asgd": INDIGO}
    | {"relu": BLUE, "tanh": VERMILION, "leaky_relu": GREEN, "swish": INDIGO}
    | {"without mask": VERMILION, "with mask": BLUE}
    | {"official": VERMILION, "grouped": BLUE}
    | {"train": NEUTRAL, "validation": BLUE, "test": INDIGO, "clean": GREEN, "aside": "#9A9A9A"}
    | {"none": NEUTRAL, "classic": BLUE, "vae": VERMILION, "cvae": GREEN, "classic+cvae": INDIGO, "dae": BLUE}
    | {"nothing": NEUTRAL, "unet": GREEN, "median": OCHRE, "nl_means": PURPLE, "trained with noise": INDIGO}
    | {"random start": NEUTRAL, "dae's encoder": BLUE, "learned": OCHRE}
    | {"unmasking dae's encoder": GREEN, "mask finder's encoder": OCHRE}
    | {"gradcam": PURPLE, "gradcam++": OCHRE, "random": NEUTRAL}
)


@contextmanager
def report() -> Iterator[None]:
    """Draw in the series' style; the caller's rcParams come back as they were."""
    with mpl.rc_context(fname=SHEET):
        yield


def colour(name: str) -> str:
    """The hex colour that `name` (a model, optimizer, activation, class, split, arm) wears everywhere."""
    key = str(name).lower()
    return COLOURS.get(key) or PALETTE[zlib.crc32(key.encode()) % len(PALETTE)]


def hide(ax: Axes) -> None:
    """Leave nothing of a panel but what is drawn into it: no ticks, grid or frame."""
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)


def save(figure: Figure, path: Path, provenance: dict | None = None) -> Path:
    """Write a PNG under 200 KB, with `provenance` in its text metadata; neither shows nor closes it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, pil_kwargs={"compress_level": 0})
    return _written(Path(path), _fitting(Image.open(buffer).convert("RGB"), provenance or {}))


def save_vector(figure: Figure, path: Path, provenance: dict | None = None) -> Path | None:
    """Write an SVG with `provenance` in its metadata, where it is worth one.

    A figure that shows pictures, or so many points that its SVG passes 200 KB, is left to the PNG: then there is
    no file afterwards, and None is returned.
    """
    path, data = Path(path), b""
    if not figure.findobj(AxesImage):
        data = _drawn(figure, provenance or {})
    if 0 < len(data) <= SIZE_LIMIT:
        return _written(path, data)
    path.unlink(missing_ok=True)
    return None


def _drawn(figure: Figure, provenance: dict) -> bytes:
    """The figure as SVG: text as outlines, so that it looks the same everywhere; equal figures, equal bytes."""
    buffer = io.BytesIO()
    facts = {"Creator": "fmlib", "Date": None, "Description": "\n".join(map(": ".join, provenance.items()))}
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "fmlib"}):
        figure.savefig(buffer, format="svg", metadata=facts)
    return buffer.getvalue()


def _written(path: Path, data: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise FmlibError(f"cannot write the figure {path}: {error.strerror}; name another folder") from error
    return path


def _fitting(image: Image.Image, provenance: dict) -> bytes:
    """PNG bytes in full colour, or with 256 colours and then fewer pixels until they fit into the limit."""
    data, small = _encoded(image, provenance), image
    while len(data) > SIZE_LIMIT and small.width > 200:
        data = _encoded(small.quantize(256, method=Image.Quantize.MEDIANCUT), provenance)
        scale = small.width / image.width * min(0.92, (SIZE_LIMIT / len(data)) ** 0.5)
        small = image.resize(
            (round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS
        )
    return data


def _encoded(image: Image.Image, provenance: dict) -> bytes:
    """The bytes of `image` as PNG with text metadata."""
    text, buffer = PngInfo(), io.BytesIO()
    for key, value in provenance.items():
        text.add_itxt(str(key), str(value))
    image.save(buffer, format="png", pnginfo=text, dpi=(DPI, DPI))
    return buffer.getvalue()
