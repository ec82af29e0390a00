"""A second catalog in the session that is the first one as it was: all that it shows is of one moment."""

import pytest
from management_api import guide_to_the_past, moment_of
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException
from test_connections import connect


@pytest.fixture
def past(spark, sql, settings, ns) -> str:
    """The name in Spark of the catalog at a time, since which much has changed."""
    sql(f"CREATE NAMESPACE lake.{ns}.left")
    sql(f"CREATE TABLE lake.{ns}.kept AS SELECT id, 'old' AS name FROM range(3)")
    sql(f"CREATE TABLE lake.{ns}.dropped AS SELECT 8 AS id")
    sql(f"CREATE TABLE lake.{ns}.moved AS SELECT 7 AS id")
    sql(f"CREATE VIEW lake.{ns}.v AS SELECT id + 100 AS x FROM range(2)")
    moment = moment_of(settings["properties"], ns)
    sql(f"INSERT INTO lake.{ns}.kept VALUES (3, 'new')")
    sql(f"DELETE FROM lake.{ns}.kept WHERE id = 0")
    sql(f"ALTER TABLE lake.{ns}.kept RENAME COLUMN name TO label")
    sql(f"ALTER TABLE lake.{ns}.kept ADD COLUMN extra INT")
    sql(f"DROP TABLE lake.{ns}.dropped")
    sql(f"ALTER TABLE lake.{ns}.moved RENAME TO {ns}.elsewhere")
    sql(f"CREATE TABLE lake.{ns}.moved AS SELECT 'other' AS text")
    sql(f"DROP VIEW lake.{ns}.v")
    sql(f"DROP NAMESPACE lake.{ns}.left")
    return connect(spark, settings, warehouse=moment)


def names(rows: list[tuple]) -> list[str]:
    return sorted(row[1] for row in rows)


def test_all_is_of_one_moment(sql, ns, past):
    assert (ns,) in sql(f"SHOW NAMESPACES IN {past}")
    assert sql(f"SHOW NAMESPACES IN {past}.{ns}") == [(f"{ns}.left",)]
    assert names(sql(f"SHOW TABLES IN {past}.{ns}")) == ["dropped", "kept", "moved"]
    assert names(sql(f"SHOW VIEWS IN {past}.{ns}")) == ["v"]
    assert sql(f"SELECT * FROM {past}.{ns}.kept ORDER BY id") == [(0, "old"), (1, "old"), (2, "old")]
    assert sql(f"SELECT * FROM {past}.{ns}.dropped") == [(8,)]
    assert sql(f"SELECT * FROM {past}.{ns}.moved") == [(7,)]
    assert sql(f"SELECT x FROM {past}.{ns}.v ORDER BY x") == [(100,), (101,)]
    assert len(sql(f"SELECT * FROM {past}.{ns}.kept.snapshots")) == 1
    with pytest.raises(AnalysisException, match="TABLE_OR_VIEW_NOT_FOUND"):
        sql(f"SELECT * FROM {past}.{ns}.elsewhere")


def test_the_guide(spark, sql, settings, ns):
    """One statement compares two moments."""
    sql(f"CREATE TABLE lake.{ns}.orders AS SELECT 1 AS id")
    moment = moment_of(settings["properties"], ns)
    sql(f"INSERT INTO lake.{ns}.orders VALUES (2)")
    properties, _ = guide_to_the_past(settings["properties"], "properties", moment, ns)
    compare, _ = guide_to_the_past(settings["properties"], "sql", moment, ns)
    asking = "spark.sql.catalog.past.header.X-Iceberg-Access-Delegation=vended-credentials"
    for line in [*properties.splitlines(), asking]:
        spark.conf.set(*line.split("=", 1))
    assert sql(compare.strip().rstrip(";")) == [(2,)]


def test_nothing_is_written(sql, ns, past):
    for statement in [
        f"INSERT INTO {past}.{ns}.kept VALUES (4, 'x')",
        f"DELETE FROM {past}.{ns}.kept",
        f"ALTER TABLE {past}.{ns}.kept ADD COLUMN more INT",
        f"CREATE TABLE {past}.{ns}.new (id INT)",
        f"CREATE TABLE {past}.{ns}.new AS SELECT 1 AS id",
        f"CREATE VIEW {past}.{ns}.new AS SELECT 1 AS id",
        f"CREATE NAMESPACE {past}.{ns}.new",
        f"DROP TABLE {past}.{ns}.dropped",
        f"DROP VIEW {past}.{ns}.v",
        f"DROP NAMESPACE {past}.{ns}.left",
        f"ALTER TABLE {past}.{ns}.kept RENAME TO {ns}.new",
    ]:
        with pytest.raises(Py4JJavaError, match="ForbiddenException|Access Denied|403"):
            sql(statement)
    assert names(sql(f"SHOW TABLES IN lake.{ns}")) == ["elsewhere", "kept", "moved"]
    assert sql(f"SELECT id FROM lake.{ns}.kept ORDER BY id") == [(1,), (2,), (3,)]


def test_unknown_moments_are_refused(spark, sql, settings):
    for moment in ["999999999", "2999-01-01T00:00:00Z"]:
        name = connect(spark, settings, warehouse=f"{settings['properties']['warehouse']}@{moment}")
        with pytest.raises(Py4JJavaError, match=moment):
            sql(f"SHOW NAMESPACES IN {name}")
