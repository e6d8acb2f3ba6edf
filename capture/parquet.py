"""Parquet tables of ours, read with one sentence for whatever damage there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_KINDS: dict[type, Callable[[pa.DataType], bool]] = {
    str: lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
    bool: pa.types.is_boolean,
    int: pa.types.is_integer,
    float: lambda kind: pa.types.is_floating(kind) or pa.types.is_integer(kind),
    list: lambda kind: pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind),
    dict: pa.types.is_struct,
}


def read(
    path: Path,
    columns: Mapping[str, type],
    remedy: str,
    *,
    optional: Mapping[str, type] | None = None,
) -> pa.Table:
    """The columns of a table, in which no value is absent; without rows it may lack columns too.

    Args:
        path: The file.
        columns: What it must have: str, bool, int, float, list or dict by name.
        remedy: What to do about damage, the second half of the sentence.
        optional: Columns that are read where they are there.

    Raises:
        ValueError: If it cannot be read, or has not these columns.
    """
    try:
        metadata = pq.read_metadata(path)
        if not metadata.num_rows:
            return pa.table({name: [] for name in columns})
        names = metadata.schema.to_arrow_schema().names
        kinds = {**columns, **{n: kind for n, kind in (optional or {}).items() if n in names}}
        missing = [name for name in kinds if name not in names]
        table = None if missing else pq.read_table(path, columns=list(kinds))
    except (pa.ArrowException, OSError) as error:
        why = " ".join(str(error).split())
        raise ValueError(f"{path} cannot be read as Parquet ({why}); {remedy}") from error
    if table is None:
        raise ValueError(f"{path} lacks the columns {', '.join(missing)}; {remedy}")
    for name, kind in kinds.items():
        if not _KINDS[kind](table.schema.field(name).type):
            found = table.schema.field(name).type
            raise ValueError(f"{path}: {name} holds {found}, not {kind.__name__}; {remedy}")
        if table[name].null_count:
            raise ValueError(f"{path}: {name} is empty in some rows; {remedy}")
    return table
