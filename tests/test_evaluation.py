"""Tables over runs, seeds and kinds of pictures, by hand and against SciPy, and what is said of the kinds."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from torch import nn

from fmlib import comparison, evaluation, judgement


def test_intervals_of_a_mean_cover_images_and_seeds():
    values, half = np.array([0.90, 0.91, 0.92]), 0.01
    rows = pd.DataFrame({"value": values, "low": values - half, "high": values + half, "n": 50})
    rows = rows.assign(model="alexnet", split="grouped", view="test", metric="f1", seed=[0, 1, 2])
    by_chance = np.ptp(stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))) / 2
    mean = evaluation.over_seeds(rows).iloc[0]
    assert (mean.value, mean.spread, mean.seeds, mean.n) == pytest.approx((0.91, 0.01, 3, 50))
    assert [mean.value - mean.low, mean.high - mean.value] == pytest.approx([np.hypot(half, by_chance)] * 2)
    one = evaluation.over_seeds(rows[:1]).iloc[0]
    assert (one.low, one.high, one.spread) == pytest.approx((0.89, 0.91, 0))


def test_attributes_are_put_into_few_named_categories():
    yaw, skin = [-90, -30, -29, 0, 30, 31], [1, 3, 4, 7, 8, 10]
    manifest = pd.DataFrame({"path": list("abcdef"), "yaw": yaw, "skin_tone": skin})
    manifest["mask_kind"] = ["", "ffp2", np.nan, "cloth", "ffp2", "cloth"]
    manifest["wear"] = ["veil", "proper", "none", "on_chin", "under_nose", "none"]
    before, table = manifest.copy(), evaluation.binned(manifest)
    below, above = "below −30°", "above 30°"
    assert table.yaw.tolist() == [below, below, "−30° to −10°", "−10° to 10°", "10° to 30°", above]
    assert table.skin_tone.tolist() == ["1 to 3"] * 2 + ["4 to 7"] * 2 + ["8 to 10"] * 2
    assert table.mask_kind.tolist() == ["no mask", "ffp2", "no mask", "cloth", "ffp2", "cloth"]
    assert table.mask_kind.cat.categories.tolist() == ["no mask", "cloth", "ffp2"]
    assert table.wear.cat.categories.tolist() == ["none", "proper", "under_nose", "on_chin", "veil"]
    pd.testing.assert_frame_equal(manifest, before)


def seen(probability, model="alexnet", seed=0) -> pd.DataFrame:
    """What a run says of the images a, b, c, d, of which the first two show masks."""
    keys = {"model": model, "split": "grouped", "seed": seed}
    return pd.DataFrame({"path": list("abcd"), "label": [1, 1, 0, 0], "probability": probability, **keys})


def test_breakdowns_count_errors_by_model_and_attribute():
    manifest = pd.DataFrame({"path": list("dcba"), "occluder": ["", "cup", "cup", ""], "height": 9})
    data = SimpleNamespace(manifest=manifest, attributes=["occluder", "height"])
    runs = [seen([0.9, 0.1, 0.8, 0.1]), seen([0.9, 0.9, 0.8, 0.1], seed=1), seen([0.1] * 4, model="resnet18")]
    table = evaluation.breakdowns(pd.concat(runs), data)
    assert set(table.attribute) == {"occluder"} and set(table["split"]) == {"grouped"}
    found = table[["model", "value", "n", "errors", "rate"]].to_numpy().tolist()
    assert found == [
        ["alexnet", "nothing", 2, 0.0, 0.0],
        ["alexnet", "cup", 2, 1.5, 0.75],
        ["resnet18", "nothing", 2, 1.0, 0.5],
        ["resnet18", "cup", 2, 1.0, 0.5],
    ]
    unknown = evaluation.breakdowns(runs[0], SimpleNamespace(manifest=manifest, attributes=[]))
    assert unknown.empty and list(unknown) == list(table)


def test_stored_scores_are_of_the_groups_that_they_were_made_with(tmp_path, monkeypatch):
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path))
    labels = np.arange(60) % 2
    logit = np.where(labels == np.arange(60) % 5 % 2, 1.0, -1.0) * (2 * labels - 1)
    table = pd.DataFrame(
        {"path": [str(n) for n in range(60)], "label": labels, "logit": logit, "view": "test"}
    )
    table = table.assign(model="alexnet", split="grouped", seed=0, run="a", temperature=1.0)
    table["probability"] = table["calibrated"] = 1 / (1 + np.exp(-table.logit))
    width = {}
    for count in (60, 12):
        found = evaluation.scores(table.assign(group=[str(n % count) for n in range(60)])).set_index("metric")
        width[count] = found.high["accuracy"] - found.low["accuracy"]
    assert width[12] > 1.5 * width[60]


def test_the_worst_images_cost_most_loss_and_are_wrong_at_least_once():
    runs = [seen([0.9, 0.1, 0.6, 0.2]), seen([0.9, 0.4, 0.3, 0.2], seed=1)]
    runs = [part.assign(group=part.path) for part in runs]
    table = evaluation.worst(pd.concat(runs))
    assert table.path.tolist() == ["b", "c"]
    assert table.probability.tolist() == pytest.approx([0.25, 0.45])
    assert table.loss.tolist() == pytest.approx([-np.log(0.1 * 0.4) / 2, -np.log(0.4 * 0.7) / 2])
    assert table[["label", "wrong", "runs"]].to_numpy().tolist() == [[1, 2, 2], [0, 1, 2]]
    assert evaluation.worst(pd.concat(runs), count=1).path.tolist() == ["b"]
    copies = pd.concat(part.assign(group="one") for part in runs)  # of one origin the worst is shown
    assert evaluation.worst(copies).path.tolist() == ["b"]


def trained(model: str, key: str, seconds: float, network=None) -> SimpleNamespace:
    config = SimpleNamespace(model=model, side=2)
    return SimpleNamespace(config=config, key=key, seconds=seconds, model=lambda: network)


def test_costs_are_of_one_image_and_measured_once(tmp_path, monkeypatch):
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path))
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 2 * 2, 2))
    runs = [trained("small", "a", 10.0, network), trained("small", "b", 20.0)]
    cost = evaluation.costs(runs).iloc[0]
    assert (cost.model, cost.train_seconds) == ("small", 15.0)
    # a multiplication and an addition for each of 12 inputs and 2 outputs; two biases
    assert (cost.flops, cost.parameters) == (2 * 12 * 2, 12 * 2 + 2)
    assert cost.images_per_second > 0
    again = evaluation.costs([trained("small", "a", 10.0)]).iloc[0]  # has no network to measure
    assert again.images_per_second == pytest.approx(cost.images_per_second)


def view(random, images: int = 300, seeds: int = 1) -> tuple[pd.DataFrame, SimpleNamespace]:
    """A model's predictions of pictures of 21 kinds, of which any is wrong with probability 0.05."""
    kinds = {"wear": "abcd", "mask_kind": "abcde", "occluder": "abcd"}
    manifest = pd.DataFrame({name: random.choice(list(values), images) for name, values in kinds.items()})
    manifest = manifest.assign(path=np.arange(images), yaw=random.uniform(-90, 90, images))
    manifest["skin_tone"] = random.integers(1, 11, images)
    label, wrong = random.integers(0, 2, images), random.random(images) < 0.05
    said = {"path": manifest.path, "label": label, "probability": np.where(wrong, 1 - label, label)}
    parts = [pd.DataFrame({**said, "model": "alexnet", "split": "grouped", "seed": s}) for s in range(seeds)]
    return pd.concat(parts), SimpleNamespace(manifest=manifest, attributes=evaluation.ATTRIBUTES)


