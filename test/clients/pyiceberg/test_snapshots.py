"""Branches and tags of a table, rollback, expiry, statistics, and ids that only 64-bit integers hold."""

import pyarrow as pa
import pytest
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.statistics import BlobMetadata, StatisticsFile
from pyiceberg.table.update import AddSnapshotUpdate, SetSnapshotRefUpdate
from support import PEOPLE, ids, people

LARGEST = 2**63 - 1


@pytest.fixture
def table(catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    for number in range(3):
        table.append(people((number, "x")))
    return table


@pytest.fixture
def reload(catalog):
    return lambda table: catalog.load_table(table.name())


def test_branches_and_tags(table, reload):
    first, second, third = (snapshot.snapshot_id for snapshot in table.snapshots())
    with table.manage_snapshots() as manage:
        manage.create_tag(first, "v1", max_ref_age_ms=LARGEST)
        manage.create_branch(second, "dev", max_ref_age_ms=1, max_snapshot_age_ms=LARGEST, min_snapshots_to_keep=2)
    refs = reload(table).refs()
    assert {name: (ref.snapshot_id, ref.snapshot_ref_type) for name, ref in refs.items()} == {
        "main": (third, SnapshotRefType.BRANCH), "v1": (first, SnapshotRefType.TAG), "dev": (second, SnapshotRefType.BRANCH),
    }
    assert refs["v1"].max_ref_age_ms == LARGEST
    assert (refs["dev"].max_ref_age_ms, refs["dev"].max_snapshot_age_ms, refs["dev"].min_snapshots_to_keep) == (1, LARGEST, 2)
    assert ids(reload(table), snapshot_id=reload(table).snapshot_by_name("v1").snapshot_id) == [0]
    table.manage_snapshots().remove_tag("v1").remove_branch("dev").commit()
    assert sorted(reload(table).refs()) == ["main"]


@pytest.mark.parametrize("name", ["with space", "a/b", "v1.0", "日本", "100%"])
def test_odd_ref_names(table, reload, name):
    table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, name).commit()
    assert reload(table).snapshot_by_name(name) == table.current_snapshot()


def test_rollback(table, reload):
    first = table.snapshots()[0].snapshot_id
    table.manage_snapshots().rollback_to_snapshot(first).commit()
    read = reload(table)
    assert read.metadata.current_snapshot_id == first
    assert ids(read) == [0]
    assert len(read.snapshots()) == 3
    assert [entry.snapshot_id for entry in read.history()][-1] == first
    table.append(people((9, "after")))
    assert ids(reload(table)) == [0, 9]


def test_set_current_to_a_branch(table, reload):
    first = table.snapshots()[0].snapshot_id
    table.manage_snapshots().create_branch(first, "good").commit()
    table.manage_snapshots().set_current_snapshot(ref_name="good").commit()
    assert reload(table).metadata.current_snapshot_id == first


def test_expire_snapshots(table, reload):
    first, second, third = table.snapshots()
    table.manage_snapshots().create_tag(first.snapshot_id, "keep").commit()
    table.maintenance.expire_snapshots().by_ids([second.snapshot_id]).commit()
    read = reload(table)
    assert [snapshot.snapshot_id for snapshot in read.snapshots()] == [first.snapshot_id, third.snapshot_id]
    assert ids(read) == [0, 1, 2]
    assert ids(read, snapshot_id=first.snapshot_id) == [0]
    assert second.snapshot_id not in [entry.snapshot_id for entry in read.history()]


def test_statistics(table, reload):
    snapshot = table.current_snapshot()
    file = StatisticsFile(
        snapshot_id=snapshot.snapshot_id, statistics_path=f"{table.location()}/metadata/stats.puffin", file_size_in_bytes=LARGEST,
        file_footer_size_in_bytes=42,
        blob_metadata=[BlobMetadata(
            type="apache-datasketches-theta-v1", snapshot_id=snapshot.snapshot_id, sequence_number=snapshot.sequence_number,
            fields=[1], properties={"ndv": "3"},
        )],
    )
    with table.update_statistics() as update:
        update.set_statistics(file)
    assert reload(table).metadata.statistics == [file]
    with table.update_statistics() as update:
        update.remove_statistics(snapshot.snapshot_id)
    assert reload(table).metadata.statistics == []


