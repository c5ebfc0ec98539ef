"""Scores against scikit-learn, SciPy and hand calculations; calibration and comparisons by their properties."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, sem, t, ttest_rel
from sklearn import metrics as oracle

from fmlib import calibration, comparison, evaluation, intervals, judgement, metrics
from fmlib.bootstrap import bootstrap, resamples, statistics
from fmlib.errors import FmlibError, UsageError


def made_up(n=400, seed=0, noise=2.0, decimals=2):
    """Labels and ties-rich probabilities of a fair classifier."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, n)
    probabilities = 1 / (1 + np.exp(-(2 * labels - 1) * 1.5 - noise * random.normal(size=n)))
    return labels, probabilities.round(decimals)


def value(table: pd.DataFrame) -> dict:
    return dict(zip(table.metric, table.value, strict=True))


def expected(labels, probabilities) -> dict:
    """The oracle's values; what it warns of is settled by its zero_division."""
    called = probabilities >= 0.5
    found = {"accuracy": oracle.accuracy_score(labels, called)}
    for name in ("precision", "recall", "f1"):  # of no positives scikit-learn says 0, and warns
        score = getattr(oracle, f"{name}_score")
        found[name] = score(labels, called, zero_division=0) if any(labels) else np.nan
    if len(set(labels)) == 2:
        found["balanced_accuracy"] = oracle.balanced_accuracy_score(labels, called)
        found["auc"] = oracle.roc_auc_score(labels, probabilities)
        found["average_precision"] = oracle.average_precision_score(labels, probabilities)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_scores_equal_scikit_learn(seed):
    labels, probabilities = made_up(seed=seed)
    table = value(metrics.scores(labels, probabilities, resamples=10))
    for name, wanted in expected(labels, probabilities).items():
        assert table[name] == pytest.approx(wanted, abs=1e-6), name
    tn, fp, fn, tp = oracle.confusion_matrix(labels, probabilities >= 0.5).ravel()
    assert [table[name] for name in ("tn", "fp", "fn", "tp")] == [tn, fp, fn, tp]


def test_weighted_scores_equal_scikit_learn_with_sample_weights():
    labels, probabilities = made_up()
    weights = np.random.default_rng(1).integers(0, 4, (3, len(labels)))
    found = statistics(labels, probabilities, weights)
    for row, weight in enumerate(weights):
        known = {"sample_weight": weight}
        auc = oracle.roc_auc_score(labels, probabilities, **known)
        average = oracle.average_precision_score(labels, probabilities, **known)
        f1 = oracle.f1_score(labels, probabilities >= 0.5, **known)
        assert found["auc"][row] == pytest.approx(auc, abs=1e-5)
        assert found["average_precision"][row] == pytest.approx(average, abs=1e-5)
        assert found["f1"][row] == pytest.approx(f1, abs=1e-6)


images = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0])), min_size=1, max_size=12
)


@given(images)
@settings(max_examples=60, deadline=None)
def test_degenerate_inputs_are_scored_in_silence(pairs):
    labels, probabilities = (np.array(column) for column in zip(*pairs, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = metrics.scores(labels, probabilities, resamples=20)
    values = value(table)
    for name, wanted in expected(labels, probabilities).items():
        assert values[name] == pytest.approx(wanted, abs=1e-6, nan_ok=True), name
    if len(set(labels)) == 1:
        assert np.isnan(values["auc"]) and np.isnan(values["average_precision"])
    bounded = table.dropna()
    assert bounded.low.between(0, 1).all() and bounded.high.between(0, 1).all()


def test_no_images_have_no_scores():
    table = metrics.scores([], [])
    assert table.set_index("metric").value[["accuracy", "auc", "ece"]].isna().all()


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (3, 3), (7, 20), (990, 1000)])
def test_wilson_equals_scipy(hits, n):
    wanted = binomtest(hits, n).proportion_ci(method="wilson")
    assert intervals.wilson(hits, n) == pytest.approx((wanted.low, wanted.high))


