"""Creating, replacing, describing, renaming and dropping tables."""

import time
from pathlib import Path

import pyarrow as pa
import pytest
import s3fs
from pyiceberg.exceptions import NoSuchTableError
from started_catalog import SETTINGS
from trino.exceptions import TrinoQueryError


def files_below(location: str) -> list[str]:
    """By a file system of the test's own."""
    if SETTINGS["kind"] == "local":
        return [str(path) for path in Path(location.removeprefix("file://")).rglob("*") if path.is_file()]
    storage = SETTINGS["storage"]
    keys = {"key": storage["accessKey"], "secret": storage["secretKey"]}
    system = s3fs.S3FileSystem(**keys, endpoint_url=storage["endpoint"], use_listings_cache=False)
    return system.find(location.removeprefix("s3://"))


def test_create_partitioned(sql, catalog, ns):
    sql(
        f"""CREATE TABLE lake.{ns}.t (id bigint NOT NULL COMMENT 'key', name varchar, at timestamp(6) with time zone, local timestamp(6),
        day date, amount decimal(10, 2), number integer, ratio double, share real, flag boolean, raw varbinary, code uuid, clock time(6),
        pair row(a integer, b array(varchar)), counts map(varchar, double))
        COMMENT 'a comment' WITH (format = 'PARQUET', format_version = 2, sorted_by = ARRAY['id'],
        partitioning = ARRAY['month(at)', 'bucket(id, 4)', 'truncate(name, 2)'])"""
    )
    sql(
        f"""INSERT INTO lake.{ns}.t VALUES (1, 'apple', TIMESTAMP '2026-01-01 00:00:00 UTC', TIMESTAMP '2026-01-01 00:00:00.123456',
        DATE '2026-01-01', 1.5, 7, 0.5, 0.25, true, X'00ff', UUID '12151fd2-7586-11e9-8f9e-2a86e4085a59', TIME '01:02:03.000004',
        ROW(1, ARRAY['x']), MAP(ARRAY['k'], ARRAY[1e0])),
        (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"""
    )
    assert sql(f"SELECT id, name, amount, pair.b[1], counts['k'], code FROM lake.{ns}.t ORDER BY id LIMIT 1")[0][:2] == (1, "apple")
    assert sql(f"SELECT pair.b[1], counts['k'], cast(code AS varchar) FROM lake.{ns}.t WHERE id = 1") == [
        ("x", 1.0, "12151fd2-7586-11e9-8f9e-2a86e4085a59")
    ]
    table = catalog.load_table((ns, "t"))
    assert [str(field.transform) for field in table.spec().fields] == ["month", "bucket[4]", "truncate[2]"]
    assert len(table.sort_order().fields) == 1 and table.properties["comment"] == "a comment"
    assert table.schema().find_field("id").required and table.schema().find_field("id").doc == "key"
    rows = table.scan().to_arrow().sort_by("id").to_pylist()
    assert rows[0]["raw"] == b"\x00\xff" and rows[0]["pair"] == {"a": 1, "b": ["x"]} and rows[1]["name"] is None


@pytest.mark.parametrize("form", ["PARQUET", "ORC", "AVRO"])
def test_formats(sql, ns, form):
    sql(f"CREATE TABLE lake.{ns}.t WITH (format = '{form}') AS SELECT 1 AS id, 'x' AS name")
    sql(f"INSERT INTO lake.{ns}.t VALUES (2, NULL)")
    assert sql(f"SELECT id, name FROM lake.{ns}.t ORDER BY id") == [(1, "x"), (2, None)]
    assert {row[0] for row in sql(f'SELECT file_format FROM lake.{ns}."t$files"')} == {form}


def test_create_as_select_and_replace(sql, catalog, ns):
    sql(f"CREATE TABLE lake.{ns}.t WITH (partitioning = ARRAY['k']) AS SELECT x AS id, x % 3 AS k FROM UNNEST(sequence(1, 30)) AS s(x)")
    uuid = catalog.load_table((ns, "t")).metadata.table_uuid
    # The partitioned column has to stay: see docs/clients.md.
    sql(f"CREATE OR REPLACE TABLE lake.{ns}.t AS SELECT x AS k, 'x' AS z FROM UNNEST(sequence(1, 5)) AS s(x)")
    sql(f"CREATE OR REPLACE TABLE lake.{ns}.t (k bigint, other varchar)")
    assert sql(f"SELECT * FROM lake.{ns}.t") == []
    replaced = catalog.load_table((ns, "t"))
    assert replaced.metadata.table_uuid == uuid and len(replaced.snapshots()) >= 2
    sql(f"CREATE OR REPLACE TABLE lake.{ns}.fresh AS SELECT 1 AS id")
    assert sql(f"SELECT * FROM lake.{ns}.fresh") == [(1,)]


def test_create_without_rows_or_again(sql, catalog, ns):
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT 1 AS id, 'x' AS name WITH NO DATA")
    sql(f"CREATE TABLE lake.{ns}.u (LIKE lake.{ns}.t, extra integer)")
    sql(f"CREATE TABLE IF NOT EXISTS lake.{ns}.u (other integer)")
    assert [row[0] for row in sql(f"DESCRIBE lake.{ns}.u")] == ["id", "name", "extra"]
    with pytest.raises(TrinoQueryError, match="already exists"):
        sql(f"CREATE TABLE lake.{ns}.u (other integer)")
    assert sql(f"SELECT * FROM lake.{ns}.t") == []


