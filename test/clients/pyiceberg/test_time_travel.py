"""The whole catalog as it was at a time, at a position of its log, or after a change: names, rows, schemas and properties of one moment."""

import time
import uuid
from collections.abc import Callable

import pyarrow as pa
import pytest
import requests
from conftest import connect
from management_api import guide_to_the_past, log_of, make_signing_catalog, moment_of
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import ForbiddenError, NoSuchNamespaceError, NoSuchTableError, NoSuchViewError, RESTError
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType
from support import PEOPLE, data_file, ids, people, read, rows, write
from test_views import create as create_view

SPELLINGS = ["time", "position", "change"]
FILE_IOS = ["pyiceberg.io.pyarrow.PyArrowFileIO", "pyiceberg.io.fsspec.FsspecFileIO"]
OTHER = Schema(NestedField(1, "number", LongType(), required=False))


@pytest.fixture(scope="module", autouse=True)
def only_with_a_server(settings):
    if settings["properties"]["type"] != "rest":
        pytest.skip("this catalog has no server")


@pytest.fixture(scope="module")
def story(settings, catalog: Catalog) -> tuple[str, dict[str, str]]:
    """A namespace in which much has changed since the moment, and how the moment is spelled."""
    ns = f"story_{uuid.uuid4().hex[:8]}"
    catalog.create_namespace(ns, {"owner": "ada", "kept": "yes"})
    catalog.create_namespace((ns, "left"), {"note": "here"})
    grown, moved = [catalog.create_table((ns, name), schema=PEOPLE) for name in ["grown", "moved"]]
    grown.append(people((1, "a")))
    grown.append(people((2, "b")))
    moved.append(people((7, "m")))
    catalog.create_table((ns, "dropped"), schema=PEOPLE).append(people((8, "d")))
    catalog.create_table((ns, "left", "t"), schema=PEOPLE).append(people((9, "l")))
    create_view(catalog, (ns, "v"), (ns,))
    moments = {spelling: moment_of(settings["properties"], ns, spelling) for spelling in SPELLINGS}
    grown.append(people((3, "c")))
    grown.delete("id = 1")
    with grown.update_schema() as update:
        update.rename_column("name", "label")
        update.add_column("extra", StringType())
    catalog.rename_table((ns, "moved"), (ns, "elsewhere"))
    catalog.create_table((ns, "moved"), schema=OTHER).append(pa.table({"number": [77]}))
    catalog.drop_table((ns, "dropped"))
    catalog.drop_view((ns, "v"))
    catalog.drop_table((ns, "left", "t"))
    catalog.drop_namespace((ns, "left"))
    catalog.update_namespace_properties(ns, removals={"kept"}, updates={"owner": "eve", "new": "yes"})
    catalog.create_table((ns, "later"), schema=PEOPLE)
    return ns, moments


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_all_is_of_one_moment(story, spelling: str):
    ns, moments = story
    past = connect(warehouse=moments[spelling])
    assert (ns,) in past.list_namespaces()
    assert past.list_namespaces(ns) == [(ns, "left")]
    assert {key: past.load_namespace_properties(ns).get(key) for key in ["owner", "kept", "new"]} == {"owner": "ada", "kept": "yes", "new": None}
    assert past.load_namespace_properties((ns, "left"))["note"] == "here"
    assert sorted(past.list_tables(ns)) == [(ns, "dropped"), (ns, "grown"), (ns, "moved")]
    assert past.list_tables((ns, "left")) == [(ns, "left", "t")]
    assert past.list_views(ns) == [(ns, "v")]
    grown = past.load_table((ns, "grown"))
    assert rows(grown) == [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    assert grown.schema() == PEOPLE
    assert [len(ids(grown, snapshot_id=one.snapshot_id)) for one in grown.snapshots()] == [1, 2]
    assert rows(past.load_table((ns, "moved"))) == [{"id": 7, "name": "m"}]
    assert ids(past.load_table((ns, "dropped"))) == [8]
    assert ids(past.load_table((ns, "left", "t"))) == [9]
    assert past.load_view((ns, "v")).schema().column_names == ["id", "label"]
    assert past.view_exists((ns, "v")) and past.table_exists((ns, "dropped")) and past.namespace_exists((ns, "left"))
    for name in ["elsewhere", "later", "v"]:
        assert not past.table_exists((ns, name))
        with pytest.raises(NoSuchTableError):
            past.load_table((ns, name))
    with pytest.raises(NoSuchViewError):
        past.load_view((ns, "grown"))


def test_now_is_as_it_was_left(story, catalog: Catalog):
    ns, _ = story
    assert sorted(catalog.list_tables(ns)) == [(ns, "elsewhere"), (ns, "grown"), (ns, "later"), (ns, "moved")]
    assert rows(catalog.load_table((ns, "grown"))) == [{"id": 2, "label": "b", "extra": None}, {"id": 3, "label": "c", "extra": None}]
    assert catalog.load_table((ns, "moved")).scan().to_arrow()["number"].to_pylist() == [77]
    with pytest.raises(NoSuchNamespaceError):
        catalog.load_namespace_properties((ns, "left"))


def test_a_handle_stays_in_its_moment(settings, catalog: Catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    handle = connect(warehouse=moment_of(settings["properties"], namespace[0])).load_table((*namespace, "t"))
    table.append(people((2, "b")))
    assert ids(handle.refresh()) == [1]
    assert ids(table.refresh()) == [1, 2]


def test_a_uri_that_names_the_moment(settings, story):
    ns, moments = story
    for name in [moments["position"], moments["position"].replace("@", "%40"), moments["position"].replace("@", "~")]:
        past = connect(uri=f"{settings['properties']['uri']}/v1/{name}", warehouse=None)
        assert ids(past.load_table((ns, "grown"))) == [1, 2]
        assert past.list_views(ns) == [(ns, "v")]


def test_the_guide(settings, catalog: Catalog, namespace):
    catalog.create_table((*namespace, "orders"), schema=PEOPLE).append(people((1, "a")))
    moment = moment_of(settings["properties"], namespace[0])
    catalog.drop_table((*namespace, "orders"))
    (code,) = guide_to_the_past(settings["properties"], "python", moment, namespace[0])
    names = {"load_catalog": load_catalog}
    exec(code, names)
    assert names["past"].list_tables(namespace) == [(*namespace, "orders")]


def test_nothing_is_written(settings, story, catalog: Catalog):
    ns, moments = story
    before = log_of(settings["properties"], namespace=ns)
    past = connect(warehouse=moments["change"])
    grown = past.load_table((ns, "grown"))
    metadata = grown.metadata_location
    view = past.load_view((ns, "v"))
    # Where the storage is asked first, it is the one that refuses.
    for attempt in [lambda: grown.append(people((4, "x"))), lambda: grown.overwrite(people((4, "x"))), grown.delete]:
        with pytest.raises((ForbiddenError, PermissionError, OSError)):
            attempt()
    for attempt in [
        lambda: grown.update_schema().add_column("more", StringType()).commit(),
        lambda: grown.transaction().set_properties(a="b").commit_transaction(),
        lambda: past.create_namespace((ns, "new")),
        lambda: past.drop_namespace((ns, "left")),
        lambda: past.update_namespace_properties(ns, updates={"a": "b"}),
        lambda: past.create_table((ns, "new"), schema=PEOPLE),
        lambda: past.create_table_transaction((ns, "new"), schema=PEOPLE),
        lambda: past.register_table((ns, "new"), metadata),
        lambda: past.rename_table((ns, "grown"), (ns, "new")),
        lambda: past.drop_table((ns, "dropped")),
        lambda: past.purge_table((ns, "grown")),
        lambda: create_view(past, (ns, "new"), (ns,)),
        lambda: past.register_view((ns, "new"), metadata),
        lambda: past.drop_view(view.name()),
    ]:
        with pytest.raises(ForbiddenError, match="as it was at position .* nothing can be changed"):
            attempt()
    assert log_of(settings["properties"], namespace=ns) == before
    assert ids(catalog.load_table((ns, "grown"))) == [2, 3]


@pytest.mark.parametrize("moment", ["999999999", "0", "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "01900000-0000-7000-8000-000000000000"])
def test_unknown_moments(settings, moment: str):
    with pytest.raises(RESTError, match=moment if moment != "0" else "no position 0"):
        connect(warehouse=f"{settings['properties']['warehouse']}@{moment}")


def test_a_purged_table_says_so(settings, catalog: Catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    past = connect(warehouse=moment_of(settings["properties"], namespace[0]))
    assert ids(past.load_table((*namespace, "t"))) == [1]
    catalog.purge_table((*namespace, "t"))
    purge = log_of(settings["properties"], namespace=namespace[0])[-1]
    # For a second the server does not ask the storage again for a file that it saw.
    time.sleep(1.1)
    assert past.list_tables(namespace) == [(*namespace, "t")]
    assert not past.table_exists((*namespace, "t"))
    for session in [past, connect(warehouse=past.properties["warehouse"])]:
        with pytest.raises(NoSuchTableError, match=f"is gone; it was purged by change {purge['id']}"):
            session.load_table((*namespace, "t"))


def test_the_log_through_the_clients_own_session(settings, story, catalog: Catalog):
    ns, moments = story
    properties = settings["properties"]

    def asked(**query: str | int) -> requests.Response:
        url = f"{properties['uri']}/api/v1/catalogs/{properties['warehouse']}/commits"
        return catalog._session.get(url, params={"order": "asc", **query})

    def actions(lines: list[dict]) -> list[str]:
        return [one["operation"] for line in lines for one in line["operations"]]

    lines = asked(namespace=ns, limit=1000).json()
    assert {"create-namespace", "create-table", "update-table", "rename-table", "drop-table", "create-view", "drop-view"} <= set(actions(lines))
    assert [line["position"] for line in lines] == sorted({line["position"] for line in lines})
    assert [line["timestamp"] for line in lines] == sorted(line["timestamp"] for line in lines)
    of_table = asked(namespace=ns, table="moved").json()
    assert actions(of_table) == ["create-table", "update-table", "rename-table", "create-table", "update-table"]
    first, second = [line["operations"][0]["id"] for line in of_table if line["operations"][0]["operation"] == "create-table"]
    assert first != second
    (dropped,) = asked(namespace=ns, table="dropped", action="drop-table").json()
    # What is before a change is read at its parent.
    assert ids(connect(warehouse=f"{properties['warehouse']}@{dropped['parent_id']}").load_table((ns, "dropped"))) == [8]
    assert not connect(warehouse=f"{properties['warehouse']}@{dropped['id']}").table_exists((ns, "dropped"))
    page = asked(namespace=ns, limit=3)
    following = asked(namespace=ns, limit=3, pageToken=page.headers["X-Next-Page-Token"])
    assert page.json() + following.json() == lines[:6]


def storage_refuses(work: Callable[[], object]) -> None:
    with pytest.raises((PermissionError, OSError)):
        work()


@pytest.mark.parametrize("file_io", FILE_IOS)
def test_credentials_of_the_past_read_alone(settings, story, catalog: Catalog, file_io: str):
    """With what is vended for the moment the client opens the old files, and changes none of them."""
    if settings["kind"] != "s3":
        pytest.skip("credentials are vended on S3")
    ns, moments = story
    past = connect(warehouse=moments["time"], **{"py-io-impl": file_io})
    grown = past.load_table((ns, "grown"))
    assert grown.io.properties["s3.session-token"] != catalog.load_table((ns, "grown")).io.properties["s3.session-token"]
    assert ids(grown) == [1, 2]
    dropped = past.load_table((ns, "dropped"))
    assert ids(dropped) == [8]
    path = data_file(dropped)
    content = read(dropped.io, path)
    storage_refuses(lambda: write(dropped.io, path))
    storage_refuses(lambda: write(dropped.io, f"{dropped.location()}/data/new.parquet"))
    storage_refuses(lambda: read(dropped.io, data_file(past.load_table((ns, "moved")))))
    again = past.load_credentials((ns, "dropped"), dropped.metadata_location)
    assert again["s3.session-token"] == dropped.io.properties["s3.session-token"]
    assert read(dropped.io, path) == content


def test_signatures_of_the_past_read_alone(settings, monkeypatch):
    if settings["kind"] != "s3":
        pytest.skip("requests are signed on S3")
    from test_remote_signing import NO_KEYS, SIGNED, refused

    for name, value in NO_KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    warehouse = f"signing-{uuid.uuid4().hex[:8]}"
    make_signing_catalog(settings, warehouse)
    writer = connect(warehouse=warehouse, **SIGNED)
    writer.create_namespace("ns")
    table = writer.create_table("ns.t", schema=PEOPLE)
    table.append(people((1, "a")))
    moment = moment_of({**settings["properties"], "warehouse": warehouse}, "ns")
    table.append(people((2, "b")))
    writer.drop_table("ns.t")
    seen = connect(warehouse=moment, **SIGNED).load_table("ns.t")
    assert "%40" in seen.io.properties["s3.signer.endpoint"]
    assert ids(seen) == [1]
    path = data_file(seen)
    refused(lambda: write(seen.io, path))
    refused(lambda: write(seen.io, f"{seen.location()}/data/new.parquet"))
    assert ids(seen) == [1]
