"""ALTER TABLE: columns, types, nested fields, partitioning, properties."""

import pytest
from trino.exceptions import TrinoQueryError


@pytest.fixture
def table(sql, ns) -> str:
    sql(f"CREATE TABLE lake.{ns}.t (id integer NOT NULL, name varchar, at timestamp(6), pair row(a integer))")
    sql(f"INSERT INTO lake.{ns}.t VALUES (1, 'a', TIMESTAMP '2026-01-01 00:00:00', ROW(1))")
    return f"lake.{ns}.t"


def test_columns(sql, catalog, ns, table):
    sql(f"ALTER TABLE {table} ADD COLUMN extra integer COMMENT 'a note'")
    sql(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS extra integer")
    sql(f"ALTER TABLE {table} ADD COLUMN first_one integer FIRST")
    sql(f"ALTER TABLE {table} ADD COLUMN after_id integer AFTER id")
    sql(f"ALTER TABLE {table} RENAME COLUMN name TO label")
    sql(f"ALTER TABLE {table} ALTER COLUMN id SET DATA TYPE bigint")
    sql(f"ALTER TABLE {table} ALTER COLUMN id DROP NOT NULL")
    sql(f"ALTER TABLE {table} ADD COLUMN pair.b varchar")
    sql(f"ALTER TABLE {table} RENAME COLUMN pair.a TO aa")
    sql(f"ALTER TABLE {table} DROP COLUMN after_id")
    sql(f"INSERT INTO {table} (id, label, extra, pair) VALUES (2, 'b', 5, ROW(2, 'x'))")
    assert [row[0] for row in sql(f"DESCRIBE {table}")] == ["first_one", "id", "label", "at", "pair", "extra"]
    assert sql(f"SELECT id, label, extra, pair.aa, pair.b FROM {table} ORDER BY id") == [(1, "a", None, 1, None), (2, "b", 5, 2, "x")]
    schema = catalog.load_table((ns, "t")).schema()
    assert schema.find_field("label").field_id == 2 and not schema.find_field("id").required
    with pytest.raises(TrinoQueryError):
        sql(f"ALTER TABLE {table} ALTER COLUMN label SET DATA TYPE integer")


def test_partitioning(sql, catalog, ns, table):
    sql(f"ALTER TABLE {table} SET PROPERTIES partitioning = ARRAY['day(at)']")
    sql(f"INSERT INTO {table} VALUES (2, 'b', TIMESTAMP '2026-02-01 00:00:00', ROW(2))")
    sql(f"ALTER TABLE {table} SET PROPERTIES partitioning = ARRAY['month(at)', 'bucket(id, 2)'], sorted_by = ARRAY['name']")
    sql(f"INSERT INTO {table} VALUES (3, 'c', TIMESTAMP '2026-03-01 00:00:00', ROW(3))")
    assert sql(f"SELECT id FROM {table} WHERE at >= TIMESTAMP '2026-02-01 00:00:00' ORDER BY id") == [(2,), (3,)]
    loaded = catalog.load_table((ns, "t"))
    assert [str(field.transform) for field in loaded.spec().fields][-2:] == ["month", "bucket[2]"]
    assert len(loaded.specs()) == 3
    sql(f"ALTER TABLE {table} SET PROPERTIES partitioning = ARRAY[]")
    assert sql(f"SELECT count(*) FROM {table}") == [(3,)]


def test_a_dropped_column_that_partitioned(sql, table):
    sql(f"ALTER TABLE {table} SET PROPERTIES partitioning = ARRAY['name']")
    sql(f"INSERT INTO {table} VALUES (2, 'b', NULL, NULL)")
    with pytest.raises(TrinoQueryError):
        sql(f"ALTER TABLE {table} DROP COLUMN name")
    assert sql(f"SELECT id FROM {table} ORDER BY id") == [(1,), (2,)]


def test_comments_and_properties(sql, catalog, ns, table):
    sql(f"COMMENT ON TABLE {table} IS 'changed'")
    sql(f"COMMENT ON COLUMN {table}.id IS 'key'")
    sql(f"ALTER TABLE {table} SET PROPERTIES format = 'ORC', max_commit_retry = 2")
    sql(f"INSERT INTO {table} VALUES (2, 'b', NULL, NULL)")
    loaded = catalog.load_table((ns, "t"))
    assert loaded.properties["comment"] == "changed" and loaded.properties["write.format.default"] == "ORC"
    assert loaded.properties["commit.retry.num-retries"] == "2"
    assert loaded.schema().find_field("id").doc == "key"


def test_format_version(sql, catalog, ns):
    sql(f"CREATE TABLE lake.{ns}.t WITH (format_version = 1) AS SELECT 1 AS id")
    assert catalog.load_table((ns, "t")).metadata.format_version == 1
    sql(f"ALTER TABLE lake.{ns}.t SET PROPERTIES format_version = 2")
    sql(f"DELETE FROM lake.{ns}.t WHERE id = 1")
    assert catalog.load_table((ns, "t")).metadata.format_version == 2
    assert sql(f"SELECT * FROM lake.{ns}.t") == []
