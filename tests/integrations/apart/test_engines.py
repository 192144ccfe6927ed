"""Engines on real local clusters, each with worker processes of its own."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from mldeploy.data import Engine, fingerprint_of, fingerprint_source, profile_source, source_of
from mldeploy.errors import InvalidDataError
from mldeploy.testing import EngineConformance


class ClusterConformance(EngineConformance, kit=True):
    """What threads have for granted, and processes have not."""

    def test_files_are_read_by_the_workers(self, engine: Engine, tmp_path: Path) -> None:
        """Only the paths are sent."""
        tables = [pl.DataFrame({"x": [float(n), None], "s": [f"{n}", "é"]}) for n in range(5)]
        for number, table in enumerate(tables):
            table.write_parquet(tmp_path / f"{number}.parquet")
        whole = pl.concat(tables)

        assert fingerprint_source(tmp_path, engine=engine) == fingerprint_of(whole)
        assert profile_source(tmp_path, engine=engine) == profile_source(whole)

    def test_a_truncated_file_is_told_as_it_is_in_this_process(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        """The type of the error and its words are the same."""
        for number in range(3):
            pl.DataFrame({"x": range(9)}).write_csv(tmp_path / f"{number}.csv")
        source = source_of(tmp_path)
        source.schema()
        (tmp_path / "1.csv").write_text("x\n1\ntwo\n")
        told = []
        for where in (None, engine):
            with pytest.raises(InvalidDataError) as caught:
                profile_source(source, engine=where)
            told.append(str(caught.value))

        assert told[0] == told[1]
        assert "1.csv" in told[0]


class TestDaskEngine(ClusterConformance):
    @pytest.fixture
    def engine(self, dask_engine: Engine) -> Engine:
        return dask_engine


class TestRayEngine(ClusterConformance):
    @pytest.fixture
    def engine(self, ray_engine: Engine) -> Engine:
        return ray_engine


class TestSparkEngine(ClusterConformance):
    @pytest.fixture
    def engine(self, spark_engine: Engine) -> Engine:
        return spark_engine
