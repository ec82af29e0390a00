"""Credentials that the server vends: the client has no keys of its own, and with what it gets opens one table's files alone."""

from collections.abc import Callable

import pytest
from conftest import connect
from management_api import narrowed_token
from pyiceberg.catalog import Catalog
from pyiceberg.io import FileIO
from support import PEOPLE, data_file, ids, people, read, write

FILE_IOS = ["pyiceberg.io.pyarrow.PyArrowFileIO", "pyiceberg.io.fsspec.FsspecFileIO"]
REFUSED = (PermissionError, OSError)


@pytest.fixture(scope="module", autouse=True)
def only_on_s3(settings):
    if settings["properties"]["type"] != "rest" or settings["kind"] != "s3":
        pytest.skip("credentials are vended on S3")
    assert not [key for key in settings["properties"] if "access-key" in key], "the client has no keys"


@pytest.fixture(params=FILE_IOS)
def file_io(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def reader(settings) -> Callable[[str], Catalog]:
    """A session of somebody whose token is narrowed to reading."""
    token = narrowed_token(settings["properties"], "read")
    return lambda file_io: connect(token=token, **{"py-io-impl": file_io})


def refused(work: Callable[[], object]) -> None:
    """The storage itself says no: not the server, and not for want of anything else."""
    with pytest.raises(REFUSED) as raised:
        work()
    text = repr(raised.value)
    assert isinstance(raised.value, PermissionError) or "ACCESS_DENIED" in text or "AccessDenied" in text or "403" in text, text


def keeps(io: FileIO, owner: FileIO, location: str) -> None:
    """Whoever may not delete a file is refused, or told nothing at all (fsspec), and the file stays."""
    before = read(owner, location)
    try:
        io.delete(location)
    except REFUSED:
        pass
    assert read(owner, location) == before


def test_reads_and_writes(catalog: Catalog, namespace, file_io: str):
    writer = connect(**{"py-io-impl": file_io})
    table = writer.create_table((*namespace, "t"), schema=PEOPLE)
    assert table.io.properties["s3.session-token"]
    table.append(people((1, "a")))
    table.append(people((2, "b")))
    table.delete("id = 1")
    assert ids(connect(**{"py-io-impl": file_io}).load_table(table.name())) == [2]


def test_a_staged_table_is_written_before_it_exists(namespace, file_io: str):
    writer = connect(**{"py-io-impl": file_io})
    with writer.create_table_transaction((*namespace, "t"), schema=PEOPLE) as transaction:
        transaction.append(people((1, "a")))
    assert ids(writer.load_table((*namespace, "t"))) == [1]


def test_opens_nothing_of_a_neighbour(catalog: Catalog, namespace, file_io: str, settings):
    writer = connect(**{"py-io-impl": file_io})
    root = f"s3://{settings['storage']['bucket']}/some/prefix/{namespace[0]}"
    table = writer.create_table((*namespace, "t"), schema=PEOPLE, location=f"{root}/t")
    table.append(people((1, "a")))
    # One whose place begins with the same text, and one wherever the server puts it.
    for name, location in [("t2", f"{root}/t2"), ("other", None)]:
        neighbour = writer.create_table((*namespace, name), schema=PEOPLE, location=location)
        neighbour.append(people((2, "b")))
        for path in [data_file(neighbour), neighbour.metadata_location]:
            assert read(neighbour.io, path)
            refused(lambda path=path: read(table.io, path))
            refused(lambda path=path: write(table.io, path))
            keeps(table.io, neighbour.io, path)
        assert ids(neighbour.refresh()) == [2]
    refused(lambda: write(table.io, f"{root}/new"))
    refused(lambda: write(table.io, f"s3://{settings['storage']['bucket']}/new"))


def test_a_reader_reads_and_the_storage_refuses_to_write(catalog: Catalog, namespace, file_io: str, reader):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    seen = reader(file_io).load_table(table.name())
    assert ids(seen) == [1]
    path = data_file(table)
    refused(lambda: write(seen.io, path))
    refused(lambda: write(seen.io, f"{table.location()}/data/new.parquet"))
    keeps(seen.io, table.io, path)
    assert ids(catalog.load_table(table.name())) == [1]


def test_loads_credentials_again(catalog: Catalog, namespace, reader):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    again = catalog.load_credentials(table.name(), table.metadata_location)
    assert again["s3.session-token"] == table.io.properties["s3.session-token"]
    assert again["s3.session-token-expires-at-ms"].isdigit()
    other = reader(FILE_IOS[0]).load_credentials(table.name(), table.metadata_location)
    assert other["s3.session-token"] != again["s3.session-token"]


def test_none_unless_asked_for(namespace, catalog: Catalog):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    plain = connect(**{"header.X-Iceberg-Access-Delegation": "remote-signing"}).load_table(table.name())
    assert not [key for key in plain.io.properties if "secret" in key or "session-token" in key]
