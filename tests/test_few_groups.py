"""With too few groups of a class nothing is resampled: there is no interval, no model is better, and texts say so."""

import json

import numpy as np
import pandas as pd
import pytest

from fmlib import comparison, evaluation, judgement, metrics, modelcard, readme, wording
from fmlib.bootstrap import FEWEST, enough
from fmlib.figures import metrics as figures

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


def test_scores_are_written_with_what_is_known_of_their_interval():
    assert wording.with_interval(0.75, 0.5, 1) == "0.750 [0.500, 1.000]"
    assert wording.with_interval(0.75, np.nan, np.nan, "+.2f") == "+0.75 (too few images to tell)"
    assert wording.with_interval(np.nan, np.nan, np.nan) == "not defined"


def test_sentences_and_tables_say_that_there_are_too_few_images():
    table = judgement.readable(pd.DataFrame([scored(np.nan, np.nan)]), "f1")
    assert table.to_numpy().tolist() == [["0.750 (too few images to tell)"]]
    gaps = pd.DataFrame({"model": ["alexnet"], "view": "test", "difference": 1.0})
    text = judgement.leak_sentence(gaps.assign(low=np.nan, high=np.nan))
    assert text.endswith("* AlexNet, test: +1.000 (too few images to tell).")
    assert "cannot be told from nothing" in judgement.leak_sentence(gaps.assign(low=-1.0, high=2.0))
    assert "cannot be told" not in judgement.leak_sentence(gaps.assign(low=0.5, high=2.0))


def test_a_table_in_markdown_leaves_the_interval_out():
    names = ("precision", "recall", "f1", "auc")
    rows = [{**scored(np.nan, np.nan, metric=name), "stage": "metrics", "train_size": None} for name in names]
    line = readme.score_table(pd.DataFrame(rows)).splitlines()[-1]
    assert line == "| AlexNet | grouped split | 0.7500 | 0.7500 | 0.7500 | 0.7500 | 0.7500 |"


def test_a_model_card_says_so_and_what_is_not_defined(tmp_path):
    config = {"model": "alexnet", "pretrained": False, "side": 32, "activation": None, "split": "grouped"}
    config |= {"epochs": 1, "optimizer": "adam", "augmentation": "none", "seed": 0, "data": "d", "code": "c"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "provenance.json").write_text(json.dumps({"images": 9, "commit": ""}))
    labels, logits = [0, 1, 1, 1, 0, 0, 0], [-1.0, 1, -1, 1, 2, -1, -1]
    table = pd.DataFrame({"split": ["test"] * 4 + ["validation"] * 3, "label": labels, "logit": logits})
    table.assign(group=range(7)).to_csv(tmp_path / "predictions.csv")
    card = modelcard.write(tmp_path)
    assert "| F1 | 4 test | 0.8000 | too few images to tell |" in card
    assert "| AUC | 3 validation | not defined | – |" in card and "nan" not in card


def test_figures_leave_the_interval_out(monkeypatch):
    monkeypatch.setattr(evaluation.tables, "remembered", lambda name, inputs, compute: compute())
    labels, logits = np.array([0, 1, 0, 1, 0, 1]), np.array([-1.0, 1, 1, -1, -2, 2])
    images = pd.DataFrame({"path": list("abcdef"), "group": list("abcdef"), "label": labels, "logit": logits})
    images = images.assign(probability=1 / (1 + np.exp(-logits)), view="test", split="grouped", seed=0)
    images = images.assign(calibrated=images.probability, temperature=1.0)
    table = pd.concat([images.assign(model=model, run=model) for model in ("alexnet", "resnet18")])
    summary = evaluation.over_seeds(evaluation.scores(table))
    assert summary[summary.metric.isin(RESAMPLED)].low.isna().all()
    costs = {"parameters": 1e6, "train_seconds": 1.0, "images_per_second": 1.0}
    drawn = [
        figures.roc_curves(table, summary),
        figures.precision_recall(table, summary),
        figures.architecture_comparison(summary, pd.DataFrame({"model": table.model.unique(), **costs})),
        figures.calibration(table, summary),
    ]
    for figure in drawn:
        figure.canvas.draw()
        texts = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
        assert not any("nan" in text for text in texts)
    listed = [text.get_text() for text in drawn[0].axes[0].texts]
    assert "AlexNet 0.778" in listed and "AUC (95% interval)" in listed
