"""The report for pandas: every row of every step table, words as categoricals (``pandas.read_parquet`` reads it)."""

import io
from typing import Any

import numpy as np

from parity.report.facts import Facts
from parity.report.numbers import clean
from parity.verdicts.results import TABLE_COLUMNS, Comparison, Run

FILENAME = "steps.parquet"
KEYS = ("case", "subject", "gradients", "comparison")
WORDS = ("slot", "tensor")
COUNTS = ("step", "size", "differing", "index")


def render(run: Run) -> bytes:
    """Return the table; it has no rows, but all columns, when nothing was compared."""
    import pyarrow as pa
    from pyarrow import parquet

    parts = [_part(item, pa) for item in Facts(run).comparisons if item.table is not None]
    table = pa.concat_tables(parts).unify_dictionaries() if parts else _empty(pa)
    stream = io.BytesIO()
    parquet.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def _part(item: Comparison, pa: Any) -> Any:
    table = item.table or {}
    rows = len(table["step"])
    columns = {key: _repeated(clean(getattr(item, key)), rows, pa) for key in KEYS}
    columns.update({name: _column(name, table.get(name), rows, pa) for name in TABLE_COLUMNS})
    return pa.table(columns)


def _repeated(text: str, rows: int, pa: Any) -> Any:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, dtype=np.int32), pa.array([text], pa.string()))


def _column(name: str, values: Any, rows: int, pa: Any) -> Any:
    if name in WORDS:
        cleaned = {word: clean(word) for word in set(values)}
        return pa.array([cleaned[word] for word in values], pa.string()).dictionary_encode()
    if values is None:
        values = np.full(rows, np.nan)
    return pa.array(np.asarray(values, dtype=np.int64 if name in COUNTS else np.float64))


def _empty(pa: Any) -> Any:
    word = pa.dictionary(pa.int32(), pa.string())
    kinds = {name: pa.int64() if name in COUNTS else pa.float64() for name in TABLE_COLUMNS}
    kinds.update(dict.fromkeys(WORDS, word))
    return pa.schema([(key, word) for key in KEYS] + list(kinds.items())).empty_table()