def test_rates_carry_wilson_intervals_on_their_own_denominators():
    labels, probabilities = made_up()
    table = metrics.scores(labels, probabilities, resamples=10).set_index("metric")
    called = int((probabilities >= 0.5).sum())
    assert table.n["precision"] == called
    wanted = binomtest(int(table.value["tp"]), called).proportion_ci(method="wilson")
    assert table.loc["precision", ["low", "high"]].tolist() == pytest.approx([wanted.low, wanted.high])


def test_bootstrap_is_reproducible_and_covers_the_value():
    labels, probabilities = made_up()
    one, two = (metrics.scores(labels, probabilities, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    inside = one.dropna()
    assert ((inside.low <= inside.value) & (inside.value <= inside.high)).all()
    assert not one.equals(metrics.scores(labels, probabilities, seed=4))


def test_bootstrap_error_agrees_with_theory():
    labels, probabilities = made_up(n=800)
    drawn = bootstrap(labels, probabilities, np.arange(800), 2000)["accuracy"]
    rate = ((probabilities >= 0.5) == labels).mean()
    assert drawn.std() == pytest.approx(np.sqrt(rate * (1 - rate) / 800), rel=0.1)


def test_groups_are_drawn_whole_and_widen_intervals():
    groups = np.repeat(["a", "b", "c"], 4)
    weights = np.concatenate(list(resamples(groups, 50)))
    assert (weights.sum(axis=1) == 12).all()
    assert (weights.reshape(50, 3, 4) == weights.reshape(50, 3, 4)[:, :, :1]).all()
    labels, probabilities = (np.repeat(x, 5) for x in made_up(n=100))
    alone = metrics.scores(labels, probabilities).set_index("metric")
    grouped = metrics.scores(labels, probabilities, np.repeat(np.arange(100), 5)).set_index("metric")
    assert (grouped.high - grouped.low)["auc"] > 1.8 * (alone.high - alone.low)["auc"]


def test_a_perfect_score_is_not_certain():
    labels = np.array([0, 1] * 50)
    table = metrics.scores(labels, labels * 0.98 + 0.01).set_index("metric")
    for name in ("f1", "auc", "average_precision", "balanced_accuracy", "accuracy"):
        assert table.value[name] == 1 and table.high[name] == 1
        assert 0.9 < table.low[name] < 1, name
    more = metrics.scores(np.tile(labels, 10), np.tile(labels, 10)).set_index("metric")
    assert (more.low[["f1", "auc"]] > table.low[["f1", "auc"]]).all()


def test_an_f1_of_zero_is_not_certain():
    f1 = metrics.scores([1] * 20 + [0] * 20, [0.1] * 40).set_index("metric").loc["f1"]
    assert f1.value == 0 and f1.low == 0 and 0.1 < f1.high < 0.5


def test_a_balanced_accuracy_or_an_auc_of_zero_is_as_uncertain_as_one_of_one():
    labels = np.array([0, 1, 1] * 20)
    perfect, wrong = (metrics.scores(labels, said).set_index("metric") for said in (labels, 1 - labels))
    for name in ("balanced_accuracy", "auc"):
        assert wrong.value[name] == wrong.low[name] == 0
        assert wrong.high[name] == pytest.approx(1 - perfect.low[name]) and 0.01 < wrong.high[name] < 0.2


@pytest.mark.parametrize(
    ("labels", "probabilities", "error"),
    [
        ([0, 1], [0.5], UsageError),
        ([0, 2], [0.5, 0.5], UsageError),
        ([0, 1], [0.5, 1.5], UsageError),
        ([0, 1], [0.5, np.nan], FmlibError),
    ],
)
def test_bad_input_is_named(labels, probabilities, error):
    with pytest.raises(error):
        metrics.scores(labels, probabilities)


@pytest.mark.parametrize("n", [2, 3, 20])
def test_the_reach_of_a_mean_equals_scipy(n):
    values = np.random.default_rng(n).normal(size=n)
    low, high = t.interval(0.95, n - 1, values.mean(), sem(values))
    assert intervals.t_reach(values.std(ddof=1), n) == pytest.approx((high - low) / 2)
    assert intervals.t_reach(np.array([0.0, 1.0]), np.array([1, n])) == pytest.approx(
        [0, t.ppf(0.975, n - 1) / np.sqrt(n)]
    )


def test_rates_of_copies_have_the_interval_of_their_originals():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 40)
    right = rng.random(80) < 0.9
    probabilities = np.where(right == (labels == 1), 0.9, 0.1)
    once = metrics.scores(labels, probabilities).set_index("metric")
    groups = np.repeat(np.arange(80), 3)
    copies = metrics.scores(np.repeat(labels, 3), np.repeat(probabilities, 3), groups).set_index("metric")
    for name in metrics.RATES:
        assert copies.loc[name, ["value", "low", "high"]].tolist() == pytest.approx(
            once.loc[name, ["value", "low", "high"]].tolist()
        )
    assert intervals.effective(list("aaab")) == 1.6 and intervals.effective([]) == 0
    table = pd.DataFrame(
        {"label": np.repeat(labels, 3), "probability": np.repeat(probabilities, 3), "kind": "a"}
    )
    ends = metrics.breakdown(table.assign(group=groups), "kind")[["low", "high"]].iloc[0]
    assert ends.tolist() == pytest.approx(intervals.wilson((~right).sum(), 80))


def test_a_perfect_score_of_copies_is_that_of_their_originals():
    labels = np.repeat([0, 1], 20)
    once = metrics.scores(labels, labels.astype(float)).set_index("metric")
    copies = metrics.scores(
        np.repeat(labels, 4), np.repeat(labels, 4).astype(float), np.repeat(np.arange(40), 4)
    )
    for name in ("balanced_accuracy", "f1", "auc", "average_precision", "accuracy"):
        assert copies.set_index("metric").low[name] == pytest.approx(once.low[name])


def test_a_score_of_nothing_of_copies_is_that_of_their_originals():
    labels, groups = np.repeat([0, 1], 20), np.repeat(np.arange(40), 4)
    once = metrics.scores(labels, 1.0 - labels).set_index("metric")
    copies = metrics.scores(np.repeat(labels, 4), 1.0 - np.repeat(labels, 4), groups).set_index("metric")
    for name in ("balanced_accuracy", "f1", "auc", "accuracy"):
        assert copies.value[name] == 0 and copies.high[name] == pytest.approx(once.high[name])


def test_breakdown_counts_images_once_however_often_they_are_judged():
    once = pd.DataFrame(
        {"label": [1, 1, 0, 0], "probability": [0.9, 0.1, 0.2, 0.3], "kind": list("aabb"), "seed": 0}
    )
    twice = pd.concat([once, once.assign(seed=1)])
    table = metrics.breakdown(once, "kind")
    assert table[["value", "n", "errors", "rate"]].to_numpy().tolist() == [
        ["a", 2, 1.0, 0.5],
        ["b", 2, 0.0, 0.0],
    ]
    pd.testing.assert_frame_equal(table, metrics.breakdown(twice, "kind"))


def ece(labels, probabilities):
    return metrics.scores(labels, probabilities, only="ece").value.item()


def test_ece_by_hand():
    # bins of 1/15: 0.95 and 1.0 share the last, 0.1 lies in the second
    labels, probabilities = [1, 0, 0], [0.95, 1.0, 0.1]
    assert ece(labels, probabilities) == pytest.approx((abs(1.95 - 1) + 0.1) / 3)
    assert ece([1] * 9 + [0], [0.9] * 10) == pytest.approx(0, abs=1e-6)


def test_ece_by_chance_is_the_scatter_of_few_labels_and_nothing_where_all_is_certain():
    scatter = np.sqrt(2 / np.pi) * 0.5 / np.sqrt(400)  # mean deviation of a binomial share, nearly normal
    mean, low, high = calibration.ece_by_chance(np.full(400, 0.5), np.arange(400), draws=4000)
    assert mean == pytest.approx(scatter, rel=0.03)
    # 97.5% of a folded normal lie below 2.24 standard deviations
    assert high == pytest.approx(2.24 * 0.5 / np.sqrt(400), rel=0.05) and low < 0.002
    assert calibration.ece_by_chance(np.repeat([0.0, 1.0], 50), np.arange(100)) == (0, 0, 0)
    random = np.random.default_rng(1)
    probabilities = random.random(3000)
    honest = ece(random.random(3000) < probabilities, probabilities)
    _, low, high = calibration.ece_by_chance(probabilities, np.arange(3000))
    assert low < honest < high


def test_ece_by_chance_of_copies_is_that_of_as_many_groups():
    probabilities = np.random.default_rng(0).random(200)
    alone = calibration.ece_by_chance(probabilities, np.arange(200))
    copies = calibration.ece_by_chance(np.repeat(probabilities, 4), np.repeat(np.arange(200), 4))
    assert copies == pytest.approx(alone)


def test_reliability_keeps_every_image_and_its_frequencies():
    labels, probabilities = made_up()
    table = calibration.reliability(labels, probabilities)
    assert table.n.sum() == len(labels)
    assert (table.frequency * table.n).sum() == pytest.approx(labels.sum())
    assert ((table.low <= table.frequency) & (table.frequency <= table.high)).all()
    assert ((table.left <= table.predicted) & (table.predicted <= table.right)).all()


def test_reliability_of_copies_is_as_uncertain_as_that_of_their_originals():
    labels, probabilities = made_up()
    alone = calibration.reliability(labels, probabilities)
    copies = calibration.reliability(
        *(np.repeat(each, 3) for each in (labels, probabilities, range(len(labels))))
    )
    assert (copies.pop("n") == 3 * alone.pop("n")).all()
    pd.testing.assert_frame_equal(copies, alone)


@pytest.mark.parametrize("factor", [0.4, 1.0, 5.0])
def test_temperature_recovers_what_logits_were_multiplied_with(factor):
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, 20_000)
    labels = random.random(20_000) < 1 / (1 + np.exp(-logits))
    assert calibration.temperature(labels, logits * factor) == pytest.approx(factor, rel=0.05)


