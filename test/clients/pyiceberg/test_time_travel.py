"""The catalog as it was: PyIceberg connects to a moment of the past and lists and reads what was there then."""

import pytest
from conftest import connect
from management_api import make_signing_catalog, narrowed_token, post
from moments import at, changes, now
from pyiceberg.exceptions import ForbiddenError, NoSuchNamespaceError, NoSuchTableError, RESTError
from pyiceberg.types import StringType
from support import PEOPLE, ids, people


@pytest.fixture(scope="module", autouse=True)
def only_with_a_server(settings):
    if settings["properties"]["type"] != "rest":
        pytest.skip("this catalog has no server")


@pytest.fixture
def past(settings):
    return lambda moment, **more: connect(warehouse=at(settings["properties"], moment), **more)


def columns(table) -> list[str]:
    return [field.name for field in table.schema().fields]


def test_everything_is_of_one_moment(catalog, namespace, past):
    name = (*namespace, "t")
    table = catalog.create_table(name, schema=PEOPLE, properties={"a": "1"})
    table.append(people((1, "a")))
    catalog.create_table((*namespace, "dropped"), schema=PEOPLE).append(people((7, "g")))
    catalog.update_namespace_properties(namespace, updates={"owner": "ada"})
    inner = (*namespace, "inner")
    catalog.create_namespace(inner)
    then = now()
    table.append(people((2, "b")))
    with table.update_schema() as update:
        update.add_column("more", StringType())
    catalog.rename_table(name, (*namespace, "renamed"))
    catalog.create_table(name, schema=PEOPLE).append(people((9, "z")))
    catalog.drop_table((*namespace, "dropped"))
    catalog.drop_namespace(inner)
    catalog.update_namespace_properties(namespace, updates={"owner": "eve"})
    catalog.create_namespace((*namespace, "later"))

    old = past(then)
    assert sorted(old.list_tables(namespace)) == [(*namespace, "dropped"), name]
    assert old.list_namespaces(namespace) == [inner]
    assert old.load_namespace_properties(namespace)["owner"] == "ada"
    before = old.load_table(name)
    assert (ids(before), columns(before), before.metadata.table_uuid) == ([1], ["id", "name"], table.metadata.table_uuid)
    assert ids(old.load_table((*namespace, "dropped"))) == [7]
    with pytest.raises(NoSuchTableError):
        old.load_table((*namespace, "renamed"))
    assert not old.table_exists((*namespace, "renamed"))
    assert ids(catalog.load_table(name)) == [9]
    assert ids(catalog.load_table((*namespace, "renamed"))) == [1, 2]


def test_a_position_and_a_change_are_moments(settings, catalog, namespace, past):
    name = (*namespace, "t")
    table = catalog.create_table(name, schema=PEOPLE)
    for number in (1, 2, 3):
        table.append(people((number, None)))
    lines = changes(settings["properties"], namespace=namespace[0], table="t")
    assert [line["operations"][0]["operation"] for line in lines] == ["update-table"] * 3 + ["create-table"]
    assert [line["parent_id"] is not None for line in lines] == [True] * 4
    for line, expected in zip(lines, ([1, 2, 3], [1, 2], [1], [])):
        assert ids(past(line["position"]).load_table(name)) == expected
        assert ids(past(line["id"]).load_table(name)) == expected
    before = past(lines[-1]["position"] - 1)
    assert before.list_tables(namespace) == []
    with pytest.raises(NoSuchTableError):
        before.load_table(name)


def test_nothing_is_changed_there(catalog, namespace, past):
    name = (*namespace, "t")
    catalog.create_table(name, schema=PEOPLE).append(people((1, "a")))
    old = past(now())
    writes = [
        lambda: old.load_table(name).append(people((2, "b"))),
        lambda: old.create_table((*namespace, "new"), schema=PEOPLE),
        lambda: old.drop_table(name),
        lambda: old.rename_table(name, (*namespace, "new")),
        lambda: old.create_namespace((*namespace, "new")),
        lambda: old.drop_namespace(namespace),
        lambda: old.update_namespace_properties(namespace, updates={"a": "b"}),
    ]
    for write in writes:
        # With credentials of the server the storage says no to the file already.
        with pytest.raises((ForbiddenError, OSError)):
            write()
    assert catalog.list_tables(namespace) == [name]
    assert ids(catalog.load_table(name)) == [1]


def test_moments_that_are_not_there(settings, past):
    for moment in (10**9, "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "0197d0d0-0000-7000-8000-000000000000"):
        with pytest.raises(RESTError, match="NotFoundException.*" + settings["properties"]["warehouse"]):
            past(moment)


def test_a_table_whose_files_are_gone_says_by_which_change(settings, catalog, namespace, past):
    name = (*namespace, "t")
    catalog.create_table(name, schema=PEOPLE).append(people((1, "a")))
    then = now()
    catalog.purge_table(name)
    old = past(then)
    assert old.list_tables(namespace) == [name]
    (line,) = changes(settings["properties"], action="drop-table", namespace=namespace[0])
    with pytest.raises(NoSuchTableError, match=f"purged by change {line['id']}"):
        old.load_table(name)


def test_an_undo_brings_the_past_into_the_present(settings, catalog, namespace, past):
    name = (*namespace, "t")
    table = catalog.create_table(name, schema=PEOPLE)
    table.append(people((1, "a")))
    table.append(people((2, "b")))
    line = changes(settings["properties"], namespace=namespace[0], table="t")[0]
    post(settings["properties"], f"catalogs/{settings['properties']['warehouse']}/undo", {"change": line["id"]})
    assert ids(catalog.load_table(name)) == [1]
    assert ids(past(line["position"]).load_table(name)) == [1, 2]


def test_a_narrowed_token_sees_of_the_past_what_it_may_see(settings, catalog, namespace, past):
    catalog.create_table((*namespace, "mine"), schema=PEOPLE).append(people((1, "a")))
    catalog.create_table((*namespace, "other"), schema=PEOPLE)
    then = now()
    token = narrowed_token(settings["properties"], "read", {"namespace": list(namespace), "table": "mine"})
    old = past(then, token=token)
    assert old.list_tables(namespace) == [(*namespace, "mine")]
    assert ids(old.load_table((*namespace, "mine"))) == [1]
    with pytest.raises(ForbiddenError):
        old.load_table((*namespace, "other"))
    # It goes along with the table: under its new name it is not the caller's any more.
    catalog.rename_table((*namespace, "mine"), (*namespace, "private"))
    with pytest.raises((NoSuchTableError, ForbiddenError)):
        past(then, token=token).load_table((*namespace, "mine"))
    with pytest.raises(NoSuchNamespaceError):
        past(1).load_namespace_properties(namespace)


def test_requests_are_signed_for_what_was(settings, catalog):
    if settings["kind"] != "s3":
        pytest.skip("requests are signed on S3")
    make_signing_catalog(settings, "signing-past")
    signed = {"header.X-Iceberg-Access-Delegation": "remote-signing", "py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"}
    present = connect(warehouse="signing-past", **signed)
    present.create_namespace("n")
    table = present.create_table("n.t", schema=PEOPLE)
    table.append(people((1, "a")))
    then = now()
    table.append(people((2, "b")))
    present.rename_table("n.t", "n.u")
    old = connect(warehouse=f"signing-past@{then}", **signed).load_table("n.t")
    assert ids(old) == [1]
    with pytest.raises(Exception, match="403|Forbidden|read as it was|SignError|Failed to sign"):
        with old.io.new_output(f"{old.location()}/data/new").create() as stream:
            stream.write(b"x")
