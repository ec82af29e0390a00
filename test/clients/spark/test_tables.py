"""Creating, replacing, renaming and dropping tables."""

import pytest
from pyiceberg.exceptions import NoSuchTableError


def test_create_partitioned(sql, catalog, ns):
    sql(
        f"""CREATE TABLE lake.{ns}.t (id BIGINT NOT NULL COMMENT 'key', name STRING, at TIMESTAMP, local TIMESTAMP_NTZ,
        amount DECIMAL(10, 2), pair STRUCT<a: INT, b: ARRAY<STRING>>, counts MAP<STRING, DOUBLE>)
        USING iceberg PARTITIONED BY (days(at), bucket(4, id), truncate(2, name)) COMMENT 'a comment'
        TBLPROPERTIES ('write.format.default' = 'parquet')"""
    )
    sql(
        f"""INSERT INTO lake.{ns}.t VALUES (1, 'apple', TIMESTAMP '2026-01-01 00:00:00', TIMESTAMP_NTZ '2026-01-01 00:00:00',
        1.5, named_struct('a', 1, 'b', array('x')), map('k', 1.0D)), (2, NULL, NULL, NULL, NULL, NULL, NULL)"""
    )
    assert sql(f"SELECT id, name, pair.b[0], counts['k'] FROM lake.{ns}.t ORDER BY id") == [
        (1, "apple", "x", 1.0),
        (2, None, None, None),
    ]
    table = catalog.load_table((ns, "t"))
    assert [str(field.transform) for field in table.spec().fields] == ["day", "bucket[4]", "truncate[2]"]
    assert table.properties["comment"] == "a comment"
    assert table.schema().find_field("id").required and table.schema().find_field("id").doc == "key"
    assert sorted(table.scan().to_arrow()["id"].to_pylist()) == [1, 2]


def test_create_as_select_and_replace(sql, catalog, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} USING iceberg PARTITIONED BY (k) AS SELECT id, id % 3 AS k FROM range(30)")
    uuid = catalog.load_table((ns, "t")).metadata.table_uuid
    sql(f"REPLACE TABLE {table} USING iceberg AS SELECT id, 'x' AS z FROM range(5)")
    sql(f"CREATE OR REPLACE TABLE {table} USING iceberg TBLPROPERTIES ('a' = 'b') AS SELECT id FROM range(7)")
    assert sql(f"SELECT count(*) FROM {table}") == [(7,)]
    replaced = catalog.load_table((ns, "t"))
    assert replaced.metadata.table_uuid == uuid
    assert len(replaced.snapshots()) == 3
    assert replaced.properties["a"] == "b"
    sql(f"CREATE OR REPLACE TABLE lake.{ns}.fresh AS SELECT 1 AS id")
    assert sql(f"SELECT * FROM lake.{ns}.fresh") == [(1,)]


def test_rename(sql, ns):
    sql(f"CREATE NAMESPACE lake.{ns}.other")
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT 1 AS id")
    sql(f"ALTER TABLE lake.{ns}.t RENAME TO {ns}.other.renamed")
    assert sql(f"SHOW TABLES IN lake.{ns}") == []
    assert sql(f"SELECT * FROM lake.{ns}.other.renamed") == [(1,)]


def test_drop_and_register(sql, catalog, ns):
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT 1 AS id")
    location = catalog.load_table((ns, "t")).metadata_location
    sql(f"DROP TABLE lake.{ns}.t")
    with pytest.raises(NoSuchTableError):
        catalog.load_table((ns, "t"))
    sql(f"CALL lake.system.register_table('{ns}.back', '{location}')")
    assert sql(f"SELECT * FROM lake.{ns}.back") == [(1,)]


def test_drop_purge(sql, catalog, ns):
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT 1 AS id")
    sql(f"DROP TABLE lake.{ns}.t PURGE")
    assert not catalog.table_exists((ns, "t"))
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT 2 AS id")
    assert sql(f"SELECT * FROM lake.{ns}.t") == [(2,)]


def test_metadata_tables(sql, ns):
    sql(f"CREATE TABLE lake.{ns}.t USING iceberg PARTITIONED BY (k) AS SELECT id, id % 2 AS k FROM range(4)")
    for name, least in {
        "history": 1,
        "snapshots": 1,
        "metadata_log_entries": 1,
        "files": 2,
        "manifests": 1,
        "partitions": 2,
        "refs": 1,
        "entries": 2,
    }.items():
        assert len(sql(f"SELECT * FROM lake.{ns}.t.{name}")) >= least, name
