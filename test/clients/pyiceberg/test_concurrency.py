"""Many processes on one table: nothing that was acknowledged is lost, nothing is there twice."""

import multiprocessing
import random

import pyarrow as pa
import pytest
from conftest import connect
from pyiceberg.exceptions import CommitFailedException
from support import PEOPLE, ids, people

PROCESSES = 8
APPENDS = 6


def appender(identifier, worker: int, retries: int, results) -> None:
    """Appends with PyIceberg's own retries; reports the ids that were acknowledged, and how often it had to give up."""
    try:
        table = connect().load_table(identifier)
        acknowledged, given_up = [], 0
        for step in range(APPENDS):
            number = worker * 1000 + step
            for _ in range(retries + 1):
                try:
                    table.append(people((number, f"worker {worker}")))
                    acknowledged.append(number)
                    break
                except CommitFailedException:
                    given_up += 1
                    table.refresh()
        results.put((worker, acknowledged, given_up, None))
    except BaseException as error:  # noqa: BLE001 - the parent must learn of it, whatever it was
        results.put((worker, [], 0, repr(error)))


def run(target, arguments) -> list:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=target, args=(*one, results)) for one in arguments]
    for process in processes:
        process.start()
    outcomes = [results.get(timeout=300) for _ in processes]
    for process in processes:
        process.join(timeout=30)
    assert [error for *_, error in outcomes if error is not None] == []
    return outcomes


def test_concurrent_appends_from_8_processes(catalog, namespace, record_property):
    identifier = (*namespace, "t")
    catalog.create_table(identifier, schema=PEOPLE)
    outcomes = run(appender, [(identifier, worker, 20) for worker in range(PROCESSES)])
    acknowledged = sorted(number for _, numbers, _, _ in outcomes for number in numbers)
    assert len(acknowledged) == PROCESSES * APPENDS, "every append got through in the end"
    table = catalog.load_table(identifier)
    assert ids(table) == acknowledged
    assert len(table.snapshots()) == PROCESSES * APPENDS
    assert [snapshot.sequence_number for snapshot in table.snapshots()] == list(range(1, PROCESSES * APPENDS + 1))
    parents = [snapshot.parent_snapshot_id for snapshot in table.snapshots()]
    assert parents == [None, *(snapshot.snapshot_id for snapshot in table.snapshots()[:-1])]
    print(f"given up and tried again by the caller: {sum(one for *_, one, _ in outcomes)} of {len(acknowledged)} appends")


def setter(identifier, worker: int, results) -> None:
    try:
        table = connect().load_table(identifier)
        for step in range(APPENDS):
            with table.transaction() as transaction:
                transaction.set_properties({f"w{worker}-{step}": "set", "last": f"w{worker}-{step}"})
        results.put((worker, APPENDS, None))
    except BaseException as error:  # noqa: BLE001
        results.put((worker, 0, repr(error)))


def test_concurrent_property_changes_never_conflict(catalog, namespace):
    """No requirement of theirs fails, so the server sorts the races out by itself: no process sees an error."""
    identifier = (*namespace, "t")
    catalog.create_table(identifier, schema=PEOPLE)
    run(setter, [(identifier, worker) for worker in range(PROCESSES)])
    properties = catalog.load_table(identifier).properties
    assert {key for key in properties if key.startswith("w") and "-" in key and "." not in key} == {
        f"w{worker}-{step}" for worker in range(PROCESSES) for step in range(APPENDS)
    }


def creator(namespace, worker: int, results) -> None:
    try:
        catalog, won = connect(), []
        names = [f"t{index}" for index in range(10)]
        random.Random(worker).shuffle(names)
        for name in names:
            try:
                catalog.create_table((*namespace, name), schema=PEOPLE, properties={"owner": str(worker)})
                won.append(name)
            except Exception as error:  # noqa: BLE001
                if "AlreadyExists" not in type(error).__name__ and "already exists" not in str(error):
                    raise
        results.put((worker, won, None))
    except BaseException as error:  # noqa: BLE001
        results.put((worker, [], repr(error)))


def test_concurrent_creations_have_one_winner_each(catalog, namespace):
    outcomes = run(creator, [(namespace, worker) for worker in range(4)])
    owners = {name: str(worker) for worker, won, _ in outcomes for name in won}
    assert sum(len(won) for _, won, _ in outcomes) == len(owners) == 10
    for name, owner in owners.items():
        assert catalog.load_table((*namespace, name)).properties["owner"] == owner


def test_appends_to_many_tables_at_once(catalog, namespace):
    tables = [(*namespace, f"t{index}") for index in range(PROCESSES)]
    for identifier in tables:
        catalog.create_table(identifier, schema=PEOPLE)
    outcomes = run(appender, [(identifier, worker, 0) for worker, identifier in enumerate(tables)])
    for worker, numbers, given_up, _ in outcomes:
        assert given_up == 0
        assert ids(catalog.load_table(tables[worker])) == numbers


@pytest.mark.parametrize("rows", [0, 1])
def test_reader_beside_a_writer_sees_whole_commits(catalog, namespace, rows):
    """Every load shows a state that some commit made: rows come in pairs."""
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    reader = connect().load_table((*namespace, "t"))
    for number in range(5):
        table.append(people((2 * number, "x"), (2 * number + 1, "x")))
        if rows:
            table.append(pa.table({"id": pa.array([], pa.int64()), "name": pa.array([], pa.string())}, schema=table.schema().as_arrow()))
        assert len(ids(reader.refresh())) % 2 == 0
