"""Databases by Flink's DDL: they are namespaces of one level."""

import pytest
from conftest import FlinkError


def test_create_alter_drop(sql, catalog, ns):
    sql(f"CREATE DATABASE lake.{ns}_2 COMMENT 'a comment' WITH ('team' = 'blue')")
    sql(f"CREATE DATABASE IF NOT EXISTS lake.{ns}_2")
    assert {"comment": "a comment", "team": "blue"}.items() <= catalog.load_namespace_properties(f"{ns}_2").items()
    sql(f"ALTER DATABASE lake.{ns}_2 SET ('team' = 'red', 'tier' = '1')")
    assert {"team": "red", "tier": "1"}.items() <= catalog.load_namespace_properties(f"{ns}_2").items()
    assert {(ns,), (f"{ns}_2",)} <= set(sql("SHOW DATABASES IN lake"))
    sql(f"DROP DATABASE lake.{ns}_2")
    assert not catalog.namespace_exists(f"{ns}_2")


def test_a_database_in_use_is_not_dropped(sql, ns):
    sql(f"CREATE TABLE lake.{ns}.t (id BIGINT)")
    with pytest.raises(FlinkError, match="not empty"):
        sql(f"DROP DATABASE lake.{ns}")
    # Iceberg's catalog for Flink does not drop what lies within.
    with pytest.raises(FlinkError, match="not empty"):
        sql(f"DROP DATABASE lake.{ns} CASCADE")
    sql(f"DROP TABLE lake.{ns}.t")
    sql(f"DROP DATABASE lake.{ns}")
    assert (ns,) not in sql("SHOW DATABASES IN lake")
