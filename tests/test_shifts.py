"""Changed images are changed as they say, and what networks make of them is scored class by class."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from fmlib import runs, shifts
from fmlib.config import ClassifierConfig


def faces(count=40, side=32):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", shifts.CHANGES)
def test_every_change_keeps_shape_range_and_the_images_themselves(name):
    images = faces()
    before = images.clone()
    changed = shifts.CHANGES[name](images)
    assert changed.shape == images.shape and changed.dtype == torch.float32
    assert changed.min() >= 0 and changed.max() <= 1 + 1e-6
    assert torch.equal(images, before)
    assert torch.equal(changed, shifts.CHANGES[name](images))  # alike for every network
    assert torch.equal(changed, images) == (name == shifts.AS_THEY_ARE)


@pytest.mark.parametrize("share", shifts.SHARES)
def test_a_distant_picture_takes_up_its_share_of_the_frame(share):
    black = torch.zeros(200, 3, 64, 64)
    size = round(64 * share)
    found = shifts.distant(black, share) == 0
    assert (found.all(1).sum((1, 2)) == size**2).all()
    lines = found.all(1).any(2).sum(1)
    assert (lines == size).all()
    starts = found.all(1).any(2).int().argmax(1).unique()  # anywhere
    assert starts.min() <= 1 and starts.max() >= 64 - size - 1 and len(starts) >= 15


def test_half_of_the_surroundings_are_of_one_colour():
    frames = shifts.distant(torch.zeros(20, 3, 64, 64), 0.25)
    colours = [len(frame.mul(1000).round().flatten(1).T.unique(dim=0)) for frame in frames]
    assert set(colours[::2]) == {2} and min(colours[1::2]) > 500


def test_enlarging_shows_the_middle_and_stretching_keeps_the_width():
    lines = torch.linspace(0, 1, 64).view(1, 1, 64, 1).expand(1, 3, 64, 64)
    middle = shifts.near(lines, 2.0)
    assert middle.amin().item() == pytest.approx(0.25, abs=0.02)
    assert middle.amax().item() == pytest.approx(0.75, abs=0.02)
    stretched = shifts.wide(lines)
    assert stretched.amin().item() == pytest.approx(1 / 8, abs=0.02)
    columns = lines.transpose(2, 3)
    torch.testing.assert_close(shifts.wide(columns), columns.contiguous())


def test_coarse_images_have_lost_their_detail():
    checks = (torch.arange(32)[:, None] + torch.arange(32)).remainder(2).float().expand(1, 3, 32, 32)
    assert shifts.coarse(checks, 0.5)[..., 4:-4, 4:-4].std() < 0.01


def test_classes_are_scored_apart(tiny):
    """A network that calls everything masked finds all masks and recognises no bare face."""
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(2))
    model(torch.rand(1, 3, 32, 32))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.tensor([0.0, 1.0]))
    run = SimpleNamespace(key="always", model=lambda: model, config=ClassifierConfig(side=32))
    stage = SimpleNamespace(data=tiny, seed=0)
    found = shifts.table(stage, {"compact strong": [run]})
    assert list(dict.fromkeys(found.change)) == list(shifts.CHANGES)
    values = found.groupby("metric").value.agg(["min", "max"])
    assert values.loc["recall"].tolist() == [1, 1] and values.loc["specificity"].tolist() == [0, 0]
    assert values.loc["balanced_accuracy"].tolist() == [0.5, 0.5]
    assert set(found.model) == {"compact strong"} and set(found.run) == {"always"}
    said = shifts.line(found, "compact strong")
    assert "misses 0% of the masks, and calls 100% of the faces" in said
    assert said.startswith("compact network, strong augmentation on changed")
    assert "0.500 after the worst" in said


def test_seeds_are_averaged():
    rows = [("as they are", 1.0, 1.0), (shifts.HALF, 0.5, 0.75)]
    scores = [
        {"model": "alexnet", "change": change, "metric": metric, "seed": seed, "value": value}
        for change, *values in rows
        for seed, value in enumerate(values)
        for metric in ("balanced_accuracy", "recall", "specificity")
    ]
    said = shifts.line(pd.DataFrame(scores), "alexnet")
    assert "0.625 after the worst" in said and "misses 38% of the masks" in said


def test_a_run_is_scored_as_its_own_predictions_are(tiny, tiny_config):
    run = runs.get(ClassifierConfig(data=tiny_config, model="compact", side=32, epochs=2))
    found = shifts.table(SimpleNamespace(data=tiny, seed=0), {"compact": [run]})
    own = run.predictions[run.predictions.split == "validation"]
    recall = (own.probability[own.label == 1] >= 0.5).mean()
    as_is = found[(found.change == shifts.AS_THEY_ARE) & (found.metric == "recall")]
    assert as_is.value.item() == pytest.approx(recall)


def test_one_half_is_called_a_mask_in_both_rates():
    found = shifts._scores(np.array([0, 1]), np.array([0.5, 0.5]), np.array(["a", "b"]), seed=0)
    found = found.set_index("metric").value
    assert (found.recall, found.specificity, found.balanced_accuracy) == (1, 0, 0.5)
