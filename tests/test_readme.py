"""What the README claims was measured: its table is the published results'."""

import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fmlib import readme, shifts
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
        "n": 9,
    }
    return [{**base, "metric": name, "value": value} for name in ("precision", "recall", "f1", "auc")]


def test_the_table_is_a_line_per_model_and_split():
    table = readme.score_table(pd.DataFrame(rows(0.9876)))
    assert (
        table.splitlines()[-1]
        == "| ResNet-18 | grouped split | 0.9876 | 0.9876 | 0.9876 (0.9876–0.9876) | 0.9876 | 0.9876 |"
    )
    assert "0.8448 | 0.7538 | 0.7967" in table


def test_the_table_leaves_arms_of_other_studies_out():
    arms = [{**row, "model": "compact no blending"} for row in rows(0.99)]
    assert len(readme.score_table(pd.DataFrame(rows(0.98) + arms)).splitlines()) == 4


def test_the_table_has_the_mean_over_seeds_and_each_seed():
    seeds = (0.9, 0.88, 0.89)
    line = readme.score_table(pd.DataFrame([row for f1 in seeds for row in rows(f1)])).splitlines()[-1]
    low, high = stats.t.interval(0.95, len(seeds) - 1, np.mean(seeds), stats.sem(seeds))
    assert f"| 0.8900 ({low:.4f}–{high:.4f}) | 0.9000 0.8800 0.8900 |" in line


def test_the_leak_table_gives_accuracy_where_a_view_holds_one_class():
    values = {"accuracy": 0.5, "balanced_accuracy": 0.6, "f1": 0.7}
    table = readme.leak_table(
        pd.DataFrame(
            {"split": split, "view": view, "metric": metric, "value": value, "low": 0.25, "high": 1, "n": 9}
            for split in ("grouped", "official", "official - grouped")
            for view, auc in (("test", 0.8), ("clean", float("nan")))
            for metric, value in {**values, "auc": auc}.items()
        )
    )
    lines = table.splitlines()[2:]
    assert len(lines) == 4 and sum("clean" in line for line in lines) == 1
    assert lines[-1].endswith(
        "| 0.5000 (0.2500–1.0000) | 0.5000 (0.2500–1.0000) | +0.5000 (+0.2500 to +1.0000) |"
    )


def test_the_table_of_few_images_has_a_column_per_size_and_holes_where_nothing_was_measured():
    row = {"arm": "cvae", "baseline": "none", "difference": 0.0126, "low": -0.01, "high": 0.035}
    other = {**row, "arm": "classic", "per_class": 50}
    lines = readme.gains_table(
        pd.DataFrame([{**row, "per_class": 10}, {**row, "per_class": 50}, other])
    ).splitlines()
    cell = "+0.013 (-0.010 to +0.035)"
    assert lines[0] == "| images per class | 10 | 50 |"
    assert lines[2] == f"| CVAE images against no augmentation | {cell} | {cell} |"
    assert lines[3] == f"| classic augmentation against no augmentation |  | {cell} |"


def test_the_table_of_faithfulness_has_a_row_per_model_and_shows_grad_cam_alone():
    found = pd.DataFrame(
        {"model": model, "kind": kind, "maps": maps, "over": over}
        | {"advantage": 0.25 if maps == "gradcam" else 0.75, "low": -0.125, "high": 0.5}
        for model in ("resnet18", "alexnet")
        for kind in ("deletion", "insertion")
        for maps in ("gradcam", "gradcam++")
        for over in ("random map", "centre prior")
    )
    lines = readme.faithfulness_table(found).splitlines()
    assert lines[0].count("|") == 6 and "| insertion, against centre prior |" in lines[0]
    assert len(lines) == 4 and lines[2].startswith("| ResNet-18 | +0.250 (-0.125 to +0.500) |")
    assert "0.750" not in "".join(lines)


