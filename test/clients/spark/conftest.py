"""Starts one Spark whose catalog `lake` is the one that the caller started: see suite.ts for what PANGOLIN_TEST_CATALOG holds.

Its properties are the ones that docs/clients.md tells users to set. PANGOLIN_SPARK_JARS names Iceberg's jars.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from started_catalog import PROPERTIES, SETTINGS, catalog, new_name, settings  # noqa: F401

DOCS = Path(__file__).parents[3] / "docs" / "clients.md"


def documented() -> dict[str, str]:
    """The properties of the guide's blocks, with what the guide leaves to the reader filled in."""
    chapter = re.search(r"^## Spark\n(.*?)^## ", DOCS.read_text(), re.MULTILINE | re.DOTALL)[1]
    base, s3 = re.findall(r"^```properties\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)
    filled = (base + (s3 if SETTINGS["kind"] == "s3" else "")).replace("http://127.0.0.1:8080", PROPERTIES["uri"])
    for blank, value in {
        "=lake\n": f"={PROPERTIES['warehouse']}\n",
        "<token>": PROPERTIES["token"],
    }.items():
        filled = filled.replace(blank, value or "")
    return dict(line.split("=", 1) for line in filled.splitlines())


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> SparkSession:
    # The cluster of one runs on one thread, listens on loopback only and keeps its files in the test's folder.
    frame = {
        "spark.master": "local[1]",
        "spark.jars": os.environ["PANGOLIN_SPARK_JARS"],
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        "spark.local.dir": str(tmp_path_factory.mktemp("spark")),
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("spark-warehouse")),
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.enabled": "false",
        # Tables of ten rows are not worth compiling code for.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.adaptive.enabled": "false",
        # Tables of ten rows are not worth compiling code for.
    }
    builder = SparkSession.builder.appName("pangolin-test")
    for key, value in {**frame, **documented()}.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


Sql = Callable[[str], list[tuple]]


@pytest.fixture
def sql(spark: SparkSession) -> Sql:
    return lambda statement: [tuple(row) for row in spark.sql(statement).collect()]


@pytest.fixture
def ns(sql: Sql, request: pytest.FixtureRequest) -> str:
    """A namespace that no other test knows."""
    name = new_name(request)
    sql(f"CREATE NAMESPACE lake.{name}")
    return name