def test_temperature_has_the_lowest_loss_of_a_grid():
    labels, probabilities = made_up(n=5000, decimals=6)
    logits = 3 * np.log(probabilities / (1 - probabilities))
    grid = np.linspace(1, 12, 300)
    loss = [oracle.log_loss(labels, calibration.calibrated(logits, t)) for t in grid]
    assert calibration.temperature(labels, logits) == pytest.approx(grid[np.argmin(loss)], rel=0.03)


def test_temperature_stays_sane_where_nothing_can_be_fitted():
    assert calibration.temperature([1, 1], [3.0, 4.0]) == 1
    separable = calibration.temperature([0] * 50 + [1] * 50, [-4.0] * 50 + [4.0] * 50)
    assert 0.5 < separable < 2


def test_mcnemar_by_hand():
    labels, a, b = np.ones(10), np.ones(10), np.array([1] * 4 + [0] * 6)
    found = comparison.mcnemar(labels, a, b)
    assert (found.only_a, found.only_b) == (6, 0)
    assert found.p == pytest.approx(2 * 0.5**6)
    assert comparison.mcnemar(labels, a, a).p == 1


def test_pairs_of_models_are_tested_on_the_images_that_one_alone_gets_right():
    labels = np.array([1, 1, 1, 1, 0])
    models = {
        "a": np.array([0.9, 0.9, 0.9, 0.9, 0.1]),
        "b": np.array([[0.9, 0.2, 0.3, 0.1, 0.9], [0.9, 0.2, 0.6, 0.2, 0.3]]),  # two trainings
    }
    row = comparison.discordant(labels, models).iloc[0]
    assert (row.a, row.b, row.only_a, row.only_b) == ("a", "b", 4, 0)
    assert row.p_mcnemar == pytest.approx(2 * 0.5**4)


