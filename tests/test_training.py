"""The loop learns, keeps its best weights, stops, resumes exactly, and leaves the world as it was."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from PIL import Image
from torch import nn
from torch.nn import functional as F

from fmlib import arithmetic, checkpoints, objectives, training
from fmlib.autoencoders import PlainVAE
from fmlib.config import OPTIMIZERS, REPO, AutoencoderConfig, ClassifierConfig
from fmlib.data import copies
from fmlib.data.batches import Batches
from fmlib.errors import FmlibError, UsageError


class Linear(nn.Module):
    """A classifier small enough for tests, with dropout so that randomness shows."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.dropout = nn.Linear(12, 2), nn.Dropout(0.2)

    def forward(self, images):
        return self.layer(self.dropout(images.flatten(1)))


@pytest.fixture
def batches():
    rng = np.random.default_rng(0)
    labels = np.arange(64) % 2
    images = (rng.integers(0, 100, (64, 2, 2, 3)) + 120 * labels[:, None, None, None]).astype(np.uint8)
    return Batches(images, labels, np.arange(48), 16, seed=1), Batches(images, labels, np.arange(48, 64), 16)


CONFIG = ClassifierConfig(epochs=6, learning_rate=0.05)


def fit(folder, batches, config=CONFIG):
    folder.mkdir(exist_ok=True)
    with torch.random.fork_rng():
        model = Linear()
    return model, training.Fit(model, config, *batches, folder).run()


@pytest.fixture
def other_accelerate(monkeypatch):
    """Accelerate as a new process meets it that is told to compute in another way."""

    def forget():
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()

    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "aot_eager")
    yield forget
    forget()


def test_accelerates_variables_change_no_weights(tmp_path, batches, other_accelerate, monkeypatch):
    monkeypatch.setattr(arithmetic, "precision", lambda device: "fp32")
    with monkeypatch.context() as patch:
        for name in ("MIXED_PRECISION", "GRADIENT_ACCUMULATION_STEPS", "DYNAMO_BACKEND"):
            patch.delenv(f"ACCELERATE_{name}")
        expected = fit(tmp_path / "plain", batches)[0].state_dict()
    other_accelerate()
    found = fit(tmp_path / "told", batches)[0].state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_who_wants_no_bar_gets_none_whenever_that_is_said(tmp_path, batches, monkeypatch, capsys):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    fit(tmp_path / "shown", batches)
    assert "resnet18 adam" in capsys.readouterr().err
    monkeypatch.setenv("TQDM_DISABLE", "1")
    fit(tmp_path / "hidden", batches)
    copies.find(lambda row: Image.new("RGB", (64, 64), (row, 0, 0)), 3)
    assert capsys.readouterr().err == ""


def test_every_bar_is_one_that_can_be_hidden():
    takes = re.compile(r"^ *(from tqdm|import tqdm)", re.MULTILINE)
    modules = sorted((REPO / "fmlib").rglob("*.py"))
    assert [path.name for path in modules if takes.search(path.read_text(encoding="utf-8"))] == [
        "progress.py"
    ]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns(tmp_path, batches, optimizer):
    _, history = fit(tmp_path, batches, replace(CONFIG, optimizer=optimizer, learning_rate=None, epochs=15))
    assert history.train_loss.iloc[-1] < history.train_loss.iloc[0]
    assert type(training.make_optimizer(optimizer, Linear())).__module__.startswith("torch.optim")


def test_history_is_what_the_model_scores_and_the_best_epoch_is_kept(tmp_path, batches):
    model, history = fit(tmp_path, batches)
    assert list(history.epoch) == [1, 2, 3, 4, 5, 6]
    with torch.inference_mode():
        (images, labels) = next(batches[1].ordered())
        loss = float(F.cross_entropy(model.eval()(images), labels))  # the classes are equal in number
    assert loss == pytest.approx(history.validation_loss.min(), rel=1e-2)  # history is measured in bf16