def test_the_table_of_recipes_for_elsewhere_has_changed_images_where_they_were_judged():
    score = {"low": 0.5, "high": 1.0, "n": 9, "seed": 0}
    strong, leaking = ("compact strong", "grouped"), ("compact no blending, official split", "official")
    found = [
        {**score, "model": model, "split": split, "view": view, "metric": metric, "value": value}
        for model, split in (strong, leaking)
        for view, metric, value in (
            ("test", "f1", 0.75),
            ("external:far", "balanced_accuracy", 0.625),
            ("external:far", "auc", 1.0),
        )
    ]
    found += [
        {
            **score,
            "model": "compact strong",
            "split": "grouped",
            "view": f"validation:{name}",
            "metric": metric,
        }
        | {"value": 0.125, "low": 0.1, "high": 0.15}
        for name in readme.CHANGED
        for metric in ("balanced_accuracy", "recall")
    ]
    found.append(
        {**score, "model": "a - b", "split": None, "view": "test", "metric": "f1_difference", "value": 0.1}
    )
    lines = readme.elsewhere_table(pd.DataFrame(found)).splitlines()
    assert (
        "| balanced accuracy on far | AUC on far | validation, as they are |" in lines[0] and len(lines) == 4
    )
    assert set(readme.CHANGED) <= set(shifts.CHANGES)
    cells = "0.7500 (0.5000–1.0000) | 0.6250 (0.5000–1.0000) | 1.0000 (0.5000–1.0000)"
    assert lines[2] == f"| strong augmentation | grouped split | {cells} |{' 0.125 (0.100–0.150) |' * 4}"
    assert lines[3] == f"| images not blended | official split | {cells} |  |  |  |  |"


def test_only_the_marked_part_is_replaced():
    text = "a\n<!-- scores: begin -->\nold\n<!-- scores: end -->\nb\n"
    expected = "a\n<!-- scores: begin -->\nnew\n<!-- scores: end -->\nb\n"
    assert readme.with_table(text, "scores", "new") == expected


def test_the_script_of_one_large_run_runs_in_a_fresh_store(tmp_path):
    text = (REPO / "README.md").read_text(encoding="utf-8")
    [script] = [
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "batch_size=256" in block
    ]
    # so many that processes of their own render them
    few = 'data=config.DataConfig("synthetic", 120), model="compact", side=32, epochs=1, batch_size=8'
    small = re.sub(r"(ClassifierConfig\()[^)]*", rf"\1{few}", script)
    assert few in small
    (tmp_path / "big.py").write_text(small, encoding="utf-8")
    environment = os.environ | {"FMLIB_HOME": str(tmp_path / "home"), "PYTHONPATH": str(REPO)}
    done = subprocess.run(
        [sys.executable, "big.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "home" / "runs").glob("*/provenance.json"))) == 1


@pytest.mark.parametrize("page", readme.PAGES, ids=lambda page: page.name)
def test_pages_hold_the_published_results(page):
    text = page.read_text(encoding="utf-8")
    assert readme.with_tables(text) == text and ": begin -->" in text


@pytest.mark.parametrize(
    "page", [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if "://" not in link and not (page.parent / link).exists()]


def test_the_table_of_recipes_leaves_the_difference_out_where_there_is_none():
    row = {"model": "alexnet", "change": "classic", "folds": "f0 f1", "images": 1000, "errors": 20}
    row |= {"balanced_accuracy": 0.98, **dict.fromkeys(("baseline", "paired", "difference", "low", "high"))}
    gap = {"baseline": "classic", "paired": 2, "difference": 0.004, "low": -0.001, "high": 0.01}
    lines = readme.recipe_table(pd.DataFrame([row, {**row, **gap, "change": "96 px"}])).splitlines()
    assert lines[2] == "| AlexNet | classic | 2 | 20 of 1,000 | 0.9800 |  |"
    assert lines[3].endswith("| 0.9800 | +0.0040 (-0.0010 to +0.0100) against classic, 2 folds |")


def test_the_table_of_ways_of_wearing_has_a_row_per_model_and_set():
    cell = {"rate": 0.0125, "low": 0.005, "high": 0.025, "n": 1200, "errors": 15.0}
    ways = ("none", "proper", "under_nose", "on_chin")
    rows = [
        {"model": "resnet18", "augmentation": "whole", "view": view, "wear": wear, **cell}
        for view in ("test", "external:fresh")
        for wear in ways
    ]
    lines = readme.wear_table(pd.DataFrame(rows)).splitlines()
    told = " | ".join(["15 of 1,200: 0.0125 (0.0050–0.0250)"] * 4)
    assert lines[2:] == [f"| ResNet-18 | whole | {view} | {told} |" for view in ("test", "fresh")]
    few = readme.wear_table(pd.DataFrame([row for row in rows if row["wear"] != "on_chin"])).splitlines()
    assert few[2].split(" | ")[5] == "" and few[2].count("15 of") == 3  # too few faces for every way


def test_the_table_of_contenders_has_a_row_per_contender():
    row = {"model": "sgd", "learning_rate": 0.15, "value": 0.975, "low": 0.96, "high": 0.99}
    row |= {"seeds": "0.9700 0.9800", "verdict": "best"}
    line = readme.contenders_table(pd.DataFrame([row])).splitlines()[-1]
    assert line == "| SGD | 0.15 | 0.9750 (0.9600–0.9900) | 0.9700 0.9800 | best |"
