"""Publishing in the background while transcripts come back."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from pipeline.client.exchange import exchanged
from pipeline.domain.types import AudioChunk, Transcript
from pipeline.errors import BrokerUnreachable, SetupError
from tests.client.helpers import chunk, final, session_end


@dataclass
class Log:
    """Both ends of a topic: keeps what is published, gives back what was scripted."""

    scripted: list[Transcript] = field(default_factory=list)
    published: list[AudioChunk] = field(default_factory=list)
    broken: bool = False

    def publish(self, chunk: AudioChunk) -> None:
        if self.broken:
            raise BrokerUnreachable("nobody is there")
        self.published.append(chunk)

    def flush(self) -> None: ...

    def poll(self, timeout_s: float) -> list[Transcript]:
        if self.scripted:
            return [self.scripted.pop(0)]
        time.sleep(timeout_s / 10)
        return []


def two_chunks() -> Iterator[AudioChunk]:
    return iter([chunk(0), chunk(1, end_of_stream=True)])


def endless_chunks() -> Iterator[AudioChunk]:
    seq = 0
    while True:
        yield chunk(seq)
        seq += 1
        time.sleep(0.001)


def test_transcripts_come_until_every_session_has_ended() -> None:
    log = Log([session_end("a"), final(session_id="b"), session_end("b"), final(session_id="never seen")])
    answers = list(exchanged(two_chunks(), log, log, {"a", "b"}, patience_s=5))
    assert answers == [session_end("a"), final(session_id="b"), session_end("b")]


def test_without_any_answer_the_error_names_the_commands_that_help() -> None:
    log = Log()
    with pytest.raises(SetupError, match=r"no transcript came.*voxflow status.*voxflow deploy"):
        list(exchanged(two_chunks(), log, log, {"s"}, patience_s=0.05))


def test_a_session_that_does_not_end_is_told_apart_from_no_answer() -> None:
    log = Log([final()])
    with pytest.raises(SetupError, match="1 of 1 sessions did not end"):
        list(exchanged(two_chunks(), log, log, {"s"}, patience_s=0.05))


def test_a_broker_that_goes_away_is_reported_by_the_reading_side() -> None:
    log = Log(broken=True)
    with pytest.raises(BrokerUnreachable):
        list(exchanged(two_chunks(), log, log, {"s"}, patience_s=5))


def test_stopping_early_ends_the_session_where_it_is() -> None:
    log = Log([final()])
    with closing(exchanged(endless_chunks(), log, log, {"s"}, patience_s=5)) as answers:
        next(answers)
    assert log.published[-1].end_of_stream
    assert log.published[-1].packets == ()
    assert [one.seq for one in log.published] == list(range(len(log.published)))
