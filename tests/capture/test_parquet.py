"""Whatever was done to a table is one sentence, with what to do."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capture import parquet

COLUMNS = {"name": str, "count": int, "share": float, "keep": bool, "path": list, "camera": dict}
ROW = {"name": "a", "count": 1, "share": 0.5, "keep": True, "path": [1.0], "camera": {"x": 1}}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([{**ROW, "more": "x"}] * 3), path)
    return path


def test_the_columns_that_are_asked_for_are_read(table):
    found = parquet.read(table, COLUMNS, "make it again", optional={"more": str, "none": int})
    assert found.column_names == [*COLUMNS, "more"] and found.to_pylist()[2] == {**ROW, "more": "x"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b"", "cannot be read as Parquet"),
        (lambda b: b"x" * len(b), "cannot be read as Parquet"),
        (lambda b: b[:-9], "cannot be read as Parquet"),
        (lambda b: b[:50] + bytes(100) + b[150:], "cannot be read as Parquet"),
        (lambda b: b[:-90] + bytes(60) + b[-30:], "cannot be read as Parquet"),
    ],
)
def test_damaged_bytes_are_a_sentence(table, change, message):
    table.write_bytes(change(table.read_bytes()))
    with pytest.raises(ValueError, match=rf"{table} {message} \(.+\); make it again$"):
        parquet.read(table, COLUMNS, "make it again")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, " lacks the columns name, count"),
        ({**ROW, "name": 3}, ": name holds int64, not str"),
        ({**ROW, "count": 1.5}, ": count holds double, not int"),
        ({**ROW, "keep": "x"}, ": keep holds string, not bool"),
        ({**ROW, "path": None}, ": path holds null, not list"),
    ],
)
def test_other_columns_are_a_sentence(table, row, message):
    pq.write_table(pa.Table.from_pylist([{**row, "more": 1}]), table)
    with pytest.raises(ValueError, match=f"{table}{message}.*; make it again$"):
        parquet.read(table, COLUMNS, "make it again")


def test_an_absent_value_is_a_sentence(table):
    pq.write_table(pa.Table.from_pylist([ROW, {**ROW, "count": None}]), table)
    with pytest.raises(ValueError, match=r"count is empty in some rows; make it again$"):
        parquet.read(table, COLUMNS, "make it again")


def test_a_table_that_never_had_a_row_has_no_columns(tmp_path):
    pq.write_table(pa.Table.from_pylist([]), tmp_path / "a.parquet")
    assert parquet.read(tmp_path / "a.parquet", COLUMNS, "").to_pylist() == []
