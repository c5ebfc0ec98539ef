"""The maps against pytorch-gradcam and a hand calculation; what is measured about them against hand-made maps."""

import copy
import gc
import warnings

import gradcam
import numpy as np
import psutil
import pytest
import torch
from torch import nn

from fmlib import models
from fmlib.bootstrap import mean_interval
from fmlib.config import ARCHITECTURES
from fmlib.errors import UsageError
from fmlib.explain import (
    METHODS,
    Contrast,
    bands,
    cams,
    coloured,
    explainer,
    faithfulness,
    measures,
    reference,
    sanity,
    tables,
)

SIDE = 48


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state and leaves the global one alone."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


class Tiny(nn.Module):
    """Convolution, ReLU, mean, linear layer: small enough for a calculation by hand."""

    def __init__(self, classes: int = 2, inplace: bool = False):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace)
        self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(4, classes)

    @property
    def cam_layer(self) -> nn.Module:
        return self.relu

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.relu(self.conv(images)).mean((2, 3)))


class Brightness(nn.Module):
    """Sure of class 1 as far as the region of the image is bright."""

    def __init__(self, region: torch.Tensor):
        super().__init__()
        self.register_buffer("region", region)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        light = (images.mean(1) * self.region).sum((1, 2)) / self.region.sum()
        return torch.stack([torch.zeros_like(light), 10 * (light - 0.5)], 1)


def package_maps(
    model: nn.Module, layer: nn.Module, images: torch.Tensor, method: str, classes: list[int]
) -> np.ndarray:
    """Maps N H W of the untouched package, of a class for each image, on a copy of the model (its hooks stay)."""
    names = {id(module): name for name, module in model.named_modules()}
    # maps need no gradient of weights, which takes long
    model = copy.deepcopy(model).eval().requires_grad_(False)
    make = {"gradcam": gradcam.GradCAM, "gradcam++": gradcam.GradCAMpp}[method]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cam = make(model, model.get_submodule(names[id(layer)]))
        maps = [
            cam(image[None].requires_grad_(), class_idx=index)[0][0, 0]
            for image, index in zip(images, classes, strict=True)
        ]
    return np.stack([np.asarray(saliency) for saliency in maps])


def layer_used_once(model: nn.Module) -> nn.Module:
    """A CAM layer that the untouched package can hook: EfficientNet may use its activation module repeatedly."""
    return model.net._bn1 if model.name.startswith("efficientnet") else model.cam_layer


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_batched_maps_equal_those_of_pytorch_gradcam(name):
    model = models.build(name, side=SIDE)
    exact = copy.deepcopy(model).double()
    images, classes = torch.rand(64, 3, SIDE, SIDE), torch.arange(64) % 2
    with explainer(model, layer_used_once(model)) as explain:
        cams = explain(images)
    few = slice(16)  # in double precision, which takes long
    with explainer(exact, layer_used_once(exact)) as explain:
        exact_cams = explain(images[few].double())
    for method in METHODS:
        theirs = package_maps(model, layer_used_once(model), images, method, classes.tolist())
        truth = package_maps(
            exact, layer_used_once(exact), images[few].double(), method, classes[few].tolist()
        )
        for mine, wanted, apart in (
            (cams.of(method, classes).numpy(), theirs, 1e-4),
            (exact_cams.of(method, classes[few]).numpy(), truth, 1e-6),
        ):
            finite = np.isfinite(wanted).all((1, 2))
            assert finite.mean() > 0.5
            np.testing.assert_allclose(mine[finite], wanted[finite], rtol=0, atol=apart)
            assert (mine[~finite] == 0).all()


@pytest.mark.slow
def test_maps_that_hang_on_rounding_are_those_of_the_image_alone():
    """AlexNet's gradients differ from cell to cell; with logits as steep as after training, denominators cancel."""
    torch.manual_seed(0)
    model = models.build("alexnet", side=64)
    with torch.no_grad():
        model.net.classifier[6].weight *= 20
    images, classes, passes = torch.rand(16, 3, 64, 64), torch.arange(16) % 2, []
    model.register_forward_pre_hook(lambda module, inputs: passes.append(len(inputs[0])))
    with explainer(model) as explain:
        batch = explain(images)
        again = passes.count(1)
        alone = [explain(image[None]).maps["gradcam++"] for image in images]
    assert passes[0] == 16 and 0 < again <= 16
    with reference(model) as package:
        theirs = [package.map("gradcam++", *pair) for pair in zip(images, classes.tolist(), strict=True)]
    np.testing.assert_allclose(batch.of("gradcam++", classes).numpy(), theirs, rtol=0, atol=1e-4)
    torch.testing.assert_close(batch.maps["gradcam++"], torch.cat(alone), rtol=0, atol=1e-4)


