"""Schemas, which are namespaces: where they lie, and how they nest."""

import pytest
from trino.exceptions import TrinoQueryError


def location_of(sql, schema: str) -> str:
    text = sql(f"SHOW CREATE SCHEMA lake.{schema}")[0][0]
    return text.split("location = '")[1].split("'")[0]


def path_of(sql, table: str) -> str:
    return sql(f'SELECT "$path" FROM lake.{table} LIMIT 1')[0][0]


def test_tables_lie_below_the_schemas_own_location(sql, catalog, ns):
    location = location_of(sql, ns)
    assert location.rstrip("/").endswith(f"/{ns}")
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT 1 AS id")
    assert catalog.load_table((ns, "t")).location().startswith(f"{location.rstrip('/')}/t")


def test_a_location_that_is_asked_for(sql, catalog, ns):
    location = f"{location_of(sql, ns).rstrip('/')}_elsewhere/deep"
    sql(f"CREATE SCHEMA lake.{ns}_2 WITH (location = '{location}')")
    assert location_of(sql, f"{ns}_2").rstrip("/") == location
    sql(f"CREATE TABLE lake.{ns}_2.t (id bigint)")
    sql(f"INSERT INTO lake.{ns}_2.t VALUES 1")
    assert path_of(sql, f"{ns}_2.t").startswith(f"{location}/t")
    sql(f"DROP TABLE lake.{ns}_2.t")
    sql(f"DROP SCHEMA lake.{ns}_2")


def test_a_location_outside_the_warehouse_is_refused(sql, settings, ns):
    outside = "s3://some-other-bucket/ns" if settings["kind"] == "s3" else "file:///tmp/outside-of-the-warehouse"
    with pytest.raises(TrinoQueryError, match="(?i)location"):
        sql(f"CREATE SCHEMA lake.{ns}_2 WITH (location = '{outside}')")
    assert (f"{ns}_2",) not in sql("SHOW SCHEMAS FROM lake")


def test_nested(sql, catalog, ns):
    sql(f'CREATE SCHEMA lake."{ns}.inner"')
    sql(f'CREATE SCHEMA lake."{ns}.inner.most"')
    sql(f'CREATE TABLE lake."{ns}.inner.most".t AS SELECT 1 AS id')
    assert {(f"{ns}.inner",), (f"{ns}.inner.most",)} <= set(sql("SHOW SCHEMAS FROM lake"))
    assert catalog.list_tables((ns, "inner", "most")) == [(ns, "inner", "most", "t")]
    assert sql(f"SHOW TABLES FROM lake.\"{ns}.inner.most\"") == [("t",)]
    with pytest.raises(TrinoQueryError, match="(?i)not empty|non-empty"):
        sql(f'DROP SCHEMA lake."{ns}.inner"')
    sql(f'DROP SCHEMA lake."{ns}.inner.most" CASCADE')
    sql(f'DROP SCHEMA lake."{ns}.inner"')
    assert not catalog.namespace_exists((ns, "inner"))


def test_drop(sql, catalog, ns):
    sql(f"CREATE SCHEMA IF NOT EXISTS lake.{ns}")
    sql(f"CREATE TABLE lake.{ns}.t (id bigint)")
    sql(f"CREATE VIEW lake.{ns}.v AS SELECT id FROM lake.{ns}.t")
    with pytest.raises(TrinoQueryError, match="non-empty"):
        sql(f"DROP SCHEMA lake.{ns}")
    sql(f"DROP SCHEMA lake.{ns} CASCADE")
    assert not catalog.namespace_exists(ns)
    with pytest.raises(TrinoQueryError, match="does not exist"):
        sql(f"SHOW TABLES FROM lake.{ns}")


def test_owner_and_properties_are_left_alone(sql, catalog, ns):
    catalog.update_namespace_properties(ns, updates={"team": "blue"})
    sql(f"CREATE TABLE lake.{ns}.t (id bigint)")
    assert catalog.load_namespace_properties(ns)["team"] == "blue"