def test_paired_difference_equals_the_t_test():
    random = np.random.default_rng(0)
    a, b = random.normal(1, 1, 8), random.normal(0, 1, 8)
    found, wanted = comparison.paired_difference(a, b), ttest_rel(a, b)
    assert found.p == pytest.approx(wanted.pvalue)
    bounds = wanted.confidence_interval()
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high))


def test_paired_difference_of_few_or_equal_pairs():
    for a, b in (([1], [0]), ([1, 2, 3], [0, 1, 2]), ([0.9, 0.9], [0.875, 0.875])):
        same = comparison.paired_difference(a, b)
        assert same.value == pytest.approx(a[0] - b[0]) and np.isnan([same.low, same.high, same.p]).all()


def test_paired_bootstrap_is_narrower_than_two_apart():
    labels, a = made_up(decimals=6)
    b = np.clip(a + 0.02 * np.random.default_rng(1).normal(size=len(a)), 0, 1)
    gap = comparison.paired_bootstrap(labels, a, b, metric="auc")
    alone = metrics.scores(labels, a, only="auc").iloc[0]
    assert gap.high - gap.low < 0.3 * (alone.high - alone.low)
    assert gap.value == pytest.approx(
        oracle.roc_auc_score(labels, a) - oracle.roc_auc_score(labels, b), abs=1e-6
    )


