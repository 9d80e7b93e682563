"""A port that a server needs is either free, or its holder is named."""

import os
import socket
from collections.abc import Iterator

import pytest

from pipeline.errors import StackError
from pipeline.local import ports


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_reported_with_its_service_its_holder_and_the_variable_that_moves_it(taken_port: int) -> None:
    with pytest.raises(StackError) as caught:
        ports.Port("Kafka", taken_port, "VOXFLOW_KAFKA_PORT").require_free()
    assert f"port {taken_port}, which Kafka needs, is taken by pid {os.getpid()}" in str(caught.value)
    assert "set VOXFLOW_KAFKA_PORT to a free port" in str(caught.value)


def test_a_port_is_free_again_once_its_holder_has_closed_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port)
    ports.Port("Kafka", port, "VOXFLOW_KAFKA_PORT").require_free()


def test_a_listening_port_answers_and_a_free_one_does_not(taken_port: int) -> None:
    assert ports.answers(taken_port)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert not ports.answers(unused.getsockname()[1])
