"""Maintenance that Spark carries out and commits through the catalog."""

from pathlib import Path

import pytest


@pytest.fixture
def table(sql, ns) -> str:
    """Five snapshots of one small file each."""
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT 0 AS id")
    for number in range(1, 5):
        sql(f"INSERT INTO lake.{ns}.t VALUES ({number})")
    return f"{ns}.t"


def test_rewrite_data_files(sql, table):
    ((rewritten, added, *_),) = sql(f"CALL lake.system.rewrite_data_files(table => '{table}')")
    assert (rewritten, added) == (5, 1)
    assert sql(f"SELECT count(*), sum(id) FROM lake.{table}") == [(5, 10)]
    assert len(sql(f"SELECT * FROM lake.{table}.files")) == 1


def test_rewrite_manifests(sql, table):
    sql(f"CALL lake.system.rewrite_manifests('{table}')")
    assert len(sql(f"SELECT * FROM lake.{table}.manifests")) == 1
    assert sql(f"SELECT sum(id) FROM lake.{table}") == [(10,)]


def test_expire_snapshots(sql, table):
    sql(f"CALL lake.system.expire_snapshots(table => '{table}', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 2)")
    assert len(sql(f"SELECT * FROM lake.{table}.snapshots")) == 2
    assert sql(f"SELECT sum(id) FROM lake.{table}") == [(10,)]


def test_statistics(sql, catalog, table):
    sql(f"CALL lake.system.compute_table_stats('{table}')")
    statistics = catalog.load_table(table).metadata.statistics
    assert [blob.type for blob in statistics[0].blob_metadata] == ["apache-datasketches-theta-v1"]


def test_partition_statistics(sql, catalog, ns):
    sql(f"CREATE TABLE lake.{ns}.t PARTITIONED BY (k) AS SELECT id, id % 2 AS k FROM range(4)")
    ((path,),) = sql(f"CALL lake.system.compute_partition_stats('{ns}.t')")
    statistics = catalog.load_table((ns, "t")).metadata.partition_statistics
    assert [Path(entry.statistics_path).name for entry in statistics] == [Path(path).name]


def test_remove_orphan_files(sql, table):
    options = "dry_run => true, prefix_listing => true"
    assert sql(f"CALL lake.system.remove_orphan_files(table => '{table}', {options})") == []
