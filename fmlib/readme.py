"""The score table of the README, made from a published results.csv: `python -m fmlib.readme`."""

from pathlib import Path

import pandas as pd

from fmlib.config import REPO
from fmlib.figures.style import label

RESULTS = REPO / "figures" / "face-mask-12k" / "results.csv"
BEGIN, END = "<!-- scores: begin -->", "<!-- scores: end -->"
ORIGINAL = {"precision": 0.8448, "recall": 0.7538, "f1": 0.7967}  # as the original report published them


def score_table(results: pd.DataFrame) -> str:
    """Return a Markdown table of the test scores of every model, by the split that it was trained on."""
    rows = results[(results["view"] == "test") & results.split.notna() & results.train_size.isna()]
    stage = "metrics" if (rows.stage == "metrics").any() else "classifier"  # both score the architectures
    rows = rows[rows.stage == stage]
    columns = ["precision", "recall", "f1", "auc"]
    lines = [
        "| model | trained on | precision | recall | F1 (95% interval) | AUC |",
        "|---|---|---|---|---|---|",
    ]
    original = " | ".join(f"{ORIGINAL[name]:.4f}" for name in columns[:3])
    lines.append(f"| original report | as published | {original} | |")
    for (split, model), part in rows.groupby(["split", "model"], sort=False):
        found = part[part.metric.isin(columns)].groupby("metric")[["value", "low", "high"]].mean()
        if len(found) < len(columns):
            continue
        f1 = found.loc["f1"]
        cells = [f"{found.value[name]:.4f}" for name in columns]
        cells[2] += f" ({f1.low:.4f}–{f1.high:.4f})"
        lines.append(f"| {label(model)} | {label(split)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def with_table(text: str, table: str) -> str:
    """Return the README's text with the score table between its marks replaced."""
    return replaced(text, BEGIN, END, table)


def replaced(text: str, begin: str, end: str, table: str) -> str:
    """Return `text` with what stands between two marks replaced; as it is if it has no such marks."""
    before, mark, rest = text.partition(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}" if mark else text


def update(readme: Path = REPO / "README.md", results: Path = RESULTS) -> None:
    """Rewrite the README's table from the published results."""
    table = score_table(pd.read_csv(results))
    readme.write_text(with_table(readme.read_text(encoding="utf-8"), table), encoding="utf-8")


if __name__ == "__main__":
    update()
