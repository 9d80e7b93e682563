"""A real stack: Kafka and Flink as processes of this machine, and a PyFlink job on them."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.errors import StackError
from pipeline.local import zookeeper
from pipeline.local.jobs import Jobs
from pipeline.local.process import wait_until
from pipeline.local.stack import Stack

pytestmark = pytest.mark.e2e

ECHO_JOB = Path(__file__).with_name("echo_job.py")
ECHO_NAME = "voxflow-test-echo"


@pytest.fixture(scope="module")
def topics(bootstrap_servers: str) -> Iterator[tuple[str, str]]:
    """An empty source and an empty sink topic, one partition each."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    names = f"source-{uuid4()}", f"sink-{uuid4()}"
    for created in admin.create_topics([NewTopic(name, 1, 1) for name in names]).values():
        created.result()
    yield names
    for deleted in admin.delete_topics(list(names)).values():
        deleted.result()


@pytest.fixture(scope="module")
def echo_arguments(bootstrap_servers: str, topics: tuple[str, str]) -> list[str]:
    return ["--bootstrap-servers", bootstrap_servers, "--source", topics[0], "--sink", topics[1]]


@pytest.fixture(scope="module")
def first_echo_job(stack: Stack, echo_arguments: list[str]) -> Iterator[None]:
    """A job that copies from the source topic to the sink topic; a test may put another in its place."""
    jobs = Jobs(stack.settings)
    jobs.await_running(jobs.submit(ECHO_JOB, echo_arguments))
    yield
    if (running := jobs.running(ECHO_NAME)) is not None:
        jobs.cancel(running.job_id)


@pytest.fixture
def echo_job(stack: Stack, first_echo_job: None) -> str:
    """The id of the echo job that runs now."""
    running = Jobs(stack.settings).running(ECHO_NAME)
    assert running is not None
    return running.job_id