def test_a_location_that_is_asked_for(sql, catalog, ns):
    sql(f"CREATE TABLE lake.{ns}.t (id integer)")
    location = f"{catalog.load_table((ns, 't')).location().rsplit('/', 1)[0]}/chosen"
    sql(f"CREATE TABLE lake.{ns}.u (id integer) WITH (location = '{location}')")
    sql(f"INSERT INTO lake.{ns}.u VALUES 1")
    assert catalog.load_table((ns, "u")).location().rstrip("/") == location
    assert sql(f'SELECT "$path" FROM lake.{ns}.u')[0][0].startswith(f"{location}/data/")


def test_a_location_of_another_table_is_refused(sql, catalog, ns):
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT 1 AS id")
    location = catalog.load_table((ns, "t")).location()
    with pytest.raises(TrinoQueryError):
        sql(f"CREATE TABLE lake.{ns}.u (id integer) WITH (location = '{location}/inner')")
    assert sql(f"SHOW TABLES FROM lake.{ns}") == [("t",)]


def test_show_and_describe(sql, ns):
    sql(f"CREATE TABLE lake.{ns}.t (id integer COMMENT 'key', name varchar) COMMENT 'c' WITH (partitioning = ARRAY['name'])")
    sql(f"CREATE VIEW lake.{ns}.v AS SELECT id FROM lake.{ns}.t")
    assert sql(f"SHOW TABLES FROM lake.{ns}") == [("t",), ("v",)]
    assert sql(f"SHOW TABLES FROM lake.{ns} LIKE 't%'") == [("t",)]
    assert sql(f"SHOW COLUMNS FROM lake.{ns}.t")[0] == ("id", "integer", "", "key")
    shown = sql(f"SHOW CREATE TABLE lake.{ns}.t")[0][0]
    assert "partitioning = ARRAY['name']" in shown and "COMMENT 'c'" in shown
    tables = sql(f"SELECT table_name, table_type FROM lake.information_schema.tables WHERE table_schema = '{ns}' ORDER BY 1")
    assert tables == [("t", "BASE TABLE"), ("v", "VIEW")]
    columns = sql(f"SELECT table_name, column_name FROM lake.information_schema.columns WHERE table_schema = '{ns}' ORDER BY 1, 2")
    assert columns == [("t", "id"), ("t", "name"), ("v", "id")]
    comments = sql(f"SELECT table_name, comment FROM system.metadata.table_comments WHERE catalog_name = 'lake' AND schema_name = '{ns}'")
    assert ("t", "c") in comments


def test_statistics(sql, catalog, ns):
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT x AS id FROM UNNEST(sequence(1, 9)) AS s(x)")
    sql(f"ANALYZE lake.{ns}.t")
    stats = {row[0]: row for row in sql(f"SHOW STATS FOR lake.{ns}.t")}
    assert stats["id"][2] == 9.0 and stats[None][4] == 9.0
    assert len(catalog.load_table((ns, "t")).metadata.statistics) >= 1


def test_rename(sql, catalog, ns):
    sql(f"CREATE SCHEMA lake.{ns}_other")
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT 1 AS id")
    sql(f"ALTER TABLE lake.{ns}.t RENAME TO lake.{ns}_other.renamed")
    assert sql(f"SHOW TABLES FROM lake.{ns}") == []
    assert sql(f"SELECT * FROM lake.{ns}_other.renamed") == [(1,)]


def test_drop_deletes_the_files(sql, catalog, ns):
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT 1 AS id")
    location = catalog.load_table((ns, "t")).location()
    assert len(files_below(location)) >= 4
    sql(f"DROP TABLE lake.{ns}.t")
    with pytest.raises(NoSuchTableError):
        catalog.load_table((ns, "t"))
    # The server answers when the files are gone, or after a second.
    deadline = time.monotonic() + 30
    while files_below(location):
        assert time.monotonic() < deadline, files_below(location)
        time.sleep(0.1)
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT 2 AS id")
    assert sql(f"SELECT * FROM lake.{ns}.t") == [(2,)]


def test_metadata_tables(sql, ns):
    sql(f"CREATE TABLE lake.{ns}.t WITH (partitioning = ARRAY['k']) AS SELECT x AS id, x % 2 AS k FROM UNNEST(sequence(1, 4)) AS s(x)")
    for name, least in {
        "history": 1,
        "snapshots": 1,
        "metadata_log_entries": 1,
        "files": 2,
        "manifests": 1,
        "all_manifests": 1,
        "partitions": 2,
        "refs": 1,
        "entries": 2,
        "all_entries": 2,
        "properties": 1,
    }.items():
        assert len(sql(f'SELECT * FROM lake.{ns}."t${name}"')) >= least, name


def test_tables_of_pyiceberg(sql, catalog, ns):
    catalog.create_table((ns, "t"), pa.schema([("id", pa.int64()), ("name", pa.string())])).append(
        pa.table({"id": [1, 2], "name": ["a", None]})
    )
    assert sql(f"SELECT id, name FROM lake.{ns}.t ORDER BY id") == [(1, "a"), (2, None)]
    sql(f"INSERT INTO lake.{ns}.t VALUES (3, 'c')")
    assert sorted(catalog.load_table((ns, "t")).scan().to_arrow()["id"].to_pylist()) == [1, 2, 3]