def test_same_seed_same_weights_and_other_seeds_others(tmp_path, batches):
    one, first = fit(tmp_path / "a", batches)
    two, second = fit(tmp_path / "b", batches)
    other, _ = fit(tmp_path / "c", batches, replace(CONFIG, seed=1))
    assert torch.equal(one.layer.weight, two.layer.weight)
    assert first.drop(columns="seconds").equals(second.drop(columns="seconds"))
    assert not torch.equal(one.layer.weight, other.layer.weight)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_interrupted_training_ends_as_an_undisturbed_one(tmp_path, batches, monkeypatch, optimizer):
    monkeypatch.setattr(checkpoints, "SHARE", float("inf"))
    config = replace(CONFIG, optimizer=optimizer)
    undisturbed, expected = fit(tmp_path / "a", batches, config)
    epoch = training.Fit._epoch

    def killed(self, number, bar):
        if number == 4:
            raise KeyboardInterrupt
        return epoch(self, number, bar)

    monkeypatch.setattr(training.Fit, "_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "b", batches, config)
    monkeypatch.setattr(training.Fit, "_epoch", epoch)
    resumed, history = fit(tmp_path / "b", batches, config)
    assert torch.equal(undisturbed.layer.weight, resumed.layer.weight)
    assert history.drop(columns="seconds").equals(expected.drop(columns="seconds"))


def test_best_weights_and_patience_survive_an_interruption(tmp_path, batches, monkeypatch):
    monkeypatch.setattr(checkpoints, "SHARE", float("inf"))
    train, validation = batches
    worse = (train, Batches(validation.images, 1 - validation.labels, validation.rows, 16))
    config = replace(CONFIG, epochs=30, patience=4)
    undisturbed, expected = fit(tmp_path / "a", worse, config)
    keep = training.Fit._keep

    def killed(self, row):
        keep(self, row)
        if row["epoch"] == len(expected) - 1:  # the best epoch is past, its weights are in no later state
            raise KeyboardInterrupt

    monkeypatch.setattr(training.Fit, "_keep", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "b", worse, config)
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["checkpoint.pt"]
    monkeypatch.setattr(training.Fit, "_keep", keep)
    resumed, history = fit(tmp_path / "b", worse, config)
    assert torch.equal(undisturbed.layer.weight, resumed.layer.weight)
    assert history.drop(columns="seconds").equals(expected.drop(columns="seconds"))


def test_training_stops_when_validation_no_longer_improves(tmp_path, batches):
    train, validation = batches
    flipped = Batches(validation.images, 1 - validation.labels, validation.rows, 16)
    _, history = fit(tmp_path, (train, flipped), replace(CONFIG, epochs=30, patience=2))
    assert len(history) - 1 - int(history.validation_loss.argmin()) == 2 and len(history) < 30


def test_without_patience_training_goes_to_the_end_and_keeps_its_last_weights(tmp_path, batches):
    train, validation = batches
    flipped = Batches(validation.images, 1 - validation.labels, validation.rows, 16)
    model, history = fit(tmp_path, (train, flipped), replace(CONFIG, epochs=6, patience=None))
    objective = objectives.classification(torch.ones(2))
    loss = training.evaluate(model, objective, flipped.ordered(), torch.device("cpu")).row("x")["x_loss"]
    assert len(history) == 6 and history.validation_loss.argmin() < 5
    assert loss == pytest.approx(history.validation_loss.iloc[-1], rel=1e-2)


def test_an_objective_is_told_how_far_training_is_even_after_an_interruption(tmp_path, batches, monkeypatch):
    monkeypatch.setattr(checkpoints, "SHARE", float("inf"))
    told, classification = [], objectives.classification(torch.ones(2))

    def objective(model, images, labels, progress):
        told.extend([progress] * model.training)
        return classification(model, images, labels, progress)

    monkeypatch.setattr(training, "objective_of", lambda config, train: objective)
    keep = training.Fit._keep

    def killed(self, row):
        keep(self, row)
        raise KeyboardInterrupt

    monkeypatch.setattr(training.Fit, "_keep", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, batches)
    monkeypatch.setattr(training.Fit, "_keep", keep)
    fit(tmp_path, batches)
    steps = CONFIG.epochs * len(batches[0])
    assert told == [step / steps for step in range(steps)]


def test_a_loss_that_explodes_is_named_or_the_last_good_weights_are_kept(
    tmp_path, batches, monkeypatch, capsys
):
    calls = iter(range(100))

    def objective(model, images, labels, progress):
        loss = objectives.classification(torch.ones(2))(model, images, labels, progress)
        return {**loss, "loss": loss["loss"] * (float("nan") if next(calls) > 5 else 1)}

    monkeypatch.setattr(training, "objective_of", lambda config, train: objective)
    model, history = fit(tmp_path / "a", batches)
    assert "not finite in epoch 2; the weights of epoch 1 are kept" in capsys.readouterr().err
    assert len(history) == 1 and torch.isfinite(model.layer.weight).all()
    with pytest.raises(FmlibError, match="lower the learning rate"):
        fit(tmp_path / "b", batches)


def test_the_global_random_state_is_left_alone(tmp_path, batches):
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    model = Linear.__new__(Linear)
    nn.Module.__init__(model)
    model.layer, model.dropout = nn.Linear(12, 2), nn.Dropout(0.2)
    torch.random.set_rng_state(state)
    training.Fit(model, CONFIG, *batches, tmp_path).run()
    assert torch.equal(torch.random.get_rng_state(), state)


def test_both_classes_weigh_alike_however_rare_one_is():
    labels = torch.tensor([0] * 30 + [1] * 10)
    weights = objectives.class_weights(np.array([0.75, 0.25]))
    assert weights[labels].mean() == pytest.approx(1)
    assert weights[labels][labels == 1].sum() == pytest.approx(float(weights[labels][labels == 0].sum()))
    logits = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    losses = objectives.classification(weights)(lambda images: logits, torch.zeros(40), labels)
    # torch's own weighted mean divides by the weights' sum, here the number of images
    expected = F.cross_entropy(logits, labels, weight=weights)
    assert losses["loss"] == pytest.approx(float(expected), rel=1e-5)
    even = np.mean([float(F.cross_entropy(logits[labels == k], labels[labels == k])) for k in (0, 1)])
    assert losses["loss"] == pytest.approx(even, rel=1e-5)


def test_the_loss_of_a_blended_image_is_that_of_both_by_their_shares():
    weights, logits = torch.tensor([0.6, 1.4]), torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    shares = torch.linspace(0, 1, 8)
    loss = objectives.classification(weights)(lambda images: logits, torch.zeros(8), shares)["loss"]
    log = logits.double().log_softmax(1)
    expected = -(0.6 * (1 - shares) * log[:, 0] + 1.4 * shares * log[:, 1]).mean()
    torch.testing.assert_close(loss.double(), expected)


def test_rate_rises_and_falls_to_nothing():
    factors = [training.rate_factor(step, 100) for step in range(101)]
    assert max(factors) == 1 and factors[100] == pytest.approx(0) and factors[0] < 0.1
    assert np.all(np.diff(factors[:15]) > 0)


def test_predict_returns_the_difference_of_logits_in_order(batches):
    model = Linear().eval()
    images, _ = next(Batches(batches[0].images, batches[0].labels, np.arange(64), 64).ordered())
    with torch.inference_mode():
        logits = model(images).double().numpy()
    found = training.predict(model, Batches(batches[0].images, batches[0].labels, np.arange(64), 7).ordered())
    np.testing.assert_allclose(found, logits[:, 1] - logits[:, 0], rtol=1e-5, atol=1e-6)


def test_objectives_name_their_parts(batches):
    vae = objectives.objective_of(AutoencoderConfig(model="vae"), batches[0])
    losses = vae(PlainVAE(32, 4), torch.rand(2, 3, 32, 32), None)
    assert losses["loss"].item() == pytest.approx((losses["reconstruction"] + losses["kl"]).item(), rel=1e-5)


def test_an_unknown_optimizer_is_misuse():
    with pytest.raises(UsageError, match="adadelta"):
        training.make_optimizer("lion", Linear())
