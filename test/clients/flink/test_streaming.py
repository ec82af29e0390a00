"""Streaming jobs: a commit at each checkpoint, and readers that follow."""

import pytest
from conftest import Session, documented


@pytest.fixture
def streaming():
    session = Session(**{"execution.runtime-mode": "streaming", "execution.checkpointing.interval": "500ms"})
    session.sql(documented())
    yield session
    session.close()


def test_appends_at_checkpoints(streaming, catalog, ns):
    streaming.sql(f"CREATE TABLE lake.{ns}.t (id BIGINT)")
    streaming.sql(
        """CREATE TEMPORARY TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '30', 'rows-per-second' = '15',
        'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '30')"""
    )
    streaming.sql(f"INSERT INTO lake.{ns}.t SELECT id FROM numbers")
    table = catalog.load_table((ns, "t"))
    assert sorted(table.scan().to_arrow()["id"].to_pylist()) == list(range(1, 31))
    commits = {snapshot.summary.get("flink.max-committed-checkpoint-id") for snapshot in table.snapshots()}
    assert len(commits) == len(table.snapshots()) >= 2


def test_a_reader_that_follows(streaming, sql, ns):
    sql(f"CREATE TABLE lake.{ns}.t (id BIGINT)")
    sql(f"INSERT INTO lake.{ns}.t VALUES (1), (2)")
    follow = f"SELECT id FROM lake.{ns}.t /*+ OPTIONS('streaming' = 'true', 'monitor-interval' = '500ms') */"
    assert sorted(streaming.sql(follow, rows=2)) == [(1,), (2,)]