@pytest.mark.parametrize("number", [LARGEST, LARGEST - 1, 2**53 + 1, 2**62 + 3])
def test_large_ids_are_exact(catalog, namespace, table, reload, number):
    """A snapshot with an id, counts and a timestamp that a floating-point number cannot hold."""
    head = table.current_snapshot()
    snapshot = Snapshot(
        snapshot_id=number, parent_snapshot_id=head.snapshot_id, sequence_number=head.sequence_number + 1,
        timestamp_ms=head.timestamp_ms + 1, manifest_list=head.manifest_list, summary=Summary(Operation.APPEND, big=str(LARGEST)),
        schema_id=0,
    )
    with table.transaction() as transaction:
        transaction._stage((
            AddSnapshotUpdate(snapshot=snapshot),
            SetSnapshotRefUpdate(
                ref_name="main", type="branch", snapshot_id=number, max_ref_age_ms=None, max_snapshot_age_ms=None, min_snapshots_to_keep=None
            ),
            SetSnapshotRefUpdate(
                ref_name="tag", type="tag", snapshot_id=number, max_ref_age_ms=LARGEST - 2, max_snapshot_age_ms=None, min_snapshots_to_keep=None
            ),
        ), ())
    read = reload(table)
    assert read.current_snapshot() == snapshot
    assert read.metadata.current_snapshot_id == number
    assert (read.refs()["main"].snapshot_id, read.refs()["tag"].snapshot_id, read.refs()["tag"].max_ref_age_ms) == (number, number, LARGEST - 2)
    assert read.history()[-1].snapshot_id == number
    with read.transaction() as transaction:
        transaction.set_properties({"touched": "yes"})
    assert reload(table).current_snapshot().snapshot_id == number
    assert ids(reload(table)) == [0, 1, 2]
    reload(table).append(people((3, "child of the large one")))
    assert reload(table).current_snapshot().parent_snapshot_id == number


def test_neighbouring_large_ids_are_told_apart(catalog, namespace, table, reload):
    """The head moved from one id to the next: a client that asserts the neighbour must be refused."""
    head = table.current_snapshot()
    for offset, number in enumerate((LARGEST - 1, LARGEST), start=1):
        with table.transaction() as transaction:
            snapshot = head.model_copy(update={"snapshot_id": number, "sequence_number": head.sequence_number + offset})
            transaction._stage((AddSnapshotUpdate(snapshot=snapshot),), ())
            transaction._stage(*transaction._set_ref_snapshot(snapshot_id=number, ref_name="main", type="branch"))
    stale = catalog.load_table((*namespace, "t"))
    assert stale.metadata.current_snapshot_id == LARGEST
    table.manage_snapshots().set_current_snapshot(snapshot_id=LARGEST - 1).commit()
    with pytest.raises(CommitFailedException):
        stale.manage_snapshots().set_current_snapshot(snapshot_id=head.snapshot_id).commit()
    assert reload(table).metadata.current_snapshot_id == LARGEST - 1


def test_stale_sequence_number_is_a_conflict(table, reload):
    head = table.current_snapshot()
    copy = head.model_copy(update={"snapshot_id": 77, "sequence_number": head.sequence_number, "parent_snapshot_id": head.snapshot_id})
    with pytest.raises(CommitFailedException):
        table.catalog.commit_table(table, (), (AddSnapshotUpdate(snapshot=copy),))
    assert len(reload(table).snapshots()) == 3


def test_unused(table):
    """An empty transaction is no commit."""
    location = table.metadata_location
    with table.transaction():
        pass
    table.append(pa.table({"id": pa.array([], pa.int64()), "name": pa.array([], pa.string())}, schema=table.schema().as_arrow()))
    assert table.refresh().metadata_location != location
