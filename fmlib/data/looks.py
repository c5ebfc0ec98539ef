"""What of a picture survives rotating, zooming, shifting, shearing and mirroring: its colours, its local features."""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

SIDE = 128  # px of the grey picture whose features are compared
SMALL = 64  # px of the picture that is aligned
BINS = 8  # per colour channel
FEATURES = 120  # per picture at most
MATCH = 0.8  # likeness of two features that may show the same spot
REACH = 4.0  # px that a matched spot may lie off the affine map
STRETCH = (0.45, 2.2)  # smallest and largest factor of length between two copies
LEAST = 6  # matched spots in one affine map that are worth a closer look


@dataclass(frozen=True)
class Look:
    """What is compared of one picture."""

    histogram: np.ndarray  # float32 512, square roots of shares
    spots: np.ndarray  # float32 K 2, px of SIDE
    features: np.ndarray  # uint8 K 128, SIFT
    grey: np.ndarray  # uint8 SMALL SMALL


def look(image: Image.Image) -> Look:
    """Colour histogram, local features and thumbnail of a picture."""
    pixels = np.asarray(image)
    shrinks = min(pixels.shape[:2]) > SIDE
    square = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    grey = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SMALL, SMALL), interpolation=cv2.INTER_AREA)
    return Look(histogram(square), *_features(grey), small)


def _features(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SIFT on a blurred picture: whatever the blocks of an enlarged one look like does not count."""
    smooth = cv2.normalize(cv2.GaussianBlur(grey, (0, 0), 2.0), None, 0, 255, cv2.NORM_MINMAX)
    finder = cv2.SIFT_create(nfeatures=FEATURES, contrastThreshold=0.01, edgeThreshold=15)
    spots, features = finder.detectAndCompute(smooth, None)
    if not spots:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8)
    return np.float32([spot.pt for spot in spots]), features.astype(np.uint8)


def _window(side: int, width: float) -> np.ndarray:
    line = np.exp(-(np.linspace(-1, 1, side) ** 2) / (2 * width**2))
    return np.outer(line, line).astype(np.float32)


CENTRE = _window(SMALL, 0.7).ravel()
MIDDLE = _window(SMALL, 0.55)


def histogram(pixels: np.ndarray) -> np.ndarray:
    """Square roots of the shares of 8 x 8 x 8 colours, the middle counting most, each pixel spread over bins."""
    small = cv2.resize(pixels, (SMALL, SMALL), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    place = np.clip(small.astype(np.float32) * (BINS / 256) - 0.5, 0, BINS - 1.001)
    low = place.astype(np.int64)
    part = place - low
    shares = np.stack([1 - part, part])  # of the lower and the upper bin: 2 N 3
    bins = low @ (BINS**2, BINS, 1)  # where all three are the lower one
    counts = np.zeros(BINS**3)
    for red, green, blue in np.ndindex(2, 2, 2):
        weight = shares[red, :, 0] * shares[green, :, 1] * shares[blue, :, 2] * CENTRE
        counts += np.bincount(bins + (red * BINS**2 + green * BINS + blue), weight, BINS**3)
    return np.sqrt(counts / counts.sum()).astype(np.float32)


def mirrored(view: Look) -> Look:
    """What would be found in the picture's mirror image."""
    cells = view.features.reshape(
        -1, 4, 4, 8
    )  # rows across the spot's direction, columns along it, directions
    turned = cells[:, ::-1, :, (8 - np.arange(8)) % 8].reshape(-1, 128)
    spots = (view.spots * (-1, 1) + (SIDE - 1, 0)).astype(np.float32)
    return Look(view.histogram, spots, turned, np.ascontiguousarray(view.grey[:, ::-1]))


def sameness(first: Look, second: Look) -> float:
    """How well the fine structure of two pictures agrees once one is laid over the other, -1 to 1.

    0 where no affine map, mirrored or not, brings enough of their features together.
    """
    return max(_sameness(first, second), _sameness(first, mirrored(second)))


def _sameness(first: Look, second: Look) -> float:
    matrix = _affine(first, second)
    return 0.0 if matrix is None else _agreement(first.grey, second.grey, matrix)


def _affine(first: Look, second: Look) -> np.ndarray | None:
    """Map, 2 3, from the first picture's px to the second's, of LEAST matched features or more."""
    if min(len(first.spots), len(second.spots)) < LEAST:
        return None
    alike = _unit(first.features) @ _unit(second.features).T
    there, back = alike.argmax(1), alike.argmax(0)
    mutual = np.flatnonzero((back[there] == np.arange(len(there))) & (alike.max(1) >= MATCH))
    if len(mutual) < LEAST:
        return None
    here, there = first.spots[mutual], second.spots[there[mutual]]
    matrix, inside = cv2.estimateAffine2D(
        here, there, ransacReprojThreshold=REACH, maxIters=300, confidence=0.99
    )
    return matrix if matrix is not None and inside.sum() >= LEAST and _plausible(matrix) else None


def _unit(features: np.ndarray) -> np.ndarray:
    """Square roots of shares, so that products are Bhattacharyya coefficients (RootSIFT, Arandjelovic 2012)."""
    values = features.astype(np.float32)
    return np.sqrt(values / np.maximum(values.sum(1, keepdims=True), 1))


def _plausible(matrix: np.ndarray) -> bool:
    stretch = np.linalg.svd(matrix[:, :2], compute_uv=False)
    return np.linalg.det(matrix[:, :2]) > 0 and STRETCH[0] <= stretch[1] and stretch[0] <= STRETCH[1]


def _agreement(first: np.ndarray, second: np.ndarray, matrix: np.ndarray) -> float:
    """Correlation of the fine structure where both pictures overlap, the middle counting most."""
    matrix = matrix.astype(np.float32) * np.float32([1, 1, SMALL / SIDE])
    how = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    overlap = MIDDLE * cv2.warpAffine(MIDDLE, matrix, (SMALL, SMALL), flags=how)
    matrix = _refined(first, second, matrix, overlap > 0.15)
    laid = cv2.warpAffine(second, matrix, (SMALL, SMALL), flags=how, borderMode=cv2.BORDER_REPLICATE)
    weight = MIDDLE * cv2.warpAffine(MIDDLE, matrix, (SMALL, SMALL), flags=how)
    return _correlation(_fine(first), _fine(laid), weight / max(weight.sum(), 1e-6))


def _refined(first: np.ndarray, second: np.ndarray, matrix: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The map that aligns best near the given one (enhanced correlation, Evangelidis and Psarakis 2008)."""
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
    try:
        return cv2.findTransformECC(
            first, second, matrix.copy(), cv2.MOTION_AFFINE, stop, where.astype(np.uint8), 5
        )[1]
    except cv2.error:  # no overlap, or nothing there to hold on to
        return matrix


def _fine(grey: np.ndarray) -> np.ndarray:
    """Structure of about one to six px."""
    values = grey.astype(np.float32)
    return cv2.GaussianBlur(values, (0, 0), 0.7) - cv2.GaussianBlur(values, (0, 0), 3.0)


def _correlation(first: np.ndarray, second: np.ndarray, weight: np.ndarray) -> float:
    first, second = first - (weight * first).sum(), second - (weight * second).sum()
    power = (weight * first**2).sum() * (weight * second**2).sum()
    return float((weight * first * second).sum() / np.sqrt(power + 1e-9))
