"""Changes of PyIceberg that are undone: its tables are as they were before, and it goes on with them."""

from urllib.parse import quote

import pytest
from management_api import get, post
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.types import IntegerType, StringType
from support import PEOPLE, ids, people, rows


@pytest.fixture(scope="module", autouse=True)
def only_with_a_server(settings):
    if settings["properties"]["type"] != "rest":
        pytest.skip("this catalog has no server")


@pytest.fixture
def last(settings, namespace):
    """The id of the change of a table that was made last."""

    def newest(name: str) -> str:
        query = f"namespace={'%1F'.join(quote(level, safe='') for level in namespace)}&table={name}&limit=1"
        (line,) = get(settings["properties"], f"catalogs/{catalog_of(settings)}/commits?{query}")
        return line["id"]

    return newest


@pytest.fixture
def undo(settings):
    def back(change: str, **request) -> dict:
        return post(settings["properties"], f"catalogs/{catalog_of(settings)}/undo", {"change": change, **request})

    return back


def catalog_of(settings) -> str:
    return quote(settings["properties"]["warehouse"])


@pytest.mark.parametrize("version", ["1", "2"])
def test_an_append_is_undone_and_the_next_one_counts_on(catalog, namespace, last, undo, version):
    name = (*namespace, "t")
    table = catalog.create_table(name, schema=PEOPLE, properties={"format-version": version})
    table.append(people((1, "a"), (2, "b")))
    before = catalog.load_table(name)
    table.append(people((3, "c")))
    change = last("t")
    (would,) = undo(change, dry_run=True)["operations"]
    assert would["fields"] == ["current-snapshot-id", "refs", "snapshots"]
    assert ids(catalog.load_table(name)) == [1, 2, 3]
    undo(change)
    undone = catalog.load_table(name)
    assert ids(undone) == [1, 2]
    assert undone.metadata.table_uuid == before.metadata.table_uuid
    assert [s.snapshot_id for s in undone.snapshots()] == [s.snapshot_id for s in before.snapshots()]
    undone.append(people((4, "d")))
    again = catalog.load_table(name)
    assert ids(again) == [1, 2, 4]
    if version == "2":
        assert again.current_snapshot().sequence_number == 3
    # Undone again, and that made again.
    undo(last("t"))
    assert ids(catalog.load_table(name)) == [1, 2]
    undo(last("t"))
    assert ids(catalog.load_table(name)) == [1, 2, 4]


def test_a_client_that_knows_the_table_as_it_was_loses_nothing(catalog, namespace, last, undo):
    name = (*namespace, "t")
    table = catalog.create_table(name, schema=PEOPLE)
    table.append(people((1, "a")))
    table.append(people((2, "b")))
    stale = catalog.load_table(name)
    undo(last("t"))
    # Its snapshot would have the undone one as its parent.
    with pytest.raises(Exception, match="main|branch|snapshot"):
        with stale.transaction() as transaction:
            transaction.append(people((3, "c")))
    assert ids(catalog.load_table(name)) == [1]
    stale.refresh()
    stale.append(people((3, "c")))
    assert ids(catalog.load_table(name)) == [1, 3]


def test_deletes_and_overwrites_are_undone(catalog, namespace, last, undo):
    name = (*namespace, "t")
    table = catalog.create_table(name, schema=PEOPLE)
    table.append(people((1, "a"), (2, "b"), (3, "c")))
    table.delete("id = 2")
    assert ids(table) == [1, 3]
    undo(last("t"))
    table = catalog.load_table(name)
    assert ids(table) == [1, 2, 3]
    table.overwrite(people((9, "z")))
    assert ids(table) == [9]
    undo(last("t"))
    table = catalog.load_table(name)
    assert ids(table) == [1, 2, 3]
    table.upsert(people((2, "new"), (4, "d")))
    assert rows(catalog.load_table(name))[1] == {"id": 2, "name": "new"}


def test_a_change_of_schema_is_undone(catalog, namespace, last, undo):
    name = (*namespace, "t")
    table = catalog.create_table(name, schema=PEOPLE)
    table.append(people((1, "a")))
    with table.update_schema() as update:
        update.add_column("age", IntegerType())
        update.rename_column("name", "called")
    undo(last("t"))
    table = catalog.load_table(name)
    assert table.schema().column_names == ["id", "name"]
    table.append(people((2, "b")))
    assert rows(catalog.load_table(name)) == [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    with table.update_schema() as update:
        update.add_column("city", StringType())
    table = catalog.load_table(name)
    # The id of the column that went is not given to another one.
    assert table.schema().find_field("city").field_id == 4
    assert rows(table) == [{"id": 1, "name": "a", "city": None}, {"id": 2, "name": "b", "city": None}]


def test_a_new_layout_and_properties_are_undone(catalog, namespace, last, undo):
    name = (*namespace, "t")
    table = catalog.create_table(name, schema=PEOPLE, properties={"owner": "ada"})
    table.append(people((1, "a")))
    with table.update_spec() as update:
        update.add_identity("name")
    undo(last("t"))
    table = catalog.load_table(name)
    assert table.spec().fields == ()
    table.append(people((2, "b")))
    with table.transaction() as transaction:
        transaction.set_properties(owner="bob", more="x")
    undo(last("t"))
    table = catalog.load_table(name)
    assert (table.properties["owner"], "more" in table.properties) == ("ada", False)
    with table.update_spec() as update:
        update.add_identity("name")
    table.append(people((3, "c")))
    assert ids(catalog.load_table(name)) == [1, 2, 3]


def test_a_drop_a_creation_and_a_rename_are_undone(catalog, namespace, last, undo):
    name, other = (*namespace, "t"), (*namespace, "u")
    table = catalog.create_table(name, schema=PEOPLE)
    table.append(people((1, "a")))
    catalog.drop_table(name)
    undo(last("t"))
    table = catalog.load_table(name)
    assert ids(table) == [1]
    catalog.rename_table(name, other)
    undo(last("u"))
    with pytest.raises(NoSuchTableError):
        catalog.load_table(other)
    catalog.load_table(name).append(people((2, "b")))
    assert ids(catalog.load_table(name)) == [1, 2]
    catalog.create_table(other, schema=PEOPLE)
    undo(last("u"))
    with pytest.raises(NoSuchTableError):
        catalog.load_table(other)


def test_expired_snapshots_come_back_while_their_files_are_there(catalog, namespace, last, undo):
    name = (*namespace, "t")
    table = catalog.create_table(name, schema=PEOPLE)
    table.append(people((1, "a")))
    first = table.current_snapshot().snapshot_id
    table.append(people((2, "b")))
    table.maintenance.expire_snapshots().by_id(first).commit()
    assert len(catalog.load_table(name).snapshots()) == 1
    undo(last("t"))
    table = catalog.load_table(name)
    assert ids(table, snapshot_id=first) == [1]
    assert [entry.snapshot_id for entry in table.history()] == [snapshot.snapshot_id for snapshot in table.snapshots()]