def test_holm_by_hand():
    assert comparison.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert comparison.holm([np.nan, 0.01]) == pytest.approx([1, 0.02])


def test_ranking_names_ties_and_losers():
    labels, good = made_up(n=600, noise=1.0, decimals=6)
    _, poor = made_up(n=600, noise=8.0, decimals=6)
    table = comparison.ranking(labels, {"poor": poor, "good": good, "twin": good}).set_index("model")
    assert table.verdict["poor"] == "worse than the best"
    assert table["rank"].to_dict() == {"good": 1, "twin": 1, "poor": 3}
    assert "cannot be told apart from the best" in set(table.verdict)
    text = judgement.ranking_sentence(table.reset_index())
    assert "cannot be told apart" in text and "poor is worse" in text


def test_ranking_over_seeds_takes_calibration_errors_the_other_way():
    labels, probabilities = made_up(n=600, decimals=6)
    seeds = np.stack([probabilities, probabilities])
    table = comparison.ranking(labels, {"sure": np.round(seeds), "honest": seeds}, metric="ece")
    assert table.model.tolist() == ["honest", "sure"]
    assert table.verdict.tolist() == ["best", "worse than the best"]


def test_unknown_metric_lists_the_known_ones():
    with pytest.raises(UsageError, match="balanced_accuracy"):
        comparison.paired_bootstrap([0, 1], [0.1, 0.9], [0.2, 0.8], metric="kappa")


def test_external_sentence_says_where_auc_is_not_defined():
    rows = [
        ("test", "auc", 0.9),
        ("test", "balanced_accuracy", 0.8),
        ("external:street", "balanced_accuracy", 0.7),
    ]
    table = pd.DataFrame(rows, columns=["view", "metric", "value"]).assign(model="resnet18", split="grouped")
    assert judgement.external_sentence(table, {}).endswith("has 0.700 on street (one class only: no AUC).")
    assert "No pictures" in judgement.external_sentence(table.query("view == 'test'"), {})


def test_external_sentence_names_images_of_the_data_set_itself(tiny):
    halves = [replace(tiny, manifest=tiny.manifest[start::2]) for start in (0, 1)]
    known = judgement.known_images(halves[0], {"street": tiny, "none": halves[1]})
    assert known == {"external:street": 60, "external:none": 0}
    rows = [("test", 0.8), ("external:street", 0.7), ("external:none", 0.7)]
    table = pd.DataFrame(rows, columns=["view", "value"]).assign(
        metric="balanced_accuracy", model="resnet18", split="grouped"
    )
    said = judgement.external_sentence(table, known)
    assert said.endswith("But 60 images of street are images of the data set as well, byte for byte.")


def test_leak_is_the_paired_difference_between_splits():
    labels, grouped = made_up(decimals=6)
    official = np.clip(grouped + 0.3 * (2 * labels - 1), 0, 1)
    images = {"label": labels, "group": np.arange(400).astype(str), "path": [f"{i}" for i in range(400)]}
    keys = {"model": "alexnet", "view": "test", "seed": 0}
    table = pd.concat(
        pd.DataFrame({**images, **keys, "split": split, "probability": p})
        for split, p in (("official", official), ("grouped", grouped))
    )
    row = judgement.leak(table).iloc[0]
    wanted = [oracle.f1_score(labels, p >= 0.5) for p in (official, grouped)]
    assert row.difference == pytest.approx(wanted[0] - wanted[1], abs=1e-6)
    assert 0 < row.low < row.difference < row.high
    assert "AlexNet, test: +" in judgement.leak_sentence(judgement.leak(table))


