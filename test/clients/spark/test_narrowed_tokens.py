"""Spark with tokens that can do less than their user: it walks to what is theirs, and the rest is refused."""

import pytest
from management_api import narrowed_token
from py4j.protocol import Py4JJavaError
from test_connections import connect


def narrowed(spark, settings, access: str, **part) -> str:
    """Name of a catalog whose token is narrowed to a part of the one under test."""
    return connect(spark, settings, token=narrowed_token(settings["properties"], access, part))


@pytest.fixture
def tables(sql, ns) -> str:
    for table in ("t", "u"):
        sql(f"CREATE TABLE lake.{ns}.{table} AS SELECT 1 AS id")
    return ns


def test_reading_one_table(spark, sql, settings, tables):
    mine = narrowed(spark, settings, "read", namespace=[tables], table="t")
    assert sql(f"SHOW NAMESPACES IN {mine}") == [(tables,)]
    assert [name for _, name, _ in sql(f"SHOW TABLES IN {mine}.{tables}")] == ["t"]
    assert sql(f"SELECT id FROM {mine}.{tables}.t") == [(1,)]
    # What a token is not for is there for it as little as what does not exist.
    with pytest.raises(Exception, match="TABLE_OR_VIEW_NOT_FOUND"):
        sql(f"SELECT * FROM {mine}.{tables}.u")
    for refused in (
        f"INSERT INTO {mine}.{tables}.t VALUES (2)",
        f"CREATE TABLE {mine}.{tables}.v (id INT)",
        f"DROP TABLE {mine}.{tables}.t",
        f"CREATE NAMESPACE {mine}.{tables}_2",
    ):
        with pytest.raises(Py4JJavaError, match="ForbiddenException"):
            sql(refused)
    assert sql(f"SELECT id FROM lake.{tables}.t") == [(1,)]


def test_writing_a_namespace(spark, sql, settings, tables):
    mine = narrowed(spark, settings, "read-write", namespace=[tables])
    sql(f"INSERT INTO {mine}.{tables}.t VALUES (2)")
    sql(f"CREATE TABLE {mine}.{tables}.v AS SELECT 3 AS id")
    sql(f"ALTER TABLE {mine}.{tables}.v RENAME TO {tables}.w")
    sql(f"DROP TABLE {mine}.{tables}.u")
    assert sql(f"SELECT id FROM {mine}.{tables}.w") == [(3,)]
    assert sql(f"SELECT id FROM lake.{tables}.t ORDER BY id") == [(1,), (2,)]
    with pytest.raises(Py4JJavaError, match="ForbiddenException"):
        sql(f"CREATE NAMESPACE {mine}.{tables}_2")
