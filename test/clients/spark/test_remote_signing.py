"""Spark, whose requests to the storage the server signs: Iceberg's own S3FileIO without any keys."""

import uuid

import pytest
from management_api import make_signing_catalog, narrowed_token
from py4j.protocol import Py4JJavaError
from test_connections import connect


@pytest.fixture(scope="module", autouse=True)
def only_on_s3(settings):
    if settings["kind"] != "s3":
        pytest.skip("requests are signed on S3")


@pytest.fixture(scope="module")
def signed(spark, settings) -> str:
    """The name in Spark of a catalog whose warehouse hands out nothing."""
    name = f"signing_{uuid.uuid4().hex[:8]}"
    make_signing_catalog(settings, name)
    catalog = signing(spark, settings, name)
    spark.sql(f"CREATE NAMESPACE {catalog}.ns")
    return catalog


def signing(spark, settings, warehouse: str, **options: str) -> str:
    return connect(spark, settings, warehouse=warehouse, **{"header.X-Iceberg-Access-Delegation": "remote-signing"}, **options)


def test_reads_and_writes_without_keys(spark, sql, signed):
    table = f"{signed}.ns.t"
    sql(f"CREATE TABLE {table} (id INT, name STRING) PARTITIONED BY (name)")
    sql(f"INSERT INTO {table} VALUES (1, 'a b'), (2, 'a/b+c%2F'), (3, 'ü')")
    sql(f"DELETE FROM {table} WHERE id = 1")
    sql(f"UPDATE {table} SET id = 4 WHERE id = 3")
    assert sorted(sql(f"SELECT id FROM {table}")) == [(2,), (4,)]


def test_tables_made_of_queries(spark, sql, signed):
    sql(f"CREATE TABLE {signed}.ns.made AS SELECT 1 AS id")
    sql(f"CREATE OR REPLACE TABLE {signed}.ns.made AS SELECT id + 1 AS id FROM {signed}.ns.made")
    assert sql(f"SELECT id FROM {signed}.ns.made") == [(2,)]


def test_a_reader_reads(spark, sql, settings, signed):
    sql(f"CREATE TABLE {signed}.ns.read (id INT)")
    sql(f"INSERT INTO {signed}.ns.read VALUES (1)")
    warehouse = spark.conf.get(f"spark.sql.catalog.{signed}.warehouse")
    token = narrowed_token(settings["properties"], "read")
    reader = signing(spark, settings, warehouse, token=token)
    assert sql(f"SELECT id FROM {reader}.ns.read") == [(1,)]
    with pytest.raises(Py4JJavaError, match="ForbiddenException"):
        sql(f"INSERT INTO {reader}.ns.read VALUES (2)")
    assert sql(f"SELECT id FROM {signed}.ns.read") == [(1,)]
