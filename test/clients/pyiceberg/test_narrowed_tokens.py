"""Tokens that can do less than their user: what they may goes as ever, the rest is refused and changes nothing."""

from collections.abc import Callable
from functools import partial

import pytest
from conftest import connect
from management_api import narrowed_token
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import ForbiddenError, NoSuchNamespaceError, NoSuchTableError, UnauthorizedError
from support import PEOPLE, ids, people

Mint = Callable[..., str]


@pytest.fixture(scope="module", autouse=True)
def only_with_a_server(settings):
    if settings["properties"]["type"] != "rest":
        pytest.skip("this catalog has no server")


@pytest.fixture
def mint(settings) -> Mint:
    return partial(narrowed_token, settings["properties"])


@pytest.fixture
def tables(catalog: Catalog, namespace) -> list[tuple[str, ...]]:
    """One in the namespace, one beside it, one in a namespace inside."""
    catalog.create_namespace((*namespace, "inner"))
    names = [(*namespace, "t"), (*namespace, "u"), (*namespace, "inner", "t")]
    for name in names:
        catalog.create_table(name, schema=PEOPLE).append(people((1, "a")))
    return names


def test_a_reader_reads_and_changes_nothing(catalog: Catalog, namespace, tables, mint: Mint):
    reader = connect(token=mint("read"))
    table = reader.load_table(tables[0])
    assert ids(table) == [1]
    assert namespace in reader.list_namespaces()
    assert reader.list_tables(namespace) == tables[:2]
    refused = [
        lambda: table.append(people((2, "b"))),
        lambda: table.delete("id = 1"),
        lambda: table.transaction().set_properties(a="b").commit_transaction(),
        lambda: reader.create_table((*namespace, "new"), schema=PEOPLE),
        lambda: reader.create_table_transaction((*namespace, "new"), schema=PEOPLE),
        lambda: reader.register_table((*namespace, "new"), table.metadata_location),
        lambda: reader.drop_table(tables[0]),
        lambda: reader.purge_table(tables[0]),
        lambda: reader.rename_table(tables[0], (*namespace, "new")),
        lambda: reader.create_namespace((*namespace, "new")),
        lambda: reader.update_namespace_properties(namespace, updates={"a": "b"}),
        lambda: reader.drop_namespace((*namespace, "inner")),
    ]
    for change in refused:
        # Where the server vends credentials, the storage refuses data files before the server refuses the commit.
        with pytest.raises((ForbiddenError, OSError)):
            change()
    assert catalog.list_tables(namespace) == tables[:2]
    assert catalog.load_table(tables[0]).metadata == table.metadata


def test_a_token_for_one_table_is_for_that_table(catalog: Catalog, namespace, tables, mint: Mint):
    mine = connect(token=mint("read-write", {"namespace": list(namespace), "table": "t"}))
    mine.load_table(tables[0]).append(people((2, "b")))
    assert ids(catalog.load_table(tables[0])) == [1, 2]
    assert mine.list_namespaces() == [namespace]
    assert mine.namespace_exists(namespace)
    assert mine.list_tables(namespace) == [tables[0]]
    assert mine.list_views(namespace) == []
    for other in [*tables[1:], (*namespace, "never_made")]:
        assert not mine.table_exists(other)
        for attempt in [mine.load_table, mine.drop_table]:
            with pytest.raises(NoSuchTableError):
                attempt(other)
        with pytest.raises((ForbiddenError, NoSuchNamespaceError)):
            mine.create_table(other, schema=PEOPLE)
    with pytest.raises(ForbiddenError):
        mine.rename_table(tables[0], (*namespace, "mine"))
    # The token is bound to the table, and not to its name.
    catalog.rename_table(tables[0], (*namespace, "away"))
    mine.load_table((*namespace, "away")).append(people((3, "c")))
    assert mine.list_tables(namespace) == [(*namespace, "away")]
    catalog.create_table(tables[0], schema=PEOPLE)
    with pytest.raises(NoSuchTableError):
        mine.load_table(tables[0])
    assert ids(catalog.load_table((*namespace, "away"))) == [1, 2, 3]


def test_a_token_for_a_namespace_covers_what_is_inside(catalog: Catalog, namespace, tables, mint: Mint):
    inner = (*namespace, "inner")
    mine = connect(token=mint("read-write", {"namespace": list(inner)}))
    assert mine.list_namespaces() == [namespace]
    assert mine.list_namespaces(namespace) == [inner]
    assert mine.list_tables(namespace) == []
    assert mine.list_tables(inner) == [tables[2]]
    mine.create_namespace((*inner, "more"))
    with mine.create_table_transaction((*inner, "more", "staged"), schema=PEOPLE) as transaction:
        transaction.append(people((1, "a")))
    mine.rename_table((*inner, "more", "staged"), (*inner, "moved"))
    assert ids(catalog.load_table((*inner, "moved"))) == [1]
    for attempt in [lambda: mine.load_table(tables[0]), lambda: mine.rename_table(tables[0], (*inner, "taken"))]:
        with pytest.raises(NoSuchTableError):
            attempt()
    for attempt in [
        lambda: mine.rename_table(tables[2], (*namespace, "moved")),
        lambda: mine.create_table((*inner, "far"), schema=PEOPLE, location=catalog.load_table(tables[0]).location() + "-far"),
        lambda: mine.create_namespace((*namespace, "inner2")),
    ]:
        with pytest.raises(ForbiddenError):
            attempt()


def test_what_is_exchanged_for_a_token_is_as_narrow(catalog: Catalog, namespace, tables, mint: Mint):
    token = mint("read", {"namespace": list(namespace), "table": "t"})
    reader = connect(token=None, credential=token)
    assert ids(reader.load_table(tables[0])) == [1]
    with pytest.raises(NoSuchTableError):
        reader.load_table(tables[1])
    with pytest.raises((ForbiddenError, OSError)):
        reader.load_table(tables[0]).append(people((2, "b")))


def test_a_token_that_is_over_is_refused(mint: Mint):
    with pytest.raises(UnauthorizedError):
        connect(token=mint("read", expires_in_hours=0.0000001))
