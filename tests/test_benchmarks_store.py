"""The benchmark of the store counts right, on few events."""

import pytest

pytest.importorskip("benchmarks", reason="run from the repository's root, as `python -m pytest`")
pytest.importorskip("duckdb")

from benchmarks import store


def test_a_small_store_is_written_and_asked():
    told = store.measure(5_000)  # two hours of each site: the counts are asserted there
    assert (told["rows"], told["files"], told["answers"]) == (5_000, 200, 200)
