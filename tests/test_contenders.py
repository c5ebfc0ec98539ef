"""Which contender is ahead, with several seeds each, and how every optimizer came to its learning rate."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fmlib import comparison, contenders, learning_rates, results, studies, thresholds
from fmlib.config import ClassifierConfig
from fmlib.metrics import scores
from fmlib.training import OPTIMIZERS

LABELS = np.arange(400) % 2


def run(name: str, seed: int, probability: np.ndarray) -> SimpleNamespace:
    groups = np.arange(len(LABELS)).astype(str)
    facts = {"split": "test", "path": groups, "group": groups, "label": LABELS}
    table = pd.DataFrame({**facts, "probability": probability})
    return SimpleNamespace(
        config=ClassifierConfig(optimizer=name, seed=seed), predictions=table, key=f"{name}{seed}"
    )


def noisy(seed: int, noise: float) -> np.ndarray:
    return np.clip(LABELS * 0.8 + 0.1 + np.random.default_rng(seed).normal(0, noise, len(LABELS)), 0, 1)


def test_the_best_is_named_only_where_it_is_distinguishable():
    good, same, bad = (
        [run(name, seed, noisy(seed, n)) for seed in range(4)]
        for name, n in (("adam", 0.2), ("sgd", 0.2), ("asgd", 2.0))
    )
    ranks = contenders.ranking([*bad, *good, *same], "optimizer").set_index("model")
    assert ranks.verdict["asgd"] == "worse than the best"
    assert (
        ranks.verdict[["adam", "sgd"]]
        .isin(["highest, not shown to be best", "cannot be told apart from the best"])
        .all()
    )


def test_a_table_has_the_mean_and_every_seed():
    found = [run("adam", seed, noisy(seed, 0.3)) for seed in (0, 1)] + [
        run("sgd", seed, noisy(9, 0.3)) for seed in (0, 1)
    ]
    parts = [
        scores(LABELS, one.predictions.probability, one.predictions.group).assign(
            run=one.key, view="test", split="grouped", model="resnet18", seed=one.config.seed
        )
        for one in found
    ]
    table = pd.concat(parts, ignore_index=True)
    shown = contenders.readable(contenders.standing(table, found, "optimizer"), "optimizer")
    f1 = table[table.metric == "f1"].set_index("run").value
    mean = f"{f1[['adam0', 'adam1']].mean():.3f} ["
    assert shown.loc["Adam", "F1 (95% interval)"].startswith(mean)
    assert shown.loc["Adam", "of each seed"] == f"{f1['adam0']:.4f} {f1['adam1']:.4f}"
    assert list(shown.index) == ["Adam", "SGD"] or list(shown.index) == ["SGD", "Adam"]


def test_differences_over_seeds_are_paired_by_seed():
    models = {"a": np.stack([noisy(0, 0.3), noisy(1, 0.5)]), "b": np.stack([noisy(2, 0.4), noisy(3, 0.6)])}
    gap = comparison.over_seeds(LABELS, models).iloc[0]
    f1 = {
        name: [scores(LABELS, row, only="f1", resamples=2).value[0] for row in rows]
        for name, rows in models.items()
    }
    expected = comparison.paired_difference(f1["a"], f1["b"])
    assert (gap.seeds_mean, gap.seeds_low, gap.seeds_high) == (expected.value, expected.low, expected.high)
    alone = comparison.over_seeds(LABELS, {name: rows[:1] for name, rows in models.items()}).iloc[0]
    assert np.isfinite(alone.seeds_mean) and np.isnan(alone.seeds_low)


def test_pairs_to_be_read_leave_out_intervals_that_are_not_there():
    models = {"resnet18": noisy(0, 0.3), "alexnet": noisy(1, 0.5)}
    pairs = comparison.pairs(LABELS, models).merge(comparison.discordant(LABELS, models))
    shown = contenders.readable_pairs(pairs.merge(comparison.over_seeds(LABELS, models))).iloc[0]
    assert "[" in shown["a - b"] and shown["a - b over seeds"].endswith("(no interval)")


def tried(optimizer: str, rate: float | None, losses: list[float], epochs: int = 2) -> SimpleNamespace:
    config = ClassifierConfig(optimizer=optimizer, learning_rate=rate, epochs=epochs)
    history = pd.DataFrame({"validation_loss": losses})
    return SimpleNamespace(config=config, history=history, key=f"{optimizer} {rate}")


def test_the_lowest_loss_after_the_last_epoch_chooses_a_rate():
    found = [
        tried("adam", 3e-4, [0.1, 0.5]),  # its lowest loss lies before the last epoch
        tried("adam", None, [0.6, 0.4]),
        tried("adam", 3e-3, [0.1]),  # exploded: its second epoch is missing
        tried("sgd", 0.015, [0.6, 0.3]),
        tried("sgd", None, [0.6, 0.4]),
        tried("sgd", 0.15, [0.6, 0.5]),
    ]
    table = learning_rates.searched(found)
    assert learning_rates.chosen(table) == {"adam": None, "sgd": 0.015}
    text = learning_rates.sentence(table)
    assert "0.001 for Adam (the usual one), 0.015 for SGD" in text
    assert "For SGD that is the smallest or the largest" in text
    lost = learning_rates.searched([*found[:2], *found[3:]])  # Adam's largest did not survive an epoch
    assert "For SGD that is" in learning_rates.sentence(lost)
    shown = learning_rates.readable(table)
    assert shown.loc["Adam"].tolist() == ["0.500 at 0.0003", "0.400 at 0.001", "inf at 0.003", "0.001"]


def test_every_rate_that_was_tried_stays_in_the_results():
    found = [tried("adam", rate, [0.6, 0.4]) for rate in (3e-4, None, 3e-3)]
    rows: list[dict] = []
    stage = SimpleNamespace(row=lambda **fields: rows.append(results.row("classifier", **fields)))
    studies.record_search(stage, found, learning_rates.searched(found))
    assert [row["view"] for row in results.latest(rows)] == [
        f"validation:learning_rate={rate}" for rate in ("0.0003", "0.001", "0.003")
    ]


def test_a_rate_that_no_training_survives_is_told_as_such():
    found = [tried("adam", None, [0.6, 0.4]), tried("adam", 1e-2, [0.6, 0.5]), tried("sgd", None, [0.6, 0.4])]
    table = learning_rates.searched(found)
    assert learning_rates.chosen(table) == {"adam": None, "sgd": None}
    assert learning_rates.readable(table).loc["SGD"].tolist() == ["0.400 at 0.05", "not finite", "0.05"]
    assert learning_rates.sentence(table).startswith("Of 2 learning rates each")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_is_tried_at_the_same_factors(optimizer):
    usual = OPTIMIZERS[optimizer][1]
    low, own, high = learning_rates.rates(optimizer, (0.3, 1.0, 3.0))
    assert (low, own, high) == (pytest.approx(0.3 * usual), None, pytest.approx(3.0 * usual))
    assert len(str(high)) < 8  # 0.15, not 0.15000000000000002


def test_the_threshold_of_the_highest_f1_lies_in_the_middle_of_its_widest_gap():
    labels, probabilities = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.9])
    assert thresholds.best(labels, probabilities) == pytest.approx(0.4)
    assert thresholds.best(np.zeros(4, int), probabilities) == 0.5
    everything = thresholds.best(
        np.array([1, 0, 1]), np.array([0.2, 0.6, 0.9])
    )  # F1 0.8 of all, 0.67 of the last
    assert everything == pytest.approx(0.1)


def test_thresholds_are_chosen_on_validation_images_and_averaged_over_seeds():
    parts = []
    for seed, low in ((0, 0.2), (1, 0.4)):
        for view, shift in (("validation", 0.0), ("test", 0.05)):
            chances = np.where(LABELS == 1, low + 0.2, low) + shift
            images = {"label": LABELS, "probability": chances, "view": view, "seed": seed}
            parts.append(pd.DataFrame(images).assign(model="resnet18", split="grouped"))
    table = thresholds.table(pd.concat(parts), "resnet18").set_index("name")
    assert set(table["view"]) == {"test"}
    assert table.threshold[thresholds.CHOSEN] == pytest.approx((0.3 + 0.5) / 2)
    # at 0.5 the first seed calls nothing positive, the second what it should
    assert (table.precision["0.5"], table.recall["0.5"], table.f1["0.5"]) == (0.5, 0.5, 0.5)
    assert table.f1[thresholds.CHOSEN] == 1
    shown = thresholds.readable(table.reset_index())
    assert shown.index[-1] == "chosen on validation images: 0.40" and ("test", "F1") in shown.columns
