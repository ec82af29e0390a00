"""The life of a table: properties, listing, renaming, registration, dropping and purging."""

import time

import pytest
import requests
from conftest import connect
from pyiceberg.exceptions import BadRequestError, CommitFailedException, NoSuchNamespaceError, NoSuchTableError, RESTError, TableAlreadyExistsError
from support import PEOPLE, files_below, ids, people


def test_properties(catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE, properties={"a": "1", "write.parquet.compression-codec": "gzip"})
    with table.transaction() as transaction:
        transaction.set_properties({"b": "日本", "with space": ""})
    with table.transaction() as transaction:
        transaction.remove_properties("a")
    properties = catalog.load_table((*namespace, "t")).properties
    assert (properties["b"], properties["with space"], properties["write.parquet.compression-codec"]) == ("日本", "", "gzip")
    assert "a" not in properties


def test_exists_already(catalog, namespace):
    catalog.create_table((*namespace, "t"), schema=PEOPLE)
    with pytest.raises(TableAlreadyExistsError):
        catalog.create_table((*namespace, "t"), schema=PEOPLE)
    assert catalog.create_table_if_not_exists((*namespace, "t"), schema=PEOPLE).name() == (*namespace, "t")


def test_missing(catalog, namespace):
    missing = (*namespace, "missing")
    assert not catalog.table_exists(missing)
    with pytest.raises(NoSuchTableError):
        catalog.load_table(missing)
    with pytest.raises(NoSuchTableError):
        catalog.drop_table(missing)
    with pytest.raises(NoSuchTableError):
        catalog.purge_table(missing)
    with pytest.raises(NoSuchTableError):
        catalog.rename_table(missing, (*namespace, "other"))


