"""With too few groups of a class nothing is resampled: there is no interval and no model is better."""

import numpy as np
import pandas as pd
import pytest

from fmlib import comparison, evaluation, metrics
from fmlib.bootstrap import FEWEST, enough

RESAMPLED = ["balanced_accuracy", "f1", "auc", "average_precision", "ece"]


def test_three_images_tell_no_two_models_apart():
    labels = np.array([1, 0, 1])
    models = {"right": labels.astype(float), "wrong": 1.0 - labels}
    for metric in ("accuracy", "balanced_accuracy", "f1", "auc", "ece"):
        pair = comparison.pairs(labels, models, metric=metric).iloc[0]
        assert abs(pair.difference) == 1 and not pair.apart
        assert np.isnan([pair.low, pair.high, pair.p]).all()
        gap = comparison.paired_bootstrap(labels, *models.values(), metric=metric)
        assert abs(gap.value) == 1 and np.isnan([gap.low, gap.high, gap.p]).all() and gap.n == 3
    assert comparison.mcnemar(labels, labels, 1 - labels).p == 0.25
    table = comparison.ranking(labels, models)
    assert table["rank"].tolist() == [1, 1] and "best" not in set(table.verdict)


def test_no_fewer_groups_are_asked_for_than_an_exact_test_needs_to_tell_models_apart():
    def exact(images: int) -> float:
        """McNemar's p value where one of two models is right on every image and the other on none."""
        return comparison.mcnemar(*np.ones((2, images)), np.zeros(images)).p

    assert exact(FEWEST - 1) > 0.05 > exact(FEWEST)
    labels = np.repeat([0, 1], FEWEST)
    assert comparison.pairs(labels, {"right": labels, "wrong": 1 - labels}).apart.all()


@pytest.mark.parametrize("rare", [0, 1])
@pytest.mark.parametrize("groups", [FEWEST - 1, FEWEST])
def test_groups_of_the_rarer_class_are_counted_not_images(rare, groups):
    labels = np.where(np.arange(120) < 60, rare, 1 - rare)
    origin = np.where(np.arange(120) < 60, np.arange(120) % groups, np.arange(120))
    random = np.random.default_rng(0)
    probability = (0.3 + 0.4 * labels + random.normal(0, 0.2, 120)).clip(0, 1)
    table = metrics.scores(labels, probability, origin).set_index("metric")
    known = groups >= FEWEST
    assert table.value.notna().all()
    assert (table.loc[RESAMPLED, ["low", "high"]].notna() == known).all(axis=None)
    assert table.loc[list(metrics.RATES), ["low", "high"]].notna().all(axis=None)  # Wilson's
    gap = comparison.paired_bootstrap(labels, probability, random.random(120), origin)
    assert np.isfinite([gap.low, gap.high, gap.p]).all() == known


def test_a_group_of_both_classes_counts_for_each():
    groups = np.repeat(np.arange(FEWEST), 2)
    assert enough(np.tile([0, 1], FEWEST), groups)
    assert not enough([0] + [1] * (len(groups) - 1), groups)


def test_views_of_one_class_have_the_intervals_that_are_defined():
    labels, random = np.zeros(40, int), np.random.default_rng(0)
    one, two = random.random((2, 40))
    table = metrics.scores(labels, one).set_index("metric")
    assert np.isfinite(table.loc[["balanced_accuracy", "ece"], ["low", "high"]]).all(axis=None)
    assert np.isnan(table.value["auc"]) and np.isnan(table.low["auc"])
    gap = comparison.paired_bootstrap(labels, one, two, metric="accuracy")
    assert gap.low < gap.value < gap.high and 0 < gap.p <= 1


def test_a_perfect_score_of_few_images_keeps_its_closed_form():
    table = metrics.scores([0, 1, 1], [0.1, 0.9, 0.8]).set_index("metric")
    assert (table.high[["f1", "auc", "balanced_accuracy"]] == 1).all()
    assert (table.low[["f1", "auc", "balanced_accuracy"]] < 0.6).all() and np.isnan(table.low["ece"])


def scored(low: float, high: float, value: float = 0.75, metric: str = "f1") -> dict:
    keys = {"model": "alexnet", "split": "grouped", "view": "test"}
    return {**keys, "metric": metric, "value": value, "low": low, "high": high, "n": 5}


def test_a_mean_over_seeds_has_an_interval_only_where_each_seed_has_one():
    rows = [scored(0.4, 1.0, 1.0), scored(np.nan, np.nan)]
    mean = evaluation.over_seeds(pd.DataFrame(rows)).iloc[0]
    assert mean.value == 0.875 and np.isnan(mean.low) and np.isnan(mean.high)
    known = evaluation.over_seeds(pd.DataFrame([scored(0.4, 1.0, 1.0)] * 2)).iloc[0]
    assert (known.low, known.high) == (pytest.approx(0.4), 1)