def test_kinds_seldom_stand_out_by_chance():
    random, found = np.random.default_rng(0), 0
    for number in range(100):
        table, data = view(random, seeds=1 + 2 * (number % 2))
        said = judgement.kinds_sentence(evaluation.breakdowns(table, data), "alexnet", 0.05)
        found += "clearly more often" in said
    assert found <= 5


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_kind_that_goes_wrong_more_often_is_named_alone(seeds):
    table, data = view(np.random.default_rng(1), seeds=seeds)
    under = table.path.isin(data.manifest.path[data.manifest.wear == "b"][:25])
    table["probability"] = np.where(under, 1 - table.label, table.probability)
    said = judgement.kinds_sentence(evaluation.breakdowns(table, data), "alexnet", 0.1)
    assert said.startswith(
        "AlexNet errs on 10.0% of all test images, and clearly more often on way of wearing “b”"
    )
    assert said.count("[") == 1


def test_kinds_are_compared_with_the_others_of_their_attribute_by_fisher_s_test():
    counts = {"wear": [(40, 9), (60, 2), (10, 1)], "yaw": [(70, 2), (40, 10)], "occluder": [(110, 12)]}
    rows = [(name, n, errors) for name, kinds in counts.items() for n, errors in kinds]
    part = pd.DataFrame(rows, columns=["attribute", "n", "errors"])
    p = [
        stats.fisher_exact([[errors, n - errors], [12 - errors, 110 - n - 12 + errors]], "greater").pvalue
        for _, n, errors in rows
    ]
    assert judgement.more_often(part) == pytest.approx(comparison.holm(p))
    averaged = part.assign(errors=part.errors + np.array([0.2, -0.2, 0, 0.3, -0.3, 0]))
    assert judgement.more_often(averaged) == pytest.approx(comparison.holm(p))


def test_nothing_is_said_of_kinds_that_are_not_known():
    empty = evaluation.breakdowns(
        seen([0.1] * 4), SimpleNamespace(manifest=pd.DataFrame({"path": []}), attributes=[])
    )
    assert judgement.kinds_sentence(empty, "alexnet", 0.5).startswith("Nothing is known")


def test_what_was_not_read_of_external_sets_is_told_with_the_reason_and_names_mean_nothing_to_markdown():
    unread = pd.DataFrame({"path": ["a/`x`.jpg", "no_mask"], "reason": ["cut short", "no such class"]})
    sets = {"street": SimpleNamespace(unreadable=unread), "home": SimpleNamespace(unreadable=unread[:0])}
    text = judgement.unread_sentence(sets)
    assert "2 of street" in text and "_x_.jpg: cut short; no_mask: no such class." in text
    assert "home" not in text and judgement.unread_sentence({"home": sets["home"]}) == ""
