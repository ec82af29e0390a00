"""Catalogs get another name, are dropped with all that is in them and come back, while PyIceberg works in them."""

import uuid

import pytest
from conftest import connect
from management_api import ask, get, post
from pyiceberg.exceptions import NoSuchTableError, RESTError
from support import PEOPLE, files_below, ids, people


@pytest.fixture(scope="module", autouse=True)
def only_with_a_server(settings):
    if settings["properties"]["type"] != "rest":
        pytest.skip("this catalog has no server")


@pytest.fixture
def properties(settings) -> dict:
    return settings["properties"]


@pytest.fixture
def warehouse(properties) -> str:
    return get(properties, f"catalogs/{properties['warehouse']}")["warehouse_name"]


@pytest.fixture
def name(properties, warehouse) -> str:
    """A catalog that no other test knows."""
    name = f"c{uuid.uuid4().hex[:8]}"
    post(properties, "catalogs", {"name": name, "warehouse_name": warehouse})
    return name


def test_a_catalog_under_another_name(properties, name):
    before = connect(warehouse=name)
    table = before.create_table(("default", "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    ask(properties, "PUT", f"catalogs/{name}", {"name": f"{name}-new"})
    after = connect(warehouse=f"{name}-new")
    again = after.load_table(("default", "t"))
    assert again.location() == table.location()
    again.append(people((2, "b")))
    assert ids(after.load_table(("default", "t"))) == [1, 2]
    with pytest.raises((NoSuchTableError, RESTError)):
        before.load_table(("default", "t"))


def test_a_dropped_catalog_comes_back_with_its_rows(properties, warehouse, name):
    client = connect(warehouse=name)
    client.create_namespace(("default", "inner"), {"owner": "ada"})
    table = client.create_table(("default", "inner", "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    ask(properties, "DELETE", f"catalogs/{name}?recursive=true")
    with pytest.raises((NoSuchTableError, RESTError)):
        table.append(people((9, "z")))
    post(properties, "catalogs", {"name": name, "warehouse_name": warehouse})
    other = connect(warehouse=name)
    assert other.list_tables("default") == []
    (dropped,) = [one for one in get(properties, "dropped-catalogs") if one["name"] == name]
    post(properties, f"dropped-catalogs/{dropped['id']}/undrop", {"name": f"{name}-old"})
    old = connect(warehouse=f"{name}-old")
    assert old.load_namespace_properties(("default", "inner"))["owner"] == "ada"
    back = old.load_table(("default", "inner", "t"))
    back.append(people((2, "b")))
    assert ids(old.load_table(("default", "inner", "t"))) == [1, 2]


def test_a_purge_that_waits_is_undone(properties, warehouse, name):
    client = connect(warehouse=name)
    table = client.create_table(("default", "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    files = files_below(table)
    ask(properties, "PUT", f"warehouses/{warehouse}?test=false", {"purge_delay_hours": 1})
    try:
        client.purge_table(("default", "t"))
    finally:
        ask(properties, "PUT", f"warehouses/{warehouse}?test=false", {"purge_delay_hours": 0})
    with pytest.raises(NoSuchTableError):
        client.load_table(("default", "t"))
    assert files_below(table) == files
    (dropped,) = get(properties, f"catalogs/{name}/dropped")
    assert dropped["purge"] is True
    post(properties, f"catalogs/{name}/undrop", {"id": dropped["id"]})
    assert ids(client.load_table(("default", "t"))) == [1]
    client.purge_table(("default", "t"))
    assert files_below(table) == set()
