"""The results table: known fields only, nulls for what is missing, one context apart from another."""

import time
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from filelock import FileLock

from fmlib import results
from fmlib.errors import UsageError


def test_a_row_has_every_field_and_nothing_that_is_no_number(home):
    row = results.row("vae", metric="kl", value=float("nan"), n=pd.Series([3]).iloc[0])
    assert tuple(row) == results.FIELDS and row["value"] is None and row["n"] == 3 and type(row["n"]) is int
    with pytest.raises(UsageError, match="colour"):
        results.row("vae", colour="red")


def test_of_two_stages_that_end_at_once_the_table_holds_both(home, tmp_path):
    context, table = results.context("two", "smoke", 0, {}), tmp_path / "results.csv"
    results.store(context, "data", [results.row("data", metric="images", value=7)])
    with ThreadPoolExecutor(1) as pool, FileLock(home / "results" / "csv.lock"):
        writing = pool.submit(results.write_csv, context, table)
        time.sleep(0.2)  # it waits for the other, which stores its rows meanwhile
        results.store(context, "metrics", [results.row("metrics", metric="f1", value=0.5)])
        assert not writing.done() and not table.exists()
    assert pd.read_csv(table).stage.tolist() == ["data", "metrics"]


def test_a_cell_that_is_run_again_replaces_its_rows():
    first = results.row("dae", metric="accuracy", view="test", value=0.5, n=4, run="a")
    other = results.row("dae", metric="accuracy", view="clean", value=0.6, n=2, run="a")
    again = first | {"value": 0.7, "run": "b"}
    assert results.latest([first, other, again]) == [again, other]


def test_a_damaged_stage_is_left_out_and_named(home, capsys):
    context = results.context("damaged", "smoke", 0, {})
    for stage in ("data", "metrics"):
        results.store(context, stage, [results.row(stage, metric="images", value=7)])
    (home / "results" / context / "data.json").write_text("")
    assert [row["stage"] for row in results.collect(context)] == ["metrics"]
    assert "data.json is damaged" in capsys.readouterr().err


def test_stages_replace_their_own_rows_of_their_own_context(home, tmp_path):
    one = results.context("f", "smoke", 0, {})
    assert one != results.context("f", "smoke", 1, {}) and one == results.context("f", "smoke", 0, {})
    for value in (1.0, 2.0):
        results.store(one, "dae", [results.row("dae", metric="psnr", value=value, n=4)])
    results.store(one, "data", [results.row("data", metric="images", value=7)])
    rows = results.collect(one)
    assert [row["stage"] for row in rows] == ["data", "dae"] and rows[1]["value"] == 2.0
    results.write_csv(one, tmp_path / "out" / "results.csv")
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    assert list(table.columns) == list(results.FIELDS) and table.n.iloc[1] == 4 and pd.isna(table.low.iloc[0])
