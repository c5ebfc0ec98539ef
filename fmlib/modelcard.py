"""What someone who is handed a classifier should know about it, in Markdown."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from fmlib import calibration, metrics, store
from fmlib.wording import TOO_FEW, label

SHOWN = ("accuracy", "precision", "recall", "f1", "auc")
MARK = ": mask or no mask"  # how the heading of every card ends
USE = """\
## Use

    python -m fmlib predict FILE.safetensors photo.jpg ...

It tells whether one person, whose face fills the picture, {told}
The probability is calibrated on validation images.

## Limits

* It was judged on the images named above. On photographs of another kind it errs more often.
* A face that fills half of a picture's side, or less, is of another kind than those that most data sets here hold: cut
  it out first.
* Error rates differ between groups of people and ways of wearing a mask; measure them before relying on it.
* It is no tool for enforcement or surveillance, and no decision about a person should rest on it.
"""


def write(folder: Path) -> str:
    """Return the card of the classifier run stored in `folder`: what it is, how it was trained, what it scored."""
    config, provenance = (store.read_json(folder / name) for name in ("config.json", "provenance.json"))
    known = store.read_table(folder / "predictions.csv")
    facts = "\n".join(f"* {name}: {value}" for name, value in _facts(folder, config, provenance).items())
    use = USE.format(told=_told(provenance))
    return f"# {label(config['model'])}{MARK}\n\n{facts}\n\n{_scores(known)}\n\n{use}"


def _facts(folder: Path, config: dict, provenance: dict) -> dict[str, object]:
    start = "ImageNet weights" if config["pretrained"] else "random weights"
    return {
        "Input": f"RGB images of {config['side']} px on a side, values 0 to 1, N 3 H W",
        "Output": "two logits: without mask, with mask",
        "Activation": config["activation"] or "the architecture's own",
        "Data set": provenance.get("dataset") or "its name was not recorded",
        "Trained": f"on {provenance['images']:,} images ({config['split']} split) from {start}, "
        f"{config['epochs']} epochs, {label(config['optimizer'])}, {label(config['augmentation'])}, "
        f"seed {config['seed']}",
        "Run": f"{folder.resolve().name}, images {config['data']}, code {config['code']}",
        "Commit": provenance["commit"] or "not recorded",
    }


def _told(provenance: dict) -> str:
    """What the labels of the run's images said, and the classifier therefore says; end of a sentence."""
    if "attributes" not in provenance:
        return "wears a mask.\nWhether the labels of its images say how a mask is worn was not recorded."
    if "wear" in provenance["attributes"]:
        return "wears a mask properly: over nose and mouth."
    return "wears a mask.\nHow a mask is worn was not labelled: one below the nose or on the chin may be called one."


def _scores(known: pd.DataFrame) -> str:
    """A table of scores with 95% intervals on validation and test images."""
    validation = known[known["split"] == "validation"]
    temperature = calibration.temperature(validation["label"], validation["logit"])
    lines = ["| metric | images | value | 95% interval |", "|---|---|---|---|"]
    for split in ("validation", "test"):
        part = known[known["split"] == split]
        probability = calibration.calibrated(part["logit"], temperature)
        for row in metrics.scores(part["label"], probability, part["group"]).itertuples():
            if row.metric in SHOWN:
                lines.append(f"| {label(row.metric)} | {row.n:,} {split} | {_with_interval(row)} |")
    return "\n".join([*lines, "", f"Temperature of the probabilities: {temperature:.4f}"])


def _with_interval(row: NamedTuple) -> str:
    """A score and its interval, as two cells of a table."""
    if pd.isna(row.value):
        return "not defined | –"
    return f"{row.value:.4f} | " + (TOO_FEW if pd.isna(row.low) else f"{row.low:.4f} to {row.high:.4f}")