def told(said: dict[str, list[float]], labels: list[int]) -> pd.DataFrame:
    """Predictions of a view: run -> probabilities; the first two images are of one group."""
    images = {"path": range(len(labels)), "group": [max(1, i) for i in range(len(labels))], "label": labels}
    parts = [
        pd.DataFrame({"model": run[0], "run": run, **images, "probability": p}) for run, p in said.items()
    ]
    return pd.concat(parts)


def test_images_that_every_run_misclassifies_are_counted():
    labels = [1, 1, 1, 0, 0]
    said = {"a0": [0.1, 0.1, 0.2, 0.6, 0.1], "a1": [0.2, 0.1, 0.7, 0.6, 0.1], "b0": [0.4, 0.3, 0.8, 0.7, 0.1]}
    text = judgement.shared_sentence(told(said, labels))
    assert text.startswith("3 images of 5, of 2 groups, are misclassified by all 3 runs of 2 models: ")
    assert "2 as a missed mask, 1 as a false alarm" in text
    assert text.endswith(f"F1 of {oracle.f1_score(labels, [0, 0, 1, 1, 0]):.4f}.")
    right = told({"a0": [0.9, 0.1], "b0": [0.1, 0.9]}, [1, 1])
    assert judgement.shared_sentence(right).startswith("Each of these 2 images is classified correctly")
    one = judgement.shared_sentence(told({"a0": [0.9, 0.1]}, [0, 0]))
    assert "1 image of 2, of 1 group, is misclassified by all 1 run of 1 model" in one
    assert "F1" not in one  # it is not defined without masks


def test_calibration_sentence_says_what_chance_alone_would_make():
    rows = [("ece", 0.04, 0.05), ("ece_calibrated", 0.012, 0.02), ("ece_by_chance", 0.007, 0.011)]
    columns = ["metric", "value", "high"]
    table = pd.DataFrame(rows, columns=columns).assign(model="alexnet", view="test")
    said = judgement.calibration_sentence(table)
    assert (
        "from 0.040 to 0.012 on test (perfectly" in said
        and "show 0.007 by chance, rarely more than 0.011)" in said
    )


def test_calibration_by_chance_is_that_of_the_calibrated_probabilities(tmp_path, monkeypatch):
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path))
    labels, probabilities = made_up(200)
    table = pd.DataFrame({"label": labels, "probability": probabilities, "logit": 0.0, "temperature": 0.5})
    table = table.assign(calibrated=probabilities**2, path=range(200), group=np.arange(200) // 2)
    table = table.assign(model="alexnet", split="grouped", seed=0, run="key", view="test")
    row = evaluation.scores(table, seed=3).set_index("metric").loc["ece_by_chance"]
    wanted = calibration.ece_by_chance(probabilities**2, np.arange(200) // 2, seed=3)
    assert (row.value, row.low, row.high) == pytest.approx(wanted) and row.n == 200


def test_few_seeds_widen_a_difference_as_student_s_t_does():
    rng, labels = np.random.default_rng(0), np.arange(2000) % 2
    noisy = [np.clip(labels * 0.2 + 0.4 + rng.normal(0, spread, 2000), 0, 1) for spread in (0.1, 0.2, 0.3)]
    same = [np.roll(noisy[1], 2 * shift) for shift in range(3)]  # three trainings of one quality
    apart = comparison.paired_bootstrap(labels, noisy, same, metric="auc")
    alike = comparison.paired_bootstrap(labels, same, same[::-1], metric="auc")
    scores = comparison.seed_scores(labels, noisy, "auc")
    by_seeds = t.ppf(0.975, 2) * scores.std(ddof=1) / np.sqrt(3)
    assert (apart.high - apart.low) / 2 == pytest.approx(by_seeds, rel=0.25)
    assert alike.high - alike.low < 0.05