def test_a_contrast_has_the_same_probabilities_and_ignores_what_the_logits_share():
    model, images = Tiny(), torch.rand(4, 3, 8, 8)
    shifted = copy.deepcopy(model)
    with torch.no_grad():
        shifted.head.weight += torch.randn(1, 4)  # the same for both classes
    contrast = Contrast(model)
    assert torch.allclose(contrast(images).softmax(1), model(images).softmax(1), atol=1e-6)
    maps = []
    for network in (contrast, Contrast(shifted), model, shifted):
        with explainer(network) as explain:
            maps.append(explain(images).maps["gradcam"])
    assert torch.allclose(maps[0], maps[1], atol=1e-4)
    assert not torch.allclose(maps[2], maps[3], atol=1e-2)


def test_a_contrast_has_its_models_cam_layer_or_none():
    with explainer(Contrast(Tiny())) as explain:
        assert explain(torch.rand(1, 3, 8, 8)).of("gradcam", 1).shape == (1, 8, 8)
    with pytest.raises(UsageError, match="no cam_layer"), explainer(Contrast(nn.Linear(2, 2))):
        pass


def test_the_mean_of_the_classes_weights_is_never_trained():
    model = Tiny()
    start = model.head.weight.detach().mean(0)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(5):
        loss = nn.functional.cross_entropy(model(torch.rand(8, 3, 8, 8)), torch.arange(8) % 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.allclose(model.head.weight.mean(0), start, atol=1e-6)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_reference_draws_the_same_at_the_models_own_layer_without_a_warning(name):
    model, images = models.build(name, side=SIDE).double(), torch.rand(2, 3, SIDE, SIDE, dtype=torch.double)
    with explainer(model) as explain:
        cams = explain(images)
    with warnings.catch_warnings(), reference(model) as draw:
        warnings.simplefilter("error")
        for method in METHODS:
            for i, index in ((0, 0), (0, 1), (1, 0), (1, 1)):
                expected = draw.map(method, images[i], index)
                np.testing.assert_allclose(cams.of(method, index)[i].numpy(), expected, atol=1e-4)


def test_maps_equal_a_calculation_by_hand_in_double_precision():
    model, images = Tiny().double(), torch.rand(3, 3, 5, 5, dtype=torch.double)
    with explainer(model) as explain:
        cams = explain(images)
    weights = model.head.weight.detach().numpy()
    activations = model.relu(model.conv(images)).detach().numpy()
    for index in (0, 1):
        gradient = weights[index] / 25  # of the logit by every pixel of feature map k
        below = 2 * gradient**2 + gradient**3 * activations.sum((2, 3)) + 1e-7
        plus = 25 * gradient**2 / below * np.maximum(gradient, 0)
        plain = np.broadcast_to(gradient, (3, 4))
        for method, factors in (("gradcam", plain), ("gradcam++", plus)):
            saliency = np.maximum(np.einsum("nk,nkhw->nhw", factors, activations), 0)
            saliency -= saliency.min((1, 2), keepdims=True)
            saliency /= np.maximum(saliency.max((1, 2), keepdims=True), 1e-300)
            np.testing.assert_allclose(cams.of(method, index).numpy(), saliency, atol=1e-12)


def test_a_flat_map_is_zeros_in_both_implementations():
    model = Tiny()
    nn.init.zeros_(model.head.weight)
    images = torch.rand(2, 3, 8, 8)
    with explainer(model) as explain:
        cams = explain(images)
    with reference(model) as draw:
        drawn = [draw.map(method, images[0], 1) for method in METHODS]
    assert all((cams.maps[method] == 0).all() for method in METHODS)
    assert all((saliency == 0).all() for saliency in drawn)


@pytest.mark.parametrize("method", METHODS)
def test_logits_of_a_million_do_not_overflow(method):
    model, images = Tiny(), torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        model.head.weight.mul_(1e6)
        model.head.bias.copy_(torch.tensor([1e6, -1e6]))
    with explainer(model) as explain:
        ours = explain(images).of(method, 1)
    with reference(model) as draw:
        drawn = draw.map(method, images[0], 1)
    assert ours.isfinite().all() and ours.amax((1, 2)).tolist() == [1, 1]
    np.testing.assert_allclose(drawn, ours[0].numpy(), atol=1e-4)


@pytest.mark.parametrize("opened", [explainer, reference])
def test_the_model_is_left_as_it_was_even_by_an_error(opened):
    model = Tiny().train()
    model.norm.eval()
    model.conv.weight.requires_grad_(False)
    model(torch.rand(2, 3, 8, 8)).sum().backward()
    before = state_of(model)
    with pytest.raises(ZeroDivisionError), opened(model) as explain:
        assert not model.training and len(model.relu._forward_hooks) == 1
        explain(torch.rand(1, 3, 8, 8)) if opened is explainer else explain.map(
            "gradcam", torch.rand(3, 8, 8), 0
        )
        raise ZeroDivisionError
    assert state_of(model) == before
    with pytest.raises(UsageError, match="no layer 'nowhere'"), opened(model, "nowhere"):
        pass
    assert state_of(model) == before


def state_of(model: nn.Module) -> list:
    """Modes, hooks, needs and gradients of every part, as plain values."""
    modules = [
        (m.training, len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
        for m in model.modules()
    ]
    gradients = [(p.requires_grad, None if p.grad is None else p.grad.tolist()) for p in model.parameters()]
    return [modules, gradients, torch.is_grad_enabled()]


@pytest.mark.parametrize("surrounding", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_maps_do_not_depend_on_the_surrounding_gradient_mode(surrounding):
    model, images = Tiny(), torch.rand(2, 3, 8, 8)
    with explainer(model) as explain:
        expected = explain(images).of("gradcam", 1)
    with surrounding():
        inside = images * 1
        with explainer(model) as explain:
            cams = explain(inside)
    assert torch.equal(cams.of("gradcam", 1), expected)
    assert not cams.logits.requires_grad


def test_a_layer_that_works_in_place_behind_the_tap_changes_nothing():
    model, images = Tiny(inplace=False), torch.rand(2, 3, 8, 8)
    other = Tiny(inplace=True)
    other.load_state_dict(model.state_dict())
    maps = []
    for each in (model, other):
        with explainer(each, "conv") as explain:
            maps.append(explain(images).of("gradcam++", 0))
    assert torch.equal(*maps)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_images_and_models_give_nearly_the_same_maps(dtype):
    model, images = Tiny(), torch.rand(4, 3, 16, 16).to(dtype).float()
    with explainer(model) as explain:
        expected, from_half = explain(images), explain(images.to(dtype))
    with explainer(copy.deepcopy(model).to(dtype)) as explain:
        half = explain(images)
    for method in METHODS:
        assert torch.equal(from_half.maps[method], expected.maps[method])
        assert half.maps[method].dtype == torch.float32
        assert (half.maps[method] - expected.maps[method]).abs().mean() < 0.05


def test_a_batch_of_one_another_size_and_a_class_for_each_image():
    model = models.build("alexnet", side=64)
    with explainer(model) as explain:
        several, one = explain(torch.rand(3, 3, 80, 80), size=(20, 20)), explain(torch.rand(1, 3, 64, 64))
    assert several.maps["gradcam"].shape == (3, 2, 20, 20) and one.of("gradcam++", 0).shape == (1, 64, 64)
    mixed = several.of("gradcam", torch.tensor([0, 1, 0]))
    assert torch.equal(mixed[1], several.of("gradcam", 1)[1])


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_a_batch_larger_than_what_fits_the_cache_is_explained_in_parts_with_the_same_maps(
    monkeypatch, at_once
):
    model, images, passes = Tiny(), torch.rand(5, 3, 8, 8), []
    with explainer(model) as explain:
        whole = explain(images)
    monkeypatch.setattr(cams, "TILE", at_once * 8 * 8)
    model.register_forward_pre_hook(lambda module, inputs: passes.append(len(inputs[0])))
    with explainer(model) as explain:
        parts = explain(images)
    assert passes == [len(part) for part in images.split(at_once)]
    assert torch.allclose(parts.logits, whole.logits, atol=1e-6)
    for method in METHODS:
        assert torch.allclose(parts.maps[method], whole.maps[method], atol=1e-5)


def test_every_misuse_has_one_clear_message():
    images = torch.rand(1, 3, 8, 8)
    with pytest.raises(UsageError, match="no cam_layer"), explainer(nn.Linear(2, 2)):
        pass
    with pytest.raises(UsageError, match="not part of"), explainer(Tiny(), nn.Conv2d(3, 3, 1)):
        pass
    with pytest.raises(UsageError, match="not feature maps"), explainer(Tiny(), "head") as explain:
        explain(images)
    with pytest.raises(UsageError, match="took no part"), explainer(Tiny(), "norm") as explain:
        explain(images)
    model = Tiny()
    with (
        explainer(model),
        pytest.raises(UsageError, match="already"),
        explainer(Contrast(model), "model.conv"),
    ):
        pass
    with pytest.raises(UsageError, match="float batch"), explainer(Tiny()) as explain:
        explain((images * 255).byte())


def test_ten_thousand_maps_leave_no_tensor_and_no_memory_behind():
    model, images = Tiny(), torch.rand(50, 3, 16, 16)
    per_batch, used = len(images) * len(METHODS) * 2, []
    with explainer(model) as explain:
        for _ in range(3):
            for _ in range(10_000 // per_batch):
                explain(images)
            tensors = len([t for t in gc.get_objects() if type(t) is torch.Tensor])
            used.append((tensors, psutil.Process().memory_info().rss))
    assert used[2][0] == used[1][0]
    assert used[2][1] - used[1][1] < 4e6  # bytes; the maps of one round are 10 MB


def test_the_packages_colours_make_a_heat_map_and_an_overlay():
    heatmap, overlay = coloured(np.linspace(0, 1, 64).reshape(8, 8), np.full((8, 8, 3), 0.5))
    assert heatmap.shape == overlay.shape == (8, 8, 3)
    assert heatmap[0, 0].argmax() == 2 and heatmap[-1, -1].argmax() == 0  # blue is low, red is high
    assert overlay.max() == 1


def hand_made() -> tuple[torch.Tensor, torch.Tensor]:
    """Maps 4 x 4 (a corner, half in and half out, flat) with the top left quarter as region."""
    maps = torch.zeros(3, 4, 4)
    maps[0, 0, 0] = 1
    maps[1, 0, 1] = maps[1, 0, 2] = 1
    region = torch.zeros(4, 4, dtype=torch.bool)
    region[:2, :2] = True
    return maps, region.expand(3, 4, 4)


def test_measures_of_hand_made_maps():
    maps, region = hand_made()
    assert measures.pointing_game(maps, region).tolist() == [1, 0.5, 0]
    assert measures.energy_inside(maps, region).tolist() == [1, 0.5, 0]
    assert measures.iou_top(maps, region, share=2 / 16).tolist() == pytest.approx([1 / 4, 1 / 5, 0])
    assert measures.energy_inside(maps, measures.border(4, 0.25).expand(3, 4, 4)).tolist() == [1, 1, 0]
    nothing = measures.pointing_game(maps, torch.zeros(3, 4, 4, dtype=torch.bool))
    assert nothing.isnan().all()


def test_an_even_map_holds_what_the_area_holds_and_the_centre_prior_more_in_the_middle():
    frame = measures.border(20)[None]
    assert measures.energy_inside(torch.ones(1, 20, 20), frame).item() == pytest.approx(0.36)
    prior = measures.centre_prior(20)[None]
    assert prior.max() == 1 and measures.energy_inside(prior, frame).item() < 0.36
    assert torch.allclose(prior, prior.flip(1)) and torch.equal(prior, prior.transpose(1, 2))


def test_regions_shrink_by_majority_and_never_vanish():
    regions = torch.zeros(2, 96, 96, dtype=torch.bool)
    regions[0, 48:] = True
    regions[1, 5, 5] = True
    small = measures.resized(regions, 32)
    assert small.shape == (2, 32, 32) and small[0, 16:].all() and not small[0, :16].any()
    assert small[1].sum() == 1 and small[1, 1, 1]
    assert not measures.resized(torch.zeros(1, 9, 9, dtype=torch.bool), 4).any()


def test_a_region_drawn_coarsely_peaks_inside_and_loses_energy_to_its_surroundings():
    regions = torch.zeros(1, 32, 32, dtype=torch.bool)
    regions[0, 8:20, 10:22] = True
    fine, coarse = (measures.coarsened(regions, (cells, cells)) for cells in (32, 4))
    assert torch.equal(fine > 0, regions) and measures.energy_inside(fine, regions).item() == 1
    assert measures.pointing_game(coarse, regions).item() == 1
    assert 0.3 < measures.energy_inside(coarse, regions).item() < 0.9


def test_ranks_follow_the_map_and_break_ties_evenly():
    maps = torch.rand(2, 6, 6)
    rank = faithfulness.ranks(maps)
    assert torch.equal(rank.flatten(1).argsort(1), maps.flatten(1).argsort(1, descending=True))
    flat = faithfulness.ranks(torch.zeros(1, 20, 20)).float()
    assert abs(flat[0, :10].mean() - flat[0, 10:].mean()) < 40  # rows of ties are not taken from the top


def test_a_perfect_map_has_the_lower_deletion_and_the_higher_insertion_curve():
    region = torch.zeros(16, 16)
    region[4:12, 4:12] = 1
    images = torch.rand(8, 3, 16, 16) * 0.2 + region * 0.8
    model, classes = Brightness(region), torch.ones(8, dtype=torch.long)
    perfect, random = region.expand(8, 16, 16), torch.rand(8, 16, 16)
    areas = {
        (kind, name): faithfulness.area(faithfulness.curve(model, images, maps, classes, kind, 8))
        for kind in ("deletion", "insertion")
        for name, maps in (("perfect", perfect), ("random", random))
    }
    assert (areas["deletion", "perfect"] < areas["deletion", "random"]).all()
    assert (areas["insertion", "perfect"] > areas["insertion", "random"]).all()
    assert (
        faithfulness.road(model, images, perfect, classes) > faithfulness.road(model, images, random, classes)
    ).all()
    assert (faithfulness.confidence_drop(model, images, perfect, classes) < 0.01).all()


def test_curves_begin_and_end_with_the_whole_and_the_empty_image():
    model, images = Brightness(torch.ones(16, 16)), torch.rand(3, 3, 16, 16)
    classes = torch.ones(3, dtype=torch.long)
    curve = faithfulness.curve(model, images, torch.rand(3, 16, 16), classes, "insertion", 4)
    for column, ends in ((0, faithfulness.blurred(images)), (-1, images)):
        assert torch.allclose(curve[:, column], model(ends).softmax(1)[:, 1])
    assert faithfulness.area(torch.tensor([[1.0, 0.5, 0.0]])).item() == 0.5


def test_imputation_keeps_what_is_known_and_continues_a_ramp():
    ramp = torch.linspace(0.2, 0.8, 16).expand(1, 3, 16, 16).contiguous()
    holes = torch.zeros(1, 16, 16, dtype=torch.bool)
    holes[:, 5:11, 5:11] = True
    filled = faithfulness.imputed(ramp, holes, noise=0)
    assert torch.equal(filled[:, :, ~holes[0]], ramp[:, :, ~holes[0]])
    assert torch.allclose(filled, ramp, atol=1e-5)  # a ramp is its own mean of neighbours


@pytest.mark.parametrize("name", [*ARCHITECTURES, "compact", "dae-encoder"])
def test_no_trained_weight_is_left_when_all_are_random(name):
    model = models.build(name, side=SIDE)
    for weights in model.parameters():  # as no draw is
        nn.init.constant_(weights, 0.123)
    for key, weights in sanity.randomised(model).named_parameters():
        assert not (weights == 0.123).any(), key


def test_randomising_destroys_a_copy_and_neither_the_model_nor_the_random_state():
    model = models.build("alexnet", side=SIDE)
    weights = copy.deepcopy(model.state_dict())
    state = torch.get_rng_state()
    shares = [share for share, _, _ in sanity.cascade(model, seed=1, stages=3)]
    random, again = sanity.randomised(model, seed=2), sanity.randomised(model, seed=2)
    assert shares == pytest.approx([0.375, 0.625, 1], abs=0.13) and torch.equal(torch.get_rng_state(), state)
    for name, values in model.state_dict().items():
        assert torch.equal(values, weights[name]) and torch.equal(
            random.state_dict()[name], again.state_dict()[name]
        )
    assert not torch.equal(random.net.features[0].weight, model.net.features[0].weight)


def test_a_cascade_starts_at_one_and_forgets_the_map():
    model, images = models.build("resnet18", side=SIDE), torch.rand(4, 3, SIDE, SIDE)
    table = sanity.cascade_similarity(model, images, torch.ones(4, dtype=torch.long), stages=2)
    means = table.groupby("share")["similarity"].mean()
    assert means.index.tolist()[0] == 0 and means.index.tolist()[-1] == 1 and len(table) == 12
    assert means.iloc[0] == 1 and means.iloc[-1] < 0.9


def test_rank_correlation_of_a_map_with_itself_its_opposite_and_a_flat_one():
    maps = torch.rand(2, 8, 8)
    maps[0, :4] = 0  # ties
    assert sanity.rank_correlation(maps, maps).tolist() == pytest.approx([1, 1])
    assert sanity.rank_correlation(maps, -maps).tolist() == pytest.approx([-1, -1])
    assert sanity.rank_correlation(maps, torch.zeros(2, 8, 8)).tolist() == [0, 0]


def test_the_sentence_names_the_band_that_holds_the_energy():
    maps = torch.full((20, 12, 12), 0.05)
    maps[:, 9:, 4:8] = 1
    table = measures.table(maps, bands.thirds(20, 12))
    assert table.groupby("image")["energy"].sum().tolist() == pytest.approx([1] * 20)
    words = tables.sentence("ResNet-18", table)
    assert words.startswith("ResNet-18 looks at the lower third") and "33% of the area" in words
    even = measures.table(torch.ones(6, 12, 12), bands.thirds(6, 12))
    assert "no part" in tables.sentence("AlexNet", even)


def test_anatomical_bands_share_out_the_image():
    lower = torch.zeros(2, 10, 10, dtype=torch.bool)
    lower[:, 6:, 3:7] = True
    parts = bands.anatomy(lower)
    assert torch.equal(sum(part.int() for part in parts.values()), torch.ones(2, 10, 10, dtype=torch.int))
    assert parts["nose and cheeks"][:, 6:8].any() and not parts["nose and cheeks"][:, 8:].any()


def test_mean_maps_are_by_label():
    means = bands.mean_maps(torch.stack([torch.zeros(2, 2), torch.ones(2, 2)]), torch.tensor([0, 1]))
    assert means[0].max() == 0 and means[1].min() == 1


def test_aligned_faces_lie_on_each_other_and_what_a_picture_does_not_show_is_not_known():
    lower = torch.zeros(3, 32, 32, dtype=torch.bool)
    lower[0, 8:16, 4:12] = True
    lower[1, 12:24, 14:26] = True  # larger, and elsewhere
    lower[2, 18:26, 16:24] = True
    moved, known = bands.aligned(lower.float(), lower)
    places = [(m > 0.5).nonzero().float() for m in moved]
    for place in places[1:]:
        assert torch.allclose(place.mean(0), places[0].mean(0), atol=0.75)
        assert abs(len(place) / len(places[0]) - 1) < 0.25
    mean = bands.mean_map(moved, known)
    assert np.nanmax(mean) > 0.99 and lower.float().mean(0).max() < 1  # without aligning they do not all meet
    assert not known.all()


def test_aligning_equal_faces_changes_nothing():
    lower = torch.zeros(2, 16, 16, dtype=torch.bool)
    lower[:, 8:14, 4:12] = True
    maps = torch.rand(2, 16, 16)
    moved, known = bands.aligned(maps, lower)
    assert torch.allclose(moved, maps, atol=1e-5) and known.all()


def test_a_gap_is_the_difference_of_two_means_with_an_interval():
    values = np.array([*range(12), np.nan])
    chosen, groups = np.arange(13) % 2 == 0, np.arange(13)
    value, low, high = tables.gap(values, chosen, groups)
    assert value == -1 and low < value < high
    few = tables.gap(values, chosen, np.minimum(groups, 9))
    assert few[0] == -1 and np.isnan(few[1:]).all()  # five groups of the chosen
    assert np.isnan(tables.gap(values, np.ones(13, bool), groups)).all()


def test_interval_holds_the_mean_and_ignores_missing_values():
    mean, low, high = mean_interval([0, 1, np.nan, 0, 1, 0, 1])
    assert low < mean == 0.5 < high
    assert np.isnan(mean_interval([np.nan])).all()
    together = mean_interval(np.repeat([0, 1, 0, 1, 0, 1], 5), np.repeat(list("abcdef"), 5))
    assert together == (mean, low, high)


def test_an_interval_of_a_rate_of_all_or_none_has_a_width():
    mean, low, high = mean_interval(np.ones(30), rate=True)
    assert (mean, high) == (1, 1) and 0.85 < low < 0.9
    assert mean_interval(np.zeros(30), rate=True)[:2] == (0, 0)
    assert mean_interval(np.ones(30)) == (1, 1, 1)  # a correlation of 1 by definition
    assert mean_interval([1, 1, 1], list("aab"))[0] == 1
    assert np.isnan(mean_interval([1, 1, 1], list("aab"))[1:]).all()  # too few groups
