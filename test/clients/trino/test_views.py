"""Views by Trino's DDL, kept in the catalog as views of its own dialect."""

import pytest
from trino.exceptions import TrinoQueryError


@pytest.fixture
def view(sql, ns) -> str:
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT cast(x AS integer) AS id FROM UNNEST(sequence(1, 3)) AS s(x)")
    return f"lake.{ns}.v"


def test_create_query_replace_drop(sql, catalog, ns, view):
    sql(f"CREATE VIEW {view} COMMENT 'a comment' AS SELECT id AS x FROM lake.{ns}.t")
    assert sql(f"SELECT x FROM {view} ORDER BY x") == [(1,), (2,), (3,)]
    sql(f"CREATE OR REPLACE VIEW {view} AS SELECT id * 2 AS y FROM lake.{ns}.t")
    assert sql(f"SELECT y FROM {view} ORDER BY y") == [(2,), (4,), (6,)]
    sql(f"CREATE VIEW lake.{ns}.w SECURITY INVOKER AS SELECT id FROM lake.{ns}.t")
    assert "SECURITY INVOKER" in sql(f"SHOW CREATE VIEW lake.{ns}.w")[0][0]
    sql(f"DROP VIEW lake.{ns}.w")
    loaded = catalog.load_view((ns, "v"))
    assert [one.root.dialect for one in loaded.current_version().representations] == ["trino"]
    assert len(loaded.metadata.versions) == 2
    with pytest.raises(TrinoQueryError, match="already exists"):
        sql(f"CREATE VIEW {view} AS SELECT 1 AS one")
    sql(f"DROP VIEW {view}")
    assert catalog.list_views(ns) == []


def test_rename_and_comment(sql, ns, view):
    sql(f"CREATE VIEW {view} AS SELECT id FROM lake.{ns}.t")
    sql(f"COMMENT ON VIEW {view} IS 'a comment'")
    sql(f"COMMENT ON COLUMN {view}.id IS 'a note'")
    sql(f"ALTER VIEW {view} RENAME TO lake.{ns}.renamed")
    shown = sql(f"SHOW CREATE VIEW lake.{ns}.renamed")[0][0]
    assert "COMMENT 'a comment'" in shown
    assert sql(f"SHOW COLUMNS FROM lake.{ns}.renamed") == [("id", "integer", "", "a note")]
    with pytest.raises(TrinoQueryError, match="does not exist"):
        sql(f"SELECT * FROM {view}")
    assert sql(f"SELECT count(*) FROM lake.{ns}.renamed") == [(3,)]


def test_a_view_does_not_take_a_tables_name(sql, ns, view):
    with pytest.raises(TrinoQueryError, match="already exists"):
        sql(f"CREATE VIEW lake.{ns}.t AS SELECT 1 AS one")
    sql(f"CREATE VIEW {view} AS SELECT 1 AS one")
    with pytest.raises(TrinoQueryError, match="already exists"):
        sql(f"CREATE TABLE {view} (id integer)")
    assert sql(f"SELECT count(*) FROM lake.{ns}.t") == [(3,)]


def test_materialized_views_are_not_for_such_catalogs(sql, ns, view):
    """Trino keeps them nowhere in a REST catalog; nothing is left of the attempt."""
    with pytest.raises(TrinoQueryError, match="createMaterializedView is not supported for Iceberg REST catalog"):
        sql(f"CREATE MATERIALIZED VIEW {view} AS SELECT id FROM lake.{ns}.t")
    assert sql(f"SHOW TABLES FROM lake.{ns}") == [("t",)]
