"""The three profiles: how much a report computes."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How much a report computes. Budgets count images seen in training, so that small sets get more epochs.

    Attributes:
        images: size of the synthetic set.
        side: image side in px.
        seeds, study_seeds: repetitions of each architecture, of each contender of the other studies.
        rates: factors on each optimizer's usual learning rate, of which validation images choose one.
        budget, study_budget: images seen by a run of the architecture study, of the other studies.
        least_epochs: however large the set is.
        study_size: training images of the other studies (a sample by group).
        autoencoder_budget: images seen by the DAE and the VAE.
        sizes: source images per class at which generated images are tried; None: all of the rarer class.
        size_budget: images seen by each of those runs, which take ten passes at least.
        size_seeds: their paired repetitions.
        explained: test images whose Grad-CAM maps are measured; twice as many are damaged and restored.
    """

    name: str
    images: int
    side: int
    seeds: int
    study_seeds: int
    rates: tuple[float, ...]
    budget: int
    study_budget: int
    least_epochs: int
    study_size: int
    autoencoder_budget: int
    sizes: tuple[int | None, ...]
    size_budget: int
    size_seeds: int
    explained: int

    def epochs(self, images: int, budget: int) -> int:
        """Epochs over `images` training images that spend `budget`."""
        return max(self.least_epochs, round(budget / images))


_PROFILES = (
    Profile(
        name="smoke",
        images=200,
        side=32,
        seeds=1,
        study_seeds=1,
        rates=(0.3, 1.0),
        budget=280,
        study_budget=280,
        least_epochs=2,
        study_size=140,
        autoencoder_budget=800,
        sizes=(20,),
        size_budget=160,
        size_seeds=2,
        explained=12,
    ),
    Profile(
        name="quick",
        images=2000,
        side=64,
        seeds=1,
        study_seeds=2,
        rates=(0.3, 1.0, 3.0),
        budget=7000,
        study_budget=2400,
        least_epochs=5,
        study_size=480,
        autoencoder_budget=6000,
        sizes=(100,),
        size_budget=1200,
        size_seeds=3,
        explained=100,
    ),
    Profile(
        name="full",
        images=10_000,
        side=96,
        seeds=5,
        study_seeds=5,
        rates=(0.1, 0.3, 1.0, 3.0, 10.0),
        budget=160_000,
        study_budget=40_000,
        least_epochs=8,
        study_size=4000,
        autoencoder_budget=200_000,
        sizes=(10, 25, 50, 100, 250, 1000, None),
        size_budget=8000,
        size_seeds=10,
        explained=1000,
    ),
)
PROFILES = {profile.name: profile for profile in _PROFILES}
