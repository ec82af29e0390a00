"""What several test files need: small tables, and their files, listed, read and written one by one."""

from urllib.parse import urlparse

import pyarrow as pa
from pyarrow.fs import FileSelector, FileType
from pyiceberg.io import FileIO
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import LongType, NestedField, StringType

PEOPLE = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "name", StringType(), required=False),
    identifier_field_ids=[1],
)
PEOPLE_ARROW = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])


def people(*rows: tuple[int, str | None]) -> pa.Table:
    return pa.Table.from_pylist([{"id": number, "name": name} for number, name in rows], schema=PEOPLE_ARROW)


def ids(table: Table, **scan) -> list[int]:
    return sorted(table.scan(**scan).to_arrow()["id"].to_pylist())


def rows(table: Table, **scan) -> list[dict]:
    return sorted(table.scan(**scan).to_arrow().to_pylist(), key=lambda row: row["id"])


def files_below(table: Table, location: str | None = None) -> set[str]:
    """Paths of all files below a location (the table's own unless another is named), asked of the storage itself."""
    parsed = urlparse(location or table.location())
    filesystem = table.io.fs_by_scheme(parsed.scheme or "file", parsed.netloc or None)
    base = f"{parsed.netloc}{parsed.path}" if parsed.netloc else parsed.path
    found = filesystem.get_file_info(FileSelector(base, recursive=True, allow_not_found=True))
    return {info.path for info in found if info.type == FileType.File}


def data_file(table: Table) -> str:
    (path,) = table.inspect.files()["file_path"].to_pylist()
    return path


def read(io: FileIO, location: str) -> bytes:
    with io.new_input(location).open() as stream:
        return stream.read()


def write(io: FileIO, location: str, content: bytes = b"mine") -> None:
    with io.new_output(location).create(overwrite=True) as stream:
        stream.write(content)
