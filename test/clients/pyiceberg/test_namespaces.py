"""Namespaces: nested, oddly named, with properties, many of them; and what is refused."""

import uuid

import pytest
from pyiceberg.exceptions import BadRequestError, NamespaceAlreadyExistsError, NamespaceNotEmptyError, NoSuchNamespaceError
from support import PEOPLE, ids, people

ODD = [
    "with space", "dotted.name", "a/b", "100%", "%2F", "%1F", "a+b", "日本語", "emoji 🐧", "quote'\"`", "back\\slash", "question?&=#",
    "semi;colon:,", "UPPER", "upper", "-", "~", "a@b", "...", "@", "<b>&amp;", "{prefix}", "é", "e\u0301",
]


def fresh(*levels: str) -> tuple[str, ...]:
    return (f"{levels[0]} {uuid.uuid4().hex[:8]}", *levels[1:])


@pytest.mark.parametrize("name", ODD)
def test_odd_names_of_namespaces_and_tables(catalog, namespace, name):
    odd = (*namespace, name)
    catalog.create_namespace(odd, properties={name: name})
    assert catalog.list_namespaces(namespace) == [odd]
    assert catalog.namespace_exists(odd)
    assert catalog.load_namespace_properties(odd)[name] == name
    table = catalog.create_table((*odd, name), schema=PEOPLE)
    assert catalog.list_tables(odd) == [(*odd, name)]
    assert catalog.table_exists((*odd, name))
    table.append(people((1, name)))
    read = catalog.load_table((*odd, name))
    assert ids(read) == [1]
    assert read.name() == (*odd, name)
    catalog.drop_table((*odd, name))
    assert not catalog.table_exists((*odd, name))
    catalog.drop_namespace(odd)
    assert not catalog.namespace_exists(odd)


@pytest.mark.parametrize("name", ["", ".", "..", "a\u001fb", "new\nline", "nul\u0000", "x" * 1000])
def test_names_that_nobody_could_address_are_refused(catalog, namespace, name):
    for create in (
        lambda: catalog.create_namespace((*namespace, name)),
        lambda: catalog.create_table((*namespace, name), schema=PEOPLE),
        lambda: catalog.create_table_transaction((*namespace, name), schema=PEOPLE).commit_transaction(),
    ):
        with pytest.raises(BadRequestError):
            create()
    catalog.create_table((*namespace, "t"), schema=PEOPLE)
    with pytest.raises(BadRequestError):
        catalog.rename_table((*namespace, "t"), (*namespace, name))
    assert catalog.list_namespaces(namespace) == []
    assert catalog.list_tables(namespace) == [(*namespace, "t")]


def test_names_that_look_alike_are_different(catalog, namespace):
    alike = ["a.b", "a/b", "a%2Fb", "a b", "a+b", "A.B", "a.b ", "a%20b"]
    for name in alike:
        catalog.create_namespace((*namespace, name), properties={"name": name})
    catalog.create_namespace((*namespace, "a"))
    catalog.create_namespace((*namespace, "a", "b"), properties={"name": "nested"})
    assert sorted(catalog.list_namespaces(namespace)) == sorted((*namespace, name) for name in [*alike, "a"])
    for name in alike:
        assert catalog.load_namespace_properties((*namespace, name))["name"] == name
    assert catalog.load_namespace_properties((*namespace, "a", "b"))["name"] == "nested"


def test_nesting(catalog, namespace):
    deep = namespace
    for level in range(6):
        deep = (*deep, f"level{level}")
        catalog.create_namespace(deep)
        assert catalog.list_namespaces(deep[:-1]) == [deep]
    catalog.create_table((*deep, "t"), schema=PEOPLE)
    assert catalog.list_tables(deep) == [(*deep, "t")]
    assert catalog.list_tables(deep[:-1]) == []
    assert namespace in catalog.list_namespaces()
    assert deep not in catalog.list_namespaces()
    with pytest.raises(NamespaceNotEmptyError):
        catalog.drop_namespace(deep)
    with pytest.raises(NamespaceNotEmptyError):
        catalog.drop_namespace(deep[:-1])


def test_properties(catalog):
    name = fresh("with properties")
    catalog.create_namespace(name, properties={"a": "1", "b": "2"})
    summary = catalog.update_namespace_properties(name, removals={"a", "nothing"}, updates={"b": "3", "c": "日本"})
    assert (sorted(summary.removed), sorted(summary.updated), summary.missing) == (["a"], ["b", "c"], ["nothing"])
    properties = catalog.load_namespace_properties(name)
    assert {key: value for key, value in properties.items() if key in "abc"} == {"b": "3", "c": "日本"}


def test_property_both_set_and_removed(catalog, namespace):
    with pytest.raises(Exception, match="(?i)both|removals|k"):
        catalog.update_namespace_properties(namespace, removals={"k"}, updates={"k": "v"})
    assert "k" not in catalog.load_namespace_properties(namespace)


def test_exists_already(catalog, namespace):
    with pytest.raises(NamespaceAlreadyExistsError):
        catalog.create_namespace(namespace)
    catalog.create_namespace_if_not_exists(namespace)


def test_missing(catalog):
    missing = fresh("missing")
    assert not catalog.namespace_exists(missing)
    for ask in (
        catalog.load_namespace_properties, catalog.drop_namespace, catalog.list_tables, catalog.list_views, catalog.list_namespaces,
        lambda name: catalog.create_table((*name, "t"), schema=PEOPLE),
        lambda name: catalog.update_namespace_properties(name, updates={"k": "v"}),
    ):
        with pytest.raises(NoSuchNamespaceError):
            ask(missing)


def test_parent_must_exist_to_be_listed(catalog, namespace):
    assert catalog.list_namespaces(namespace) == []
    with pytest.raises(NoSuchNamespaceError):
        catalog.list_namespaces((*namespace, "missing"))


def test_drop_of_a_namespace_with_tables(catalog, namespace):
    catalog.create_table((*namespace, "t"), schema=PEOPLE)
    with pytest.raises(NamespaceNotEmptyError):
        catalog.drop_namespace(namespace)
    catalog.drop_table((*namespace, "t"))
    catalog.drop_namespace(namespace)
    assert namespace not in catalog.list_namespaces()


def test_many_namespaces_are_listed_once_each(catalog, namespace):
    children = [(*namespace, f"child {index:03}") for index in range(60)]
    for child in children:
        catalog.create_namespace(child)
    assert sorted(catalog.list_namespaces(namespace)) == children