def test_a_commit_to_a_dropped_table_fails(catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    catalog.drop_table((*namespace, "t"))
    with pytest.raises(RESTError, match="NoSuchTable"):
        table.append(people((1, "a")))


def test_a_handle_of_a_dropped_table_does_not_reach_its_successor(catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    catalog.drop_table((*namespace, "t"))
    catalog.create_table((*namespace, "t"), schema=PEOPLE)
    with pytest.raises(CommitFailedException):
        with table.transaction() as transaction:
            transaction.set_properties({"k": "v"})
    assert "k" not in catalog.load_table((*namespace, "t")).properties


def test_listing_many_tables(catalog, namespace):
    """More tables than fit a page: every one once, in the pages that a client asks for and without any paging."""
    names = sorted(f"table {index:04}" for index in range(150))
    for name in names:
        catalog.create_table((*namespace, name), schema=PEOPLE)
    listed = catalog.list_tables(namespace)
    assert sorted(listed) == [(*namespace, name) for name in names]
    assert len(set(listed)) == len(listed)
    assert paged(catalog, namespace, size=40) == names
    assert sorted(connect(**{"rest-page-size": "40"}).list_tables(namespace)) == sorted(listed)


def paged(catalog, namespace, size: int) -> list[str]:
    url = catalog.url("namespaces/{namespace}/tables", namespace=catalog._encode_namespace_path(namespace))
    token, names = "", []
    while token is not None:
        page = catalog._session.get(url, params={"pageToken": token, "pageSize": size}).json()
        assert len(page["identifiers"]) <= size
        names += [identifier["name"] for identifier in page["identifiers"]]
        token = page.get("next-page-token")
    return names


def test_rename(catalog, namespace):
    table = catalog.create_table((*namespace, "old"), schema=PEOPLE)
    table.append(people((1, "a")))
    renamed = catalog.rename_table((*namespace, "old"), (*namespace, "new"))
    assert renamed.metadata.table_uuid == table.metadata.table_uuid
    assert renamed.metadata_location == table.metadata_location
    assert catalog.list_tables(namespace) == [(*namespace, "new")]
    assert not catalog.table_exists((*namespace, "old"))
    renamed.append(people((2, "b")))
    assert ids(catalog.load_table((*namespace, "new"))) == [1, 2]


def test_rename_across_namespaces(catalog, namespace):
    other = (*namespace, "other one")
    catalog.create_namespace(other)
    catalog.create_table((*namespace, "t"), schema=PEOPLE).append(people((1, "a")))
    catalog.rename_table((*namespace, "t"), (*other, "t"))
    assert (catalog.list_tables(namespace), catalog.list_tables(other)) == ([], [(*other, "t")])
    assert ids(catalog.load_table((*other, "t"))) == [1]
    again = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    assert again.location().rstrip("/") != catalog.load_table((*other, "t")).location().rstrip("/"), "never two tables at one location"


def test_refused_renames(catalog, namespace):
    for name in ("a", "b"):
        catalog.create_table((*namespace, name), schema=PEOPLE)
    with pytest.raises(TableAlreadyExistsError):
        catalog.rename_table((*namespace, "a"), (*namespace, "b"))
    with pytest.raises(NoSuchNamespaceError):
        catalog.rename_table((*namespace, "a"), (f"missing {namespace[0]}", "a"))
    assert sorted(catalog.list_tables(namespace)) == [(*namespace, "a"), (*namespace, "b")]


def test_register(catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    catalog.drop_table((*namespace, "t"))
    registered = catalog.register_table((*namespace, "back"), table.metadata_location)
    assert registered.metadata.table_uuid == table.metadata.table_uuid
    assert ids(registered) == [1]
    registered.append(people((2, "b")))
    assert ids(catalog.load_table((*namespace, "back"))) == [1, 2]


def test_register_over_another(catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    earlier = table.metadata_location
    table.append(people((2, "b")))
    with pytest.raises(TableAlreadyExistsError):
        catalog.register_table((*namespace, "t"), earlier)
    assert ids(catalog.load_table((*namespace, "t"))) == [1, 2]
    catalog.register_table((*namespace, "t"), earlier, overwrite=True)
    assert ids(catalog.load_table((*namespace, "t"))) == [1]


def test_register_what_is_not_there(catalog, namespace):
    location = catalog.create_table((*namespace, "t"), schema=PEOPLE).metadata_location
    with pytest.raises(Exception, match="(?i)exist|found|missing"):
        catalog.register_table((*namespace, "other"), location.replace("00000-", "00009-"))
    assert not catalog.table_exists((*namespace, "other"))


def test_drop_keeps_the_files(catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    before = files_below(table)
    catalog.drop_table((*namespace, "t"))
    time.sleep(1)
    assert files_below(table) == before


def eventually(check, seconds: float = 60) -> bool:
    """Purges happen in the background."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.2)
    return False


def test_purge_deletes_the_files_and_no_neighbours(catalog, namespace):
    purged = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    neighbours = [catalog.create_table((*namespace, name), schema=PEOPLE) for name in ("t2", "t_", "tt", "s")]
    for table in (purged, *neighbours):
        table.append(people((1, "a")))
        table.append(people((2, "b")))
        table.overwrite(people((3, "c")))
    kept = {table.name(): files_below(table) for table in neighbours}
    assert len(files_below(purged)) > 8
    catalog.purge_table((*namespace, "t"))
    assert not catalog.table_exists((*namespace, "t"))
    assert eventually(lambda: not files_below(purged)), files_below(purged)
    for table in neighbours:
        assert files_below(table) == kept[table.name()]
        assert ids(catalog.load_table(table.name())) == [3]


def test_no_two_tables_share_their_files(catalog, namespace):
    """Else the purge of one would be the end of the other."""
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    with pytest.raises(BadRequestError, match="(?i)overlap"):
        catalog.register_table((*namespace, "twin"), table.metadata_location)
    for location in (table.location(), f"{table.location()}/below"):
        with pytest.raises(BadRequestError, match="(?i)overlap"):
            catalog.create_table((*namespace, "twin"), schema=PEOPLE, location=location)
    assert catalog.list_tables(namespace) == [(*namespace, "t")]


def test_gzip_metadata(catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE, properties={"write.metadata.compression-codec": "gzip"})
    assert table.metadata_location.endswith(".gz.metadata.json")
    for number in range(3):
        table.append(people((number, "x")))
    read = catalog.load_table((*namespace, "t"))
    assert read.metadata_location.endswith(".gz.metadata.json")
    with read.io.new_input(read.metadata_location).open() as stream:
        assert stream.read(2) == b"\x1f\x8b"
    assert ids(read) == [0, 1, 2]
    with read.transaction() as transaction:
        transaction.set_properties({"write.metadata.compression-codec": "none"})
    plain = catalog.load_table((*namespace, "t"))
    assert plain.metadata_location.endswith(".metadata.json") and not plain.metadata_location.endswith(".gz.metadata.json")
    catalog.drop_table((*namespace, "t"))
    assert ids(catalog.register_table((*namespace, "again"), read.metadata_location)) == [0, 1, 2]


def test_location_of_the_clients_choice(catalog, namespace):
    chosen = f"{catalog.create_table((*namespace, 'first'), schema=PEOPLE).location()}-elsewhere/sub folder"
    table = catalog.create_table((*namespace, "second"), schema=PEOPLE, location=chosen)
    assert table.location().rstrip("/") == chosen
    table.append(people((1, "a")))
    assert ids(catalog.load_table((*namespace, "second"))) == [1]


def test_locations_outside_the_warehouse_are_refused(catalog, namespace, settings):
    outside = "file:///etc/pangolin" if settings["kind"] == "local" else "s3://another-bucket/t"
    inside = catalog.create_table((*namespace, "ok"), schema=PEOPLE).location()
    for location in (outside, f"{inside}/../../../../../../escape", "ftp://host/t"):
        with pytest.raises(Exception, match="(?i)location|scheme|warehouse"):
            catalog.create_table((*namespace, "t"), schema=PEOPLE, location=location)
    assert not catalog.table_exists((*namespace, "t"))


def test_metadata_of_the_server_is_what_the_file_says(catalog, namespace):
    from pyiceberg.serializers import FromInputFile

    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    read = catalog.load_table((*namespace, "t"))
    assert FromInputFile.table_metadata(read.io.new_input(read.metadata_location)) == read.metadata


def test_etag_of_an_unchanged_table(catalog, namespace):
    catalog.create_table((*namespace, "t"), schema=PEOPLE)
    url = catalog.url("namespaces/{namespace}/tables/t", namespace=catalog._encode_namespace_path(namespace))
    first = catalog._session.get(url)
    assert catalog._session.get(url, headers={"If-None-Match": first.headers["ETag"]}).status_code == requests.codes.not_modified
    catalog.load_table((*namespace, "t")).append(people((1, "a")))
    assert catalog._session.get(url, headers={"If-None-Match": first.headers["ETag"]}).status_code == requests.codes.ok
