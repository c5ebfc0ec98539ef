"""The autoencoders are what the original specifies, and their losses are right."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from fmlib import autoencoder_losses, autoencoders, better_autoencoders, training
from fmlib.config import AutoencoderConfig
from fmlib.data.pasting import Masks
from fmlib.errors import UsageError


def count(module, kind):
    return sum(isinstance(m, kind) for m in module.modules())


def test_dae_has_the_layers_of_the_specification():
    dae = better_autoencoders.build("dae", 64, 0)
    assert [count(dae.encoder, kind) for kind in (nn.Conv2d, nn.ReLU, nn.MaxPool2d)] == [4, 4, 4]
    convolutions = [m for m in dae.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    assert all(m.kernel_size == (3, 3) and m.padding == (1, 1) for m in convolutions)
    transposed = [m for m in dae.decoder.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert len(transposed) == 4 and all(m.stride == (2, 2) for m in transposed)


def test_vae_has_the_layers_of_the_specification():
    vae = better_autoencoders.build("vae", 64, 16)
    down = [m for m in vae.encoder.modules() if isinstance(m, nn.Conv2d)]
    up = [m for m in vae.decoder.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert len(down) == len(up) == 5
    assert all(m.kernel_size == (3, 3) and m.stride == (2, 2) and m.padding == (1, 1) for m in down + up)
    for part, hidden in ((vae.encoder, 5), (vae.decoder, 4)):
        assert count(part, nn.BatchNorm2d) == count(part, nn.LeakyReLU) == hidden


@pytest.mark.parametrize(("name", "side"), [("dae", 32), ("dae", 48), ("unet", 36), ("vae", 32), ("vae", 96)])
def test_reconstructions_are_images_of_the_same_size(name, side):
    model = better_autoencoders.build(name, side, 8).eval()
    images = torch.rand(3, 3, side, side)
    with torch.inference_mode():
        out = model(images)
    assert out.shape == images.shape and out.min() >= 0 and out.max() <= 1


@pytest.mark.parametrize(
    ("name", "side"), [("dae", 40), ("unet", 34), ("vae", 48), ("vae-per-class", 48), ("cvae", 36)]
)
def test_a_side_that_the_strides_do_not_divide_is_misuse(name, side):
    with pytest.raises(UsageError, match=f"{side} px"):
        better_autoencoders.build(name, side, 8)


def test_elbo_terms_against_float64_references():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(2, 5, 7))
    images, logits = rng.random((5, 3, 4, 4)), rng.normal(size=(5, 3, 4, 4)) * 4
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(1)
    p = 1 / (1 + np.exp(-logits))
    bce = -(images * np.log(p) + (1 - images) * np.log(1 - p)).sum((1, 2, 3))
    given = [torch.from_numpy(a).float() for a in (mean, log_variance, logits, images)]
    np.testing.assert_allclose(autoencoders.gaussian_kl(*given[:2]), kl, rtol=1e-5)
    np.testing.assert_allclose(autoencoders.bernoulli_loss(*given[2:]), bce, rtol=1e-5)
    # Monte Carlo: KL is the mean of log q - log p under q
    q = torch.distributions.Normal(torch.tensor(mean[0]), torch.tensor(np.exp(log_variance[0] / 2)))
    z = q.sample((200_000,))
    estimate = (q.log_prob(z) - torch.distributions.Normal(0, 1).log_prob(z)).sum(1).mean()
    assert abs(float(estimate) - kl[0]) < 0.05


def test_kl_of_a_standard_normal_is_zero():
    assert torch.equal(autoencoders.gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3)), torch.zeros(2))


def test_noise_has_the_asked_for_strength_and_stays_in_range():
    torch.manual_seed(0)
    grey = torch.full((8, 3, 32, 32), 0.5)
    assert abs(float((autoencoders.add_noise(grey, 0.1) - grey).std()) - 0.1) < 0.005
    loud = autoencoders.add_noise(grey, 2.0)
    assert loud.min() == 0 and loud.max() == 1


def test_an_unmasking_dae_has_to_give_back_what_lies_below_masks_and_to_say_where_they_were():
    torch.manual_seed(0)
    black = Masks(np.zeros((2, 32, 32, 3), np.uint8), np.full((2, 32, 32), 255, np.uint8))
    images, seen = torch.full((400, 3, 32, 32), 0.5), []

    def copy(spoiled):  # and calls covered what is darker than the images were
        seen.append(spoiled)
        return torch.cat([spoiled, 1 - 2 * spoiled[:, :1]], 1)

    losses = autoencoder_losses.unmasking(0.0, black)(copy, images, torch.zeros(400))
    covered = seen[0][:, 0, 16, 16] < 0.01
    assert abs(covered.float().mean() - autoencoder_losses.COVERED) < 0.1
    assert float(losses["restored"]) == pytest.approx(float((seen[0] - images).square().mean()))
    assert float(losses["found"]) == pytest.approx(0, abs=1e-9)
    assert losses["loss"] == losses["restored"] + losses["found"]
    finding = autoencoder_losses.unmasking(0.0, black, restore=False)(copy, images, torch.zeros(400))
    assert finding["loss"] == finding["found"] < finding["restored"]
    assert torch.equal(seen[0][~covered], images[~covered])


def test_an_unmasking_dae_is_the_specified_one_with_a_map_more():
    plain, other = (better_autoencoders.build(name, 32, 0) for name in ("dae", "unmasking"))
    assert other(torch.rand(2, 3, 32, 32)).shape == (2, 4, 32, 32)
    plain.encoder.load_state_dict(other.encoder.state_dict())
    for name in ("unmasking", "mask-finder"):
        with pytest.raises(UsageError, match=f"'{name}' finds masks"):
            AutoencoderConfig(model=name)


def test_the_gaussian_likelihood_is_scipys_at_its_best_variance():
    rng = np.random.default_rng(0)
    images, restored = rng.random((2, 4, 3, 5, 5))
    given = [torch.from_numpy(a).float() for a in (restored, images)]
    variance = np.square(images - restored).mean()
    expected = -stats.norm.logpdf(images, restored, np.sqrt(variance)).sum((1, 2, 3)).mean()
    assert float(autoencoders.gaussian_loss(*given)) == pytest.approx(expected, rel=1e-5)
    for other in (0.9 * variance, 1.1 * variance):
        assert expected < -stats.norm.logpdf(images, restored, np.sqrt(other)).sum((1, 2, 3)).mean()


def test_free_nats_cost_nothing_and_the_rest_of_the_kl_divergence_does():
    vae, images, labels = (
        better_autoencoders.build("cvae", 32, 16),
        torch.rand(4, 3, 32, 32),
        torch.tensor([0, 1, 0, 1]),
    )
    losses = autoencoder_losses.sharp_elbo()(vae, images, labels)
    free = 16 * autoencoder_losses.FREE_NATS
    paid = losses["loss"] - losses["reconstruction"]
    assert losses["kl"] > 0 and paid >= free - 1e-3 and losses["kl"] - 1e-3 <= paid <= losses["kl"] + free


def test_the_kl_divergence_weighs_beta_once_training_has_warmed_up():
    torch.manual_seed(0)
    vae, images = better_autoencoders.build("cvae", 32, 16), torch.rand(4, 3, 32, 32)
    labels, paid = torch.tensor([0, 1, 0, 1]), {}
    for beta, warm_up, progress in (
        (1, 0, 0),
        (0.5, 0, 0),
        (1, 0.4, 0),
        (1, 0.4, 0.1),
        (1, 0.4, 0.4),
        (1, 0.4, 1),
    ):
        torch.manual_seed(1)
        losses = autoencoder_losses.sharp_elbo(beta, warm_up)(vae, images, labels, progress)
        paid[beta, warm_up, progress] = (losses["loss"] - losses["reconstruction"]).item()
    whole = paid.pop((1, 0, 0))
    assert whole > 0
    assert list(paid.values()) == pytest.approx([whole / 2, 0, whole / 4, whole, whole], abs=1e-2)


def test_a_configuration_decides_what_a_cvae_minimises():
    torch.manual_seed(0)
    vae, images = better_autoencoders.build("cvae", 32, 16), torch.rand(4, 3, 32, 32)
    labels, losses = torch.tensor([0, 1, 0, 1]), set()
    for settings in ({}, {"beta": 0.5}, {"warm_up": 0.5}, {"edges": 0.5}):
        torch.manual_seed(1)
        objective = autoencoder_losses.objective(AutoencoderConfig(model="cvae", **settings))
        losses.add(round(objective(vae, images, labels, 0.1)["loss"].item(), 2))
    assert len(losses) == 4


def test_edges_are_differences_between_neighbours():
    rng = np.random.default_rng(0)
    images, restored = torch.from_numpy(rng.random((2, 4, 3, 5, 5))).float()
    across = autoencoders.gaussian_loss(
        restored[..., 1:] - restored[..., :-1], images[..., 1:] - images[..., :-1]
    )
    down = autoencoders.gaussian_loss(
        restored[..., 1:, :] - restored[..., :-1, :], images[..., 1:, :] - images[..., :-1, :]
    )
    assert float(autoencoders.edge_loss(restored, images)) == pytest.approx(float(across + down))
    brighter = autoencoders.edge_loss(restored + 0.1, images)
    assert float(brighter) == pytest.approx(float(across + down), abs=1e-2)


def test_a_conditional_vae_needs_whole_cells_and_makes_use_of_labels():
    with pytest.raises(UsageError, match="multiple of its 16 cells"):
        better_autoencoders.build("cvae", 32, 100)
    vae = better_autoencoders.build("cvae", 32, 16).eval()
    images, labels = torch.rand(2, 3, 32, 32), torch.tensor([0, 1])
    with torch.inference_mode():
        mean, log_variance = vae.encode(images, labels)
        assert mean.shape == log_variance.shape == (2, 16)
        assert not torch.equal(vae.decode(mean, labels), vae.decode(mean, 1 - labels))


def test_a_vae_per_class_keeps_classes_apart_and_images_in_order():
    torch.manual_seed(0)
    vae, images = better_autoencoders.build("vae-per-class", 32, 4), torch.rand(5, 3, 32, 32)
    labels = torch.tensor([1, 0, 1, 1, 0])
    alone = vae.train().decode_logits(vae.encode(images[:2], labels[:2])[0], labels[:2])
    assert alone.shape == (2, 3, 32, 32) and alone.isfinite().all()
    with torch.inference_mode():
        found = vae.eval()(images, labels)
        for image, label, made in zip(images, labels, found, strict=True):
            torch.testing.assert_close(made[None], vae.of_class[label](image[None]), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(vae(images[1:2], labels[1:2]), found[1:2], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["vae", "vae-per-class", "cvae"])
def test_a_vae_overfits_sixteen_images(name):
    torch.manual_seed(0)
    yy, xx = np.mgrid[:32, :32] / 31
    images = torch.tensor(
        np.stack([[xx**a, yy**b, (xx * yy) ** a] for a in (0.5, 1, 2, 4) for b in (0.5, 1, 2, 4)])
    ).float()
    labels = torch.arange(16) % 2
    vae = better_autoencoders.build(name, 32, 16)
    optimizer = training.make_optimizer("adam", vae, 3e-3)
    objective = autoencoder_losses.objective(AutoencoderConfig(model=name))
    for _ in range(60):
        optimizer.zero_grad()
        objective(vae, images, labels)["loss"].backward()
        optimizer.step()
    with torch.inference_mode():
        assert ((vae.eval()(images, labels) - images) ** 2).mean() < 0.25 * images.var()
