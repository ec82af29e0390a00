"""Views by Spark's DDL."""

import pytest
from pyspark.errors import AnalysisException


@pytest.fixture
def view(sql, ns) -> str:
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT id FROM range(3)")
    return f"lake.{ns}.v"


def test_create_query_replace_drop(sql, ns, view):
    sql(f"CREATE VIEW {view} (x COMMENT 'a note') COMMENT 'a comment' TBLPROPERTIES ('p' = 'q') AS SELECT id FROM lake.{ns}.t")
    sql(f"CREATE VIEW IF NOT EXISTS {view} AS SELECT 1 AS one")
    assert sql(f"SELECT x FROM {view} ORDER BY x") == [(0,), (1,), (2,)]
    sql(f"CREATE OR REPLACE VIEW {view} AS SELECT id * 2 AS y FROM lake.{ns}.t")
    assert sql(f"SELECT y FROM {view} ORDER BY y") == [(0,), (2,), (4,)]
    assert [(row[0], row[1]) for row in sql(f"SHOW VIEWS IN lake.{ns}")] == [(ns, "v")]
    assert ("SELECT id * 2 AS y" in sql(f"SHOW CREATE TABLE {view}")[0][0]) is True
    sql(f"DROP VIEW {view}")
    assert sql(f"SHOW VIEWS IN lake.{ns}") == []


def test_properties_and_rename(sql, ns, view):
    sql(f"CREATE VIEW {view} AS SELECT id FROM lake.{ns}.t")
    sql(f"ALTER VIEW {view} SET TBLPROPERTIES ('p' = 'q', 'r' = 's')")
    sql(f"ALTER VIEW {view} UNSET TBLPROPERTIES ('r')")
    properties = dict(sql(f"SHOW TBLPROPERTIES {view}"))
    assert properties["p"] == "q" and "r" not in properties
    sql(f"ALTER VIEW {view} RENAME TO lake.{ns}.renamed")
    assert sql(f"SELECT count(*) FROM lake.{ns}.renamed") == [(3,)]


def test_schema_binding(sql, ns, view):
    sql(f"CREATE VIEW {view} AS SELECT * FROM lake.{ns}.t")
    sql(f"ALTER TABLE lake.{ns}.t ADD COLUMN later STRING")
    assert len(sql(f"SELECT * FROM {view}")) == 3


def test_a_view_does_not_take_a_tables_name(sql, ns, view):
    with pytest.raises(AnalysisException):
        sql(f"CREATE VIEW lake.{ns}.t AS SELECT 1 AS one")
    sql(f"CREATE VIEW {view} AS SELECT 1 AS one")
    with pytest.raises(AnalysisException):
        sql(f"CREATE TABLE {view} (id INT)")
    assert sql(f"SELECT count(*) FROM lake.{ns}.t") == [(3,)]
