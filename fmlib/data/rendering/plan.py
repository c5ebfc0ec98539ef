"""Which label and split image i has, and which images are planted copies of which others.

Images come in blocks of twenty, ten of each label, and of each ten seven train, one validates and two test.
"""

from fmlib.data.rendering.scene import stream

BLOCK = 20
SPLITS = ("Train",) * 7 + ("Validation",) + ("Test",) * 2
COPIES = ("mirror", "zoom", "rotate", "recompress")
TRIES = 64  # candidates drawn for a copy's origin; each will do with a chance of 0.44
PLANTED = 0.125  # share of the images that are altered copies; images without a possible origin stay new


def slot(seed: int, index: int) -> tuple[int, str]:
    """Label, 0 or 1, and split of image `index`."""
    place = int(stream(seed, index // BLOCK, "block").permutation(BLOCK)[index % BLOCK])
    return place % 2, SPLITS[place // 2]


def origin(seed: int, index: int) -> int:
    """The earlier image of the same label that `index` is a copy of, or `index` itself."""
    if not _copied(seed, index):
        return index
    label = slot(seed, index)[0]
    for candidate in stream(seed, index, "origin").integers(max(index, 1), size=TRIES).tolist():
        if not _copied(seed, candidate) and slot(seed, candidate)[0] == label:
            return candidate
    return index


def _copied(seed: int, index: int) -> bool:
    """Whether `index` is meant to be a copy: then it is never an origin."""
    return bool(stream(seed, index, "copied").random() < PLANTED)


def alteration(seed: int, index: int) -> str:
    """What was done to make copy `index` from its origin."""
    return str(stream(seed, index, "alteration").choice(COPIES))
