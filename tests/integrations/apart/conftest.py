"""Tests of what is too large for our own environment; `test_own_environment` runs them in theirs.

One local cluster of each kind for the whole session, with real worker processes.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import pytest

from mldeploy.data import Engine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave it to foreign clusters how they end their processes, or fail to start them."""
    for item in items:
        for category in ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning"):
            item.add_marker(pytest.mark.filterwarnings(f"ignore::{category}"))


@pytest.fixture(scope="session")
def dask_engine() -> Iterator[Engine]:
    distributed = pytest.importorskip("dask.distributed")
    from mldeploy.integrations.dask import DaskEngine

    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        yield DaskEngine(client=client)


@pytest.fixture(scope="session")
def ray_engine() -> Iterator[Engine]:
    ray = pytest.importorskip("ray")
    from mldeploy.integrations.ray import RayEngine

    for attempts_left in (2, 1, 0):  # Ray gives itself 30 s, and a busy machine takes longer
        try:
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        except Exception:
            ray.shutdown()
            if not attempts_left:
                raise
        else:
            break
    yield RayEngine()
    ray.shutdown()


@pytest.fixture(scope="session")
def spark_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    sql = pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not installed")
    from mldeploy.integrations.spark import SparkEngine

    place = tmp_path_factory.mktemp("spark")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.warehouse.dir": str(place / "warehouse"),
        "spark.local.dir": str(place),
    }
    builder = sql.SparkSession.builder.master("local[2]").appName("mldeploy")
    for name, value in settings.items():
        builder = builder.config(name, value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield SparkEngine(session=session)
        session.stop()