def produce(bootstrap_servers: str, topic: str, key: str, *values: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    for value in values:
        producer.produce(topic, key=key, value=value)
    producer.flush()


def consume(bootstrap_servers: str, topic: str, key: str, count: int) -> list[bytes]:
    """The topic's first ``count`` values of that key."""
    settings = {"bootstrap.servers": bootstrap_servers, "group.id": str(uuid4()), "auto.offset.reset": "earliest"}
    consumer, values = Consumer(settings), list[bytes]()
    consumer.subscribe([topic])
    wait_until(lambda: len(values) >= count or values.extend(polled(consumer, key)) is not None, timeout_s=40)
    consumer.close()
    return values


def polled(consumer: Consumer, key: str) -> list[bytes]:
    message = consumer.poll(0.2)
    return [message.value()] if message is not None and message.key() == key.encode() else []


def await_checkpoint(stack: Stack, job_id: str) -> None:
    """Waits until a checkpoint that began after this call is complete: of two more, the second is."""
    rest = Jobs(stack.settings).rest
    before = rest.completed_checkpoints(job_id)
    assert wait_until(lambda: rest.completed_checkpoints(job_id) >= before + 2, timeout_s=20)


def running(stack: Stack) -> dict[str, int | None]:
    """Name to pid of the services that serve."""
    return {service.name: service.pid for service in stack.status() if service.state == "running"}


def test_every_service_of_a_stack_that_is_up_serves(stack: Stack) -> None:
    assert set(running(stack)) == {"kafka", "zookeeper", "jobmanager", "taskmanager-1", "redis"}


def test_a_second_up_leaves_running_services_alone(stack: Stack) -> None:
    before, lines = running(stack), list[str]()
    stack.up(lines.append)
    assert running(stack) == before
    assert [line.split(":")[0] for line in lines] == [f"{name} already up" for name in before]


def test_a_python_job_in_thread_mode_reads_and_writes_kafka_with_keyed_state(
    echo_job: str, bootstrap_servers: str, topics: tuple[str, str]
) -> None:
    produce(bootstrap_servers, topics[0], "calm", "one", "two")
    assert consume(bootstrap_servers, topics[1], "calm", 2) == [b"1 ONE thread", b"2 TWO thread"]


@pytest.mark.parametrize("server", ["taskmanager-1", "jobmanager", "zookeeper"])
def test_after_a_server_was_killed_up_heals_the_stack_and_the_job_goes_on_from_its_state(
    server: str, stack: Stack, echo_job: str, bootstrap_servers: str, topics: tuple[str, str]
) -> None:
    key, others = f"shaken by {server}", {name: pid for name, pid in running(stack).items() if name != server}
    produce(bootstrap_servers, topics[0], key, "before")
    assert consume(bootstrap_servers, topics[1], key, 1) == [b"1 BEFORE thread"]
    await_checkpoint(stack, echo_job)
    os.kill(running(stack)[server] or 0, signal.SIGKILL)
    assert wait_until(lambda: server not in running(stack), timeout_s=10)
    stack.up(print)
    Jobs(stack.settings).await_running(echo_job)
    produce(bootstrap_servers, topics[0], key, "after")
    assert consume(bootstrap_servers, topics[1], key, 2)[-1] == b"2 AFTER thread"
    assert running(stack).items() >= others.items()


def test_a_job_that_was_suspended_because_zookeeper_stayed_away_is_waited_for_until_it_runs_again(
    stack: Stack, echo_job: str, bootstrap_servers: str, topics: tuple[str, str]
) -> None:
    produce(bootstrap_servers, topics[0], "suspended", "before")
    assert consume(bootstrap_servers, topics[1], "suspended", 1) == [b"1 BEFORE thread"]
    await_checkpoint(stack, echo_job)
    os.kill(running(stack)["zookeeper"] or 0, signal.SIGKILL)
    assert wait_until(lambda: not Jobs(stack.settings).rest.answers(), timeout_s=30)
    zookeeper.start(stack.settings)
    Jobs(stack.settings).await_running(echo_job)
    produce(bootstrap_servers, topics[0], "suspended", "after")
    assert consume(bootstrap_servers, topics[1], "suspended", 2)[-1] == b"2 AFTER thread"


def test_a_job_that_ran_when_the_stack_went_down_is_back_with_its_state_when_it_is_up_again(
    stack: Stack, echo_job: str, bootstrap_servers: str, topics: tuple[str, str]
) -> None:
    produce(bootstrap_servers, topics[0], "slept", "before")
    assert consume(bootstrap_servers, topics[1], "slept", 1) == [b"1 BEFORE thread"]
    await_checkpoint(stack, echo_job)
    stack.down(print)
    stack.up(print)
    Jobs(stack.settings).await_running(echo_job)
    produce(bootstrap_servers, topics[0], "slept", "after")
    assert consume(bootstrap_servers, topics[1], "slept", 2)[-1] == b"2 AFTER thread"


def test_a_job_started_from_a_savepoint_has_the_state_of_the_job_that_stopped_with_it(
    stack: Stack, echo_job: str, echo_arguments: list[str], bootstrap_servers: str, topics: tuple[str, str]
) -> None:
    jobs = Jobs(stack.settings)
    produce(bootstrap_servers, topics[0], "stopped", "before")
    assert consume(bootstrap_servers, topics[1], "stopped", 1) == [b"1 BEFORE thread"]
    savepoint = jobs.stop_with_savepoint(echo_job)
    assert Path(savepoint).parent == jobs.states(ECHO_NAME).savepoints_of(echo_job)
    produce(bootstrap_servers, topics[0], "stopped", "after")
    jobs.await_running(jobs.submit(ECHO_JOB, echo_arguments, savepoint))
    assert consume(bootstrap_servers, topics[1], "stopped", 2) == [b"1 BEFORE thread", b"2 AFTER thread"]


def test_a_job_that_cannot_be_stopped_is_named_with_a_way_to_see_those_that_can(stack: Stack) -> None:
    with pytest.raises(StackError, match="Flink knows no job 00000000; see which ones run with: voxflow status"):
        Jobs(stack.settings).stop_with_savepoint("00000000")


def test_a_second_stack_on_the_same_ports_says_which_port_is_taken_and_starts_nothing(
    stack: Stack, tmp_path: Path
) -> None:
    second = Stack(replace(stack.settings, home=tmp_path))
    with pytest.raises(StackError, match=f"port {stack.settings.kafka_port}, which Kafka needs, is taken by pid"):
        second.up(print)
    assert not any(service.pid for service in second.status())


def test_a_job_that_submits_nothing_is_reported_with_its_own_error(stack: Stack, tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    # It takes its time, like any job: of one that ends at once Flink says no more than that it did not start.
    script.write_text("import pyflink.table\nraise SystemError('this job is broken')\n")
    with pytest.raises(StackError, match="submitted no job: SystemError: this job is broken; "):
        Jobs(stack.settings).submit(script, [])


def test_a_broker_refuses_to_create_topics_by_itself(bootstrap_servers: str) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": str(uuid4()), "log_level": 0})
    assert consumer.list_topics("mistyped", timeout=10).topics["mistyped"].error is not None
    consumer.close()
