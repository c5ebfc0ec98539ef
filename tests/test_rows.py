"""The tables of what benchmarks measured hold what they should."""

import pandas as pd


def test_benchmarks_keep_rows_of_what_they_did_not_measure(benchmark, tmp_path):
    found, path = (
        pd.DataFrame({"size": [50, 50], "model": ["a", "b"], "value": [1, 2]}),
        tmp_path / "gains.csv",
    )
    with_others = benchmark("rows").with_others
    assert with_others(found, path, ["size"]).equals(found)
    earlier = {"size": [10, 50, 100], "model": ["a", "c", "b"], "value": [7, 8, 9]}
    pd.DataFrame(earlier).to_csv(path, index=False)
    assert with_others(found, path, ["size"]).value.tolist() == [7, 9, 1, 2]
    assert with_others(found, path, ["size", "model"]).value.tolist() == [7, 8, 9, 1, 2]


def test_the_readme_shows_what_was_asked_of_runs_as_one_machine_measured_it(benchmark):
    measured = pd.DataFrame(
        [
            ("a training", "≥ 3", "new"),
            ("a training", "–", "new"),
            ("b data path", "≥ 0.95", "new"),
            ("d warm report", "≤ 0.1", "old"),
            ("machine's limit", "to be told", "new"),
            ("memory added", "≤ 1", "old"),
        ],
        columns=["benchmark", "asked", "machine"],
    )
    assert benchmark("rows").asked_of_runs(measured).index.tolist() == [0, 2]


def test_both_pages_hold_the_published_measurements(benchmark):
    rows = benchmark("rows")
    measured = pd.read_csv(rows.RESULTS)
    for page, shown in ((rows.README, rows.asked_of_runs(measured)), (rows.PAGE, measured)):
        assert rows.markdown(shown) in page.read_text(encoding="utf-8")
