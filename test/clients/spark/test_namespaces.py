"""Namespaces by Spark's DDL."""

import pytest
from py4j.protocol import Py4JJavaError


def test_create_describe_alter_drop(sql, catalog, ns):
    sql(f"CREATE NAMESPACE lake.{ns}.inner COMMENT 'a comment' WITH PROPERTIES ('team' = 'blue')")
    sql(f"CREATE NAMESPACE IF NOT EXISTS lake.{ns}.inner")
    sql(f"ALTER NAMESPACE lake.{ns}.inner SET PROPERTIES ('team' = 'red', 'tier' = '1')")
    properties = catalog.load_namespace_properties((ns, "inner"))
    assert {"comment": "a comment", "team": "red", "tier": "1"}.items() <= properties.items()
    described = dict(row for row in sql(f"DESCRIBE NAMESPACE EXTENDED lake.{ns}.inner"))
    assert described["Comment"] == "a comment" and "(team,red)" in described["Properties"]
    assert sql(f"SHOW NAMESPACES IN lake.{ns}") == [(f"{ns}.inner",)]
    sql(f"DROP NAMESPACE lake.{ns}.inner")
    assert sql(f"SHOW NAMESPACES IN lake.{ns}") == []


def test_a_namespace_in_use_is_not_dropped(sql, ns):
    sql(f"CREATE TABLE lake.{ns}.t (id INT)")
    with pytest.raises(Py4JJavaError, match="NamespaceNotEmptyException"):
        sql(f"DROP NAMESPACE lake.{ns}")
    assert sql(f"SHOW TABLES IN lake.{ns}") == [(ns, "t", False)]


def test_odd_names(sql, catalog, ns):
    sql(f"CREATE NAMESPACE lake.{ns}.`deep er/é.x`")
    sql(f"CREATE TABLE lake.{ns}.`deep er/é.x`.`t.x/%` AS SELECT 1 AS `a b`")
    assert sql(f"SELECT `a b` FROM lake.{ns}.`deep er/é.x`.`t.x/%`") == [(1,)]
    assert catalog.list_tables((ns, "deep er/é.x")) == [(ns, "deep er/é.x", "t.x/%")]
    sql(f"DROP TABLE lake.{ns}.`deep er/é.x`.`t.x/%`")
    sql(f"DROP NAMESPACE lake.{ns}.`deep er/é.x`")
