"""A catalog of Trino may be the lake as it was at a moment."""

import pytest
from moments import at, now
from trino.exceptions import TrinoQueryError


def test_a_catalog_as_it_was(connect, sql, settings, ns):
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT BIGINT '1' AS id, 'a' AS name")
    sql(f"CREATE TABLE lake.{ns}.dropped AS SELECT 7 AS id")
    then = now()
    sql(f"INSERT INTO lake.{ns}.t VALUES (2, 'b')")
    sql(f"ALTER TABLE lake.{ns}.t ADD COLUMN more VARCHAR")
    sql(f"ALTER TABLE lake.{ns}.t RENAME TO lake.{ns}.renamed")
    sql(f"DROP TABLE lake.{ns}.dropped")

    past = connect(warehouse=at(settings["properties"], then))
    assert [name for (name,) in sql(f"SHOW TABLES FROM {past}.{ns}")][-1] == "t"
    assert sql(f"SELECT * FROM {past}.{ns}.t") == [(1, "a")]
    assert ns in [schema for (schema,) in sql(f"SHOW SCHEMAS FROM {past}")]
    with pytest.raises(TrinoQueryError):
        sql(f"INSERT INTO {past}.{ns}.t VALUES (3, 'c')")
    with pytest.raises(TrinoQueryError):
        sql(f"CREATE TABLE {past}.{ns}.new (id INTEGER)")
    assert sql(f"SELECT id FROM lake.{ns}.renamed ORDER BY id") == [(1,), (2,)]
