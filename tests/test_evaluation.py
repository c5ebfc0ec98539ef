"""Tables over runs, seeds and kinds of pictures: by hand and against SciPy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fmlib import evaluation


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
