"""What speaks for one class rather than for the others."""

import torch
from torch import nn


class Contrast(nn.Module):
    """A classifier with each logit less the mean of all: the same probabilities, another explanation.

    Softmax depends on the differences of the logits only. What all logits share was never trained: the gradients of
    the cross-entropy by the logits sum to zero, so the mean of the classes' weights stays what it was at random. In
    the map of a single logit this remainder is noise, and all of it in a model that has learned little.

    Input and output: as of `model`, logits N C.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    @property
    def cam_layer(self) -> nn.Module | None:
        """The model's own, if it has one."""
        return getattr(self.model, "cam_layer", None)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.model(images)
        return logits - logits.mean(1, keepdim=True)
