"""What the README claims was measured: its table is the published results'."""

import pandas as pd
import pytest

from fmlib import readme
from fmlib.config import REPO


def rows(value):
    base = {
        "stage": "metrics",
        "model": "resnet18",
        "split": "grouped",
        "train_size": None,
        "view": "test",
        "low": value,
        "high": value,
    }
    return [{**base, "metric": name, "value": value} for name in ("precision", "recall", "f1", "auc")]


def test_the_table_is_a_line_per_model_and_split():
    table = readme.score_table(pd.DataFrame(rows(0.9876)))
    assert (
        table.splitlines()[-1]
        == "| ResNet-18 | grouped split | 0.9876 | 0.9876 | 0.9876 (0.9876–0.9876) | 0.9876 |"
    )
    assert "0.8448 | 0.7538 | 0.7967" in table


def test_only_the_marked_part_is_replaced():
    text = f"a\n{readme.BEGIN}\nold\n{readme.END}\nb\n"
    assert readme.with_table(text, "new") == f"a\n{readme.BEGIN}\nnew\n{readme.END}\nb\n"


def test_the_readme_holds_the_published_results():
    if not readme.RESULTS.exists():
        pytest.skip("no published results in this checkout")
    text = (REPO / "README.md").read_text(encoding="utf-8")
    assert readme.with_table(text, readme.score_table(pd.read_csv(readme.RESULTS))) == text
