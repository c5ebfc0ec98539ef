"""Progressive resizing: a training begins with small images and ends with whole ones.

What a network learns first it learns from few pixels as well, at a fraction of the operations (Howard 2018; Tan and Le
2021, section 4). The course is that of MosaicML's Composer: small for half of the training, then growing, and in full
size for the last fifth, so that the network ends on images like those that it will be shown.
"""

from dataclasses import dataclass

DELAY, FINE_TUNING = 0.5, 0.2  # shares of the epochs with the smallest images, and with whole ones
MULTIPLE = 16  # px; of smaller sides: convolutions are slow on others
LEAST = 32  # px; what the architectures need


@dataclass(frozen=True)
class Growth:
    """How the images of a training grow.

    Attributes:
        initial_scale: side of the first images, as a share of the full one; 1: they never change.
        epochs: of the training; the last one has whole images, however few they are.
    """

    initial_scale: float = 1.0
    epochs: int = 1

    def side(self, full: int, epoch: int) -> int:
        """Return the side of the images of an epoch (from 1), in px, where those of the set have `full`."""
        done = (epoch - 0.5) / self.epochs
        grown = max(0.0, (done - DELAY) / (1 - DELAY - FINE_TUNING))
        if self.initial_scale == 1 or grown >= 1 or epoch >= self.epochs:
            return full
        share = self.initial_scale + (1 - self.initial_scale) * grown
        return min(full, max(LEAST, MULTIPLE * round(share * full / MULTIPLE)))
