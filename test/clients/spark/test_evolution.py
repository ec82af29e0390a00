"""Schema, partitioning, order and properties of a table that is in use."""

import pyarrow as pa
import pytest
from pyspark.errors import AnalysisException


def test_columns(sql, catalog, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} (id INT NOT NULL, name STRING, pair STRUCT<a: INT>)")
    sql(f"INSERT INTO {table} VALUES (1, 'x', named_struct('a', 1))")
    for change in (
        "ADD COLUMNS (extra INT COMMENT 'a note' AFTER name, last STRING)",
        "ADD COLUMN pair.b BIGINT",
        "RENAME COLUMN extra TO renamed",
        "ALTER COLUMN renamed TYPE BIGINT",
        "ALTER COLUMN renamed COMMENT 'another note'",
        "ALTER COLUMN last FIRST",
        "ALTER COLUMN id DROP NOT NULL",
        "DROP COLUMN name",
    ):
        sql(f"ALTER TABLE {table} {change}")
    sql(f"INSERT INTO {table} VALUES ('l', 2, 3, named_struct('a', 4, 'b', 5))")
    assert sql(f"SELECT last, id, renamed, pair.a, pair.b FROM {table} ORDER BY id") == [
        (None, 1, None, 1, None),
        ("l", 2, 3, 4, 5),
    ]
    schema = catalog.load_table((ns, "t")).schema()
    assert [field.name for field in schema.fields] == ["last", "id", "renamed", "pair"]
    assert schema.find_field("renamed").doc == "another note"
    assert not schema.find_field("id").required


def test_a_narrower_type_is_refused(sql, ns):
    sql(f"CREATE TABLE lake.{ns}.t (id BIGINT)")
    with pytest.raises(AnalysisException):
        sql(f"ALTER TABLE lake.{ns}.t ALTER COLUMN id TYPE INT")


def test_partition_fields(sql, catalog, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} (id BIGINT, name STRING, at TIMESTAMP) PARTITIONED BY (days(at))")
    sql(f"INSERT INTO {table} VALUES (1, 'a', TIMESTAMP '2026-01-01 00:00:00')")
    sql(f"ALTER TABLE {table} ADD PARTITION FIELD bucket(8, id) AS shard")
    sql(f"ALTER TABLE {table} REPLACE PARTITION FIELD days(at) WITH months(at)")
    sql(f"ALTER TABLE {table} DROP PARTITION FIELD shard")
    sql(f"INSERT INTO {table} VALUES (2, 'b', TIMESTAMP '2026-02-01 00:00:00')")
    assert sql(f"SELECT id FROM {table} WHERE at >= TIMESTAMP '2026-02-01 00:00:00'") == [(2,)]
    loaded = catalog.load_table((ns, "t"))
    assert [field.name for field in loaded.spec().fields] == ["at_month"]
    assert len(loaded.specs()) == 4


def test_order_distribution_identifiers(sql, catalog, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} (id BIGINT NOT NULL, name STRING) PARTITIONED BY (name)")
    sql(f"ALTER TABLE {table} WRITE ORDERED BY id DESC NULLS LAST, truncate(2, name)")
    loaded = catalog.load_table((ns, "t"))
    assert [(str(field.transform), field.source_id) for field in loaded.sort_order().fields] == [("identity", 1), ("truncate[2]", 2)]
    assert loaded.properties["write.distribution-mode"] == "range"
    sql(f"ALTER TABLE {table} WRITE UNORDERED")
    sql(f"ALTER TABLE {table} WRITE DISTRIBUTED BY PARTITION LOCALLY ORDERED BY id")
    assert catalog.load_table((ns, "t")).properties["write.distribution-mode"] == "hash"
    sql(f"ALTER TABLE {table} SET IDENTIFIER FIELDS id")
    assert catalog.load_table((ns, "t")).schema().identifier_field_ids == [1]
    sql(f"ALTER TABLE {table} DROP IDENTIFIER FIELDS id")
    assert catalog.load_table((ns, "t")).schema().identifier_field_ids == []


def test_properties(sql, catalog, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} (id BIGINT) TBLPROPERTIES ('a' = 'b')")
    sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('c' = 'd', 'format-version' = '3', 'comment' = 'changed')")
    sql(f"ALTER TABLE {table} UNSET TBLPROPERTIES ('a')")
    loaded = catalog.load_table((ns, "t"))
    assert loaded.metadata.format_version == 3
    assert {"c": "d", "comment": "changed"}.items() <= loaded.properties.items()
    assert "a" not in loaded.properties and "format-version" not in loaded.properties


def test_a_stale_session_changes_the_schema(spark, sql, catalog, ns):
    """Another client wrote since this session loaded the table: no conflict."""
    sql(f"CREATE TABLE lake.{ns}.t (id BIGINT)")
    assert sql(f"SELECT * FROM lake.{ns}.t") == []
    catalog.load_table((ns, "t")).append(pa.table({"id": [1]}))
    sql(f"ALTER TABLE lake.{ns}.t ADD COLUMN name STRING")
    sql(f"REFRESH TABLE lake.{ns}.t")
    assert sql(f"SELECT * FROM lake.{ns}.t") == [(1, None)]
