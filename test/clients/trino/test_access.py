"""What a token allows, and how Trino comes to the files."""

import uuid

import pytest
from management_api import make_signing_catalog, narrowed_token
from trino.exceptions import TrinoQueryError

OWN_KEYS = ("s3.aws-access-key", "s3.aws-secret-key")


@pytest.fixture
def only_on_s3(settings):
    if settings["kind"] != "s3":
        pytest.skip("the files lie on a local disk")


@pytest.fixture
def tables(sql, ns) -> str:
    for table in ("t", "u"):
        sql(f"CREATE TABLE lake.{ns}.{table} AS SELECT 1 AS id")
    return ns


def test_reading_one_table(connect, sql, settings, tables):
    mine = connect(**{"oauth2.token": narrowed_token(settings["properties"], "read", {"namespace": [tables], "table": "t"})})
    assert [name for (name,) in sql(f"SHOW SCHEMAS FROM {mine}") if name not in ("information_schema", "system")] == [tables]
    assert sql(f"SHOW TABLES FROM {mine}.{tables}") == [("t",)]
    assert sql(f"SELECT id FROM {mine}.{tables}.t") == [(1,)]
    for refused in (
        f"SELECT * FROM {mine}.{tables}.u",
        f"INSERT INTO {mine}.{tables}.t VALUES 2",
        f"DELETE FROM {mine}.{tables}.t",
        f"CREATE TABLE {mine}.{tables}.v (id integer)",
        f"DROP TABLE {mine}.{tables}.t",
        f"CREATE SCHEMA {mine}.{tables}_2",
    ):
        with pytest.raises(TrinoQueryError):
            sql(refused)
    assert sql(f"SELECT id FROM lake.{tables}.t") == [(1,)]
    assert sql(f"SHOW TABLES FROM lake.{tables}") == [("t",), ("u",)]


def test_writing_a_schema(connect, sql, settings, tables):
    mine = connect(**{"oauth2.token": narrowed_token(settings["properties"], "read-write", {"namespace": [tables]})})
    sql(f"INSERT INTO {mine}.{tables}.t VALUES 2")
    sql(f"CREATE TABLE {mine}.{tables}.v AS SELECT 3 AS id")
    sql(f"ALTER TABLE {mine}.{tables}.v RENAME TO {mine}.{tables}.w")
    sql(f"DROP TABLE {mine}.{tables}.u")
    assert sql(f"SELECT id FROM {mine}.{tables}.w") == [(3,)]
    assert sql(f"SELECT id FROM lake.{tables}.t ORDER BY id") == [(1,), (2,)]
    with pytest.raises(TrinoQueryError):
        sql(f"CREATE SCHEMA {mine}.{tables}_2")


def test_without_asking_there_are_no_keys(connect, sql, tables, only_on_s3):
    keyless = connect(**{"vended-credentials-enabled": "false"} | dict.fromkeys(OWN_KEYS, "wrong"))
    with pytest.raises(TrinoQueryError):
        sql(f"SELECT id FROM {keyless}.{tables}.t")


def test_a_warehouse_that_signs(connect, sql, settings, only_on_s3):
    """Trino 476 can't have its requests signed: it has no such setting, and is given no keys where it asks for them. With
    keys of its own it uses such a warehouse all the same."""
    name = f"signing_{uuid.uuid4().hex[:8]}"
    make_signing_catalog(settings, name)
    with pytest.raises(TrinoQueryError, match="'iceberg.rest-catalog.remote-signing-enabled' was not used"):
        connect(warehouse=name, **{"remote-signing-enabled": "true"})
    storage = settings["storage"]
    keys = dict(zip(OWN_KEYS, (storage["accessKey"], storage["secretKey"]), strict=True))
    own = connect(warehouse=name, **{"vended-credentials-enabled": "false"}, **keys)
    sql(f"CREATE SCHEMA {own}.ns")
    sql(f"CREATE TABLE {own}.ns.t AS SELECT 1 AS id")
    assert sql(f"SELECT id FROM {own}.ns.t") == [(1,)]
    asking = connect(warehouse=name)
    with pytest.raises(TrinoQueryError, match="Error processing metadata for table ns.t") as refusal:
        sql(f"SELECT id FROM {asking}.ns.t")
    assert "Unable to load credentials from any of the providers in the chain" in str(refusal.value.failure_info)


def test_registration(connect, sql, catalog, settings, tables):
    option = {"iceberg.register-table-procedure.enabled": "true"}
    if settings["kind"] == "s3":
        with pytest.raises(TrinoQueryError, match="`register_table` procedure with vended credentials is currently not supported"):
            connect(**option)
        return
    place, file = catalog.load_table((tables, "t")).metadata_location.split("/metadata/")
    registering = connect(**option)
    sql(f"CALL {registering}.system.unregister_table('{tables}', 't')")
    assert sql(f"SHOW TABLES FROM lake.{tables}") == [("u",)]
    sql(f"CALL {registering}.system.register_table('{tables}', 'back', '{place}', '{file}')")
    assert sql(f"SELECT id FROM lake.{tables}.back") == [(1,)]
