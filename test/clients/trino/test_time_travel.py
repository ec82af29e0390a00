"""A second catalog that is the first one as it was: all that it shows is of one moment."""

import pytest
from management_api import guide_to_the_past, moment_of
from trino.exceptions import TrinoQueryError


@pytest.fixture
def past(connect, sql, settings, ns) -> str:
    """The name in Trino of the catalog at a time, since which much has changed."""
    sql(f"CREATE TABLE lake.{ns}.kept AS SELECT 1 AS id, 'old' AS name")
    sql(f"CREATE TABLE lake.{ns}.moved AS SELECT 7 AS id")
    sql(f"CREATE VIEW lake.{ns}.v SECURITY INVOKER AS SELECT 100 AS x")
    moment = moment_of(settings["properties"], ns)
    sql(f"INSERT INTO lake.{ns}.kept VALUES (2, 'new')")
    sql(f"ALTER TABLE lake.{ns}.kept ADD COLUMN extra integer")
    sql(f"ALTER TABLE lake.{ns}.moved RENAME TO lake.{ns}.elsewhere")
    sql(f"CREATE TABLE lake.{ns}.moved AS SELECT 'other' AS text")
    sql(f"DROP VIEW lake.{ns}.v")
    _, line = guide_to_the_past(settings["properties"], "properties", moment, ns)
    key, value = line.strip().split("=", 1)
    return connect(**{key: value})


def test_all_is_of_one_moment(sql, ns, past):
    assert (ns,) in sql(f"SHOW SCHEMAS FROM {past}")
    assert sorted(sql(f"SHOW TABLES FROM {past}.{ns}")) == [("kept",), ("moved",), ("v",)]
    assert sql(f"SELECT * FROM {past}.{ns}.kept") == [(1, "old")]
    assert sql(f"SELECT * FROM {past}.{ns}.moved") == [(7,)]
    assert sql(f"SELECT * FROM {past}.{ns}.v") == [(100,)]
    with pytest.raises(TrinoQueryError, match="does not exist"):
        sql(f"SELECT * FROM {past}.{ns}.elsewhere")
    # In one statement with what is now.
    assert sql(f"SELECT id FROM lake.{ns}.kept EXCEPT SELECT id FROM {past}.{ns}.kept") == [(2,)]


def test_nothing_is_written(sql, ns, past):
    for statement in [
        f"INSERT INTO {past}.{ns}.kept VALUES (4, 'x')",
        f"DELETE FROM {past}.{ns}.kept",
        f"ALTER TABLE {past}.{ns}.kept ADD COLUMN more integer",
        f"CREATE TABLE {past}.{ns}.new (id integer)",
        f"CREATE VIEW {past}.{ns}.new AS SELECT 1 AS id",
        f"CREATE SCHEMA {past}.{ns}_new",
        f"ALTER TABLE {past}.{ns}.kept RENAME TO {past}.{ns}.new",
        f"DROP TABLE {past}.{ns}.kept",
        f"DROP VIEW {past}.{ns}.v",
    ]:
        # Of some refusals Trino says only what it could not do; with credentials that only read, a file already can't be written.
        with pytest.raises(TrinoQueryError, match="where nothing can be changed|Failed to|Error committing write|Error opening"):
            sql(statement)
    assert sorted(sql(f"SHOW TABLES FROM lake.{ns}")) == [("elsewhere",), ("kept",), ("moved",)]
    assert sql(f"SELECT id FROM lake.{ns}.kept ORDER BY id") == [(1,), (2,)]
