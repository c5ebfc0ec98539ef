"""What things are called, and how numbers are said, in figures, tables and sentences alike."""

import math
from collections.abc import Iterable

TOO_FEW = "too few images to tell"  # said in place of an interval, see `bootstrap.enough`

LABELS = (
    {"resnet18": "ResNet-18", "resnet34": "ResNet-34", "resnet50": "ResNet-50", "alexnet": "AlexNet"}
    | {f"efficientnet-b{i}": f"EfficientNet-B{i}" for i in range(8)}
    | {"compact": "compact network", "compact-max": "compact network with maximum"}
    | {"googlenet": "GoogLeNet", "adam": "Adam", "sgd": "SGD", "adadelta": "Adadelta"}
    | {"asgd": "ASGD", "relu": "ReLU", "tanh": "tanh", "leaky_relu": "Leaky ReLU", "swish": "Swish"}
    | {"official": "official split", "grouped": "grouped split", "test": "test", "clean": "clean test"}
    | {"none": "no augmentation", "classic": "classic augmentation", "vae": "VAE images"}
    | {"cvae": "CVAE images", "classic+cvae": "classic + CVAE images", "dae": "DAE", "unet": "U-Net"}
    | {"median": "median filter", "nl_means": "non-local means", "jpeg": "JPEG quality"}
    | {"dae-encoder": "small network", "learned": "augmented-CVAE images"}
    | {f"compact {name}": f"compact network, {name} augmentation" for name in ("classic", "strong")}
    | {"compact strong, twice as long": "compact network, strong augmentation, twice as long"}
    | {"compact no blending": "compact network, images not blended"}
    | {"compact no blending, official split": "compact network, images not blended"}
    | {"compact elsewhere": "compact network, for elsewhere"}
    | {"compact elsewhere, pasted masks": "compact network, for elsewhere, pasted masks"}
    | {
        f"compact elsewhere, pasted masks, {more}": f"compact network, for elsewhere, pasted masks, {more}"
        for more in ("maximum", "maximum, twice as long")
    }
    | {"gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++"}
    | {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "precision": "Precision"}
    | {
        "recall": "Recall",
        "specificity": "Specificity",
        "f1": "F1",
        "auc": "AUC",
        "average_precision": "Average precision",
        "ece": "ECE",
    }
    | {"ece_calibrated": "ECE after temperature scaling", "ece_by_chance": "ECE by chance alone"}
    | {"wear": "Way of wearing", "mask_kind": "Kind of mask", "skin_tone": "Skin tone (Monk scale)"}
    | {"yaw": "Head turned (degrees)", "occluder": "Before the mouth", "ffp2": "FFP2"}
    | {"train_seconds": "Training time (s)", "images_per_second": "Images per second"}
)


def label(name: str) -> str:
    """The display name of a model, optimizer, activation, split, view, arm or metric."""
    name = str(name)
    if name.lower().startswith("external:"):
        folder = name[len("external:") :]
        return f"{folder} (external)" if folder.lower() in LABELS else folder
    return LABELS.get(name.lower(), name.replace("_", " "))


def seeds(numbers: Iterable[int]) -> str:
    """How many seeds: "1 seed", "3 seeds", or the fewest and the most, "2 to 4 seeds"."""
    found = sorted({int(number) for number in numbers})
    return counted(found[0], "seed") if len(found) == 1 else f"{found[0]} to {found[-1]} seeds"


def counted(count: int, name: str) -> str:
    """A number with its noun: "1 image", "2 images"."""
    return f"{count} {name}{'' if count == 1 else 's'}"


def with_interval(value: float, low: float, high: float, form: str = ".3f", without: str = TOO_FEW) -> str:
    """A score with its interval, "0.900 [0.850, 0.950]"; in words where it has none or is not defined itself."""
    if math.isnan(value):
        return "not defined"
    if math.isnan(low):
        return f"{value:{form}} ({without})"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"
