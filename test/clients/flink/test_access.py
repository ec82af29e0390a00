"""What a token allows, and how Flink comes to the files on S3."""

import uuid

import pytest
from conftest import FlinkError
from management_api import make_signing_catalog, narrowed_token
from test_connections import token_only

DELEGATION = "header.X-Iceberg-Access-Delegation"


@pytest.fixture
def only_on_s3(settings):
    if settings["kind"] != "s3":
        pytest.skip("the files lie on a local disk")


@pytest.fixture
def tables(sql, ns) -> str:
    for table in ("t", "u"):
        sql(f"CREATE TABLE lake.{ns}.{table} (id BIGINT)")
        sql(f"INSERT INTO lake.{ns}.{table} VALUES (1)")
    return ns


def test_reading_one_table(connect, sql, settings, tables):
    token = narrowed_token(settings["properties"], "read", {"namespace": [tables], "table": "t"})
    mine = connect(**token_only(settings) | {"token": token, "default-database": tables})
    assert sql(f"SHOW DATABASES IN {mine}") == [(tables,)]
    assert sql(f"SHOW TABLES IN {mine}.{tables}") == [("t",)]
    assert sql(f"SELECT id FROM {mine}.{tables}.t") == [(1,)]
    with pytest.raises(FlinkError, match="not found"):
        sql(f"SELECT * FROM {mine}.{tables}.u")
    for refused in (
        f"CREATE TABLE {mine}.{tables}.v (id BIGINT)",
        f"DROP TABLE {mine}.{tables}.t",
        f"CREATE DATABASE {mine}.{tables}_2",
    ):
        with pytest.raises(FlinkError, match="ForbiddenException"):
            sql(refused)
    # It is a job that fails here, and its cluster may be gone before it is asked why.
    with pytest.raises(FlinkError, match="ForbiddenException|MiniCluster"):
        sql(f"INSERT INTO {mine}.{tables}.t VALUES (2)")
    assert sql(f"SELECT id FROM lake.{tables}.t") == [(1,)]


def test_writing_a_namespace(connect, sql, settings, tables):
    token = narrowed_token(settings["properties"], "read-write", {"namespace": [tables]})
    mine = connect(**token_only(settings) | {"token": token, "default-database": tables})
    sql(f"INSERT INTO {mine}.{tables}.t VALUES (2)")
    sql(f"CREATE TABLE {mine}.{tables}.v (id BIGINT)")
    sql(f"DROP TABLE {mine}.{tables}.u")
    assert sorted(sql(f"SELECT id FROM lake.{tables}.t")) == [(1,), (2,)]
    assert sorted(sql(f"SHOW TABLES IN lake.{tables}")) == [("t",), ("v",)]


def test_without_asking_there_are_no_keys(connect, sql, tables, only_on_s3):
    keyless = connect(**{DELEGATION: None, "s3.access-key-id": "wrong", "s3.secret-access-key": "wrong"})
    with pytest.raises(FlinkError, match="S3Exception|InvalidAccessKeyId|403"):
        sql(f"SELECT id FROM {keyless}.{tables}.t")


def test_requests_that_the_server_signs(connect, sql, settings, only_on_s3):
    name = f"signing_{uuid.uuid4().hex[:8]}"
    make_signing_catalog(settings, name)
    signed = connect(warehouse=name, **{DELEGATION: "remote-signing"})
    sql(f"CREATE DATABASE {signed}.ns")
    sql(f"CREATE TABLE {signed}.ns.t (id BIGINT, k STRING) PARTITIONED BY (k)")
    sql(f"INSERT INTO {signed}.ns.t VALUES (1, 'a b'), (2, 'a/b+c%2F')")
    assert sorted(sql(f"SELECT id, k FROM {signed}.ns.t")) == [(1, "a b"), (2, "a/b+c%2F")]
