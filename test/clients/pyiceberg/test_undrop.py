"""Tables, views and namespaces that PyIceberg dropped come back with what was in them; what it purged does not."""

from urllib.parse import quote

import pytest
from management_api import ask, get, post
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from support import PEOPLE, files_below, ids, people


@pytest.fixture(scope="module", autouse=True)
def only_with_a_server(settings):
    if settings["properties"]["type"] != "rest":
        pytest.skip("this catalog has no server")


@pytest.fixture
def dropped(settings, namespace):
    def listed() -> list[dict]:
        found = get(settings["properties"], f"catalogs/{catalog_of(settings)}/dropped?limit=1000")
        return [one for one in found if one["namespace"][:1] == list(namespace) or one["name"] == namespace[0]]

    return listed


@pytest.fixture
def undrop(settings):
    def back(**request) -> dict:
        return post(settings["properties"], f"catalogs/{catalog_of(settings)}/undrop", request)

    return back


def catalog_of(settings) -> str:
    return quote(settings["properties"]["warehouse"])


def test_a_table_comes_back_with_its_rows(catalog, namespace, dropped, undrop):
    name = (*namespace, "t")
    table = catalog.create_table(name, schema=PEOPLE)
    table.append(people((1, "a"), (2, "b")))
    table.delete("id = 1")
    catalog.drop_table(name)
    with pytest.raises(NoSuchTableError):
        catalog.load_table(name)
    again = catalog.create_table(name, schema=PEOPLE)
    again.append(people((9, "z")))
    (entry,) = dropped()
    assert (entry["kind"], entry["namespace"], entry["name"]) == ("table", list(namespace), "t")
    undrop(id=entry["id"], name="old")
    old = catalog.load_table((*namespace, "old"))
    assert old.metadata.table_uuid == table.metadata.table_uuid
    assert ids(old) == [2]
    assert [len(ids(old, snapshot_id=snapshot.snapshot_id)) for snapshot in old.snapshots()] == [2, 1]
    old.append(people((3, "c")))
    assert ids(catalog.load_table((*namespace, "old"))) == [2, 3]
    assert ids(catalog.load_table(name)) == [9]
    assert old.location() != again.location()
    assert dropped() == []


def test_a_namespace_comes_back_before_what_was_in_it(catalog, namespace, dropped, undrop):
    inner = (*namespace, "inner")
    catalog.create_namespace(inner, {"owner": "ada"})
    catalog.create_table((*inner, "t"), schema=PEOPLE).append(people((1, "a")))
    catalog.drop_table((*inner, "t"))
    catalog.drop_namespace(inner)
    space, table = dropped()
    assert (space["kind"], table["kind"]) == ("namespace", "table")
    undrop(id=space["id"])
    undrop(id=table["id"])
    assert catalog.load_namespace_properties(inner)["owner"] == "ada"
    assert ids(catalog.load_table((*inner, "t"))) == [1]


def test_a_namespace_comes_back_with_what_went_with_it(settings, catalog, namespace, dropped, undrop):
    inner = (*namespace, "inner")
    catalog.create_namespace(inner)
    catalog.create_table((*namespace, "t"), schema=PEOPLE).append(people((1, "a")))
    catalog.create_table((*inner, "u"), schema=PEOPLE).append(people((2, "b")))
    ask(settings["properties"], "DELETE", f"catalogs/{catalog_of(settings)}/namespaces/{quote(namespace[0])}?recursive=true")
    with pytest.raises(NoSuchNamespaceError):
        catalog.list_tables(namespace)
    (whole,) = [one for one in dropped() if one["dropped_with"] is None]
    undrop(id=whole["id"])
    assert ids(catalog.load_table((*namespace, "t"))) == [1]
    assert ids(catalog.load_table((*inner, "u"))) == [2]
    assert dropped() == []


def test_a_purged_table_is_gone(catalog, namespace, dropped):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    catalog.purge_table((*namespace, "t"))
    assert dropped() == []
    assert files_below(table) == set()
