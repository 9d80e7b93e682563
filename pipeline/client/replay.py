"""A session heard again: its audio from Kafka, by the offsets that its transcripts name, recognised in this process.

Nothing is written. With the engine and the settings of the job the texts are those of the job, word for word; with
others the difference shows what a change would do to real speech.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from pipeline.adapters.kafka.scan import Span, kept, stored_records
from pipeline.client.exchange import goodbye
from pipeline.client.sessions import wall_ms
from pipeline.codecs.avro import decode_chunk, decode_transcript
from pipeline.codecs.decoders import make_decoder
from pipeline.config import KafkaSettings
from pipeline.domain.comparison import text_of
from pipeline.domain.scoring import WordErrors, pooled, word_errors
from pipeline.domain.session import Ports, SessionSettings
from pipeline.domain.types import AudioChunk, Transcript, TranscriptKind
from pipeline.engines.base import EngineSettings, load_detector, load_recognizer
from pipeline.errors import RejectedRecord, SetupError
from pipeline.inprocess import InProcessPipeline


@dataclass(frozen=True, slots=True)
class StoredSession:
    """What Kafka holds of a session's text, one final a segment, and where its audio stands."""

    session_id: str
    finals: tuple[Transcript, ...]
    partition: int
    offsets: Span
    ended: bool


@dataclass(slots=True)
class Heard:
    """What came of the audio; ``chunks`` were read and ``skipped`` of them could not be used."""

    finals: list[Transcript] = field(default_factory=list)
    chunks: int = 0
    skipped: int = 0

    def listen(self, transcripts: Iterable[Transcript]) -> None:
        """Keep the finals, also those that come before an error."""
        for transcript in transcripts:
            if transcript.is_final:
                self.finals.append(transcript)


@dataclass(frozen=True, slots=True)
class Replay:
    """The stored texts of a session beside those of its audio, heard again."""

    stored: StoredSession
    heard: Heard

    @property
    def errors(self) -> WordErrors:
        """The words in which the new text differs from the stored one."""
        return difference(self.stored.finals, self.heard.finals)


def replay_pipeline(engine: EngineSettings, session: SessionSettings) -> InProcessPipeline:
    """The engine in this process, for finals only. Raises ModelMissing and ProviderMissing."""
    ports = Ports(make_decoder, load_detector(engine))
    return InProcessPipeline(ports, load_recognizer(engine), wall_ms, session, partials=False)


def stored_sessions(settings: KafkaSettings, session_ids: Collection[str]) -> list[StoredSession]:
    """The sessions in the order asked for. Raises SetupError for one that is unknown, or whose audio is gone."""
    found: dict[str, list[Transcript]] = {session_id: [] for session_id in session_ids}
    for transcript in _transcripts(settings, found.keys()):
        found[transcript.session_id].append(transcript)
    sessions = [_stored(session_id, found[session_id], settings) for session_id in found]
    audio = kept(settings, settings.topics.audio)
    for session in sessions:
        _require_audio(session, audio.get(session.partition, Span(0, 0)), settings)
    return sessions


def replayed(session: StoredSession, settings: KafkaSettings, pipeline: InProcessPipeline) -> Replay:
    """The session, heard again. Raises BrokerUnreachable and SetupError."""
    records = stored_records(settings, settings.topics.audio, {session.partition: session.offsets})
    key = session.session_id.encode()
    return Replay(session, heard_again((record.value for record in records if record.key == key), pipeline))


def heard_again(records: Iterable[bytes], pipeline: InProcessPipeline) -> Heard:
    """What the pipeline makes of a session's records; those that cannot be used are skipped, as the job does."""
    heard = Heard()
    last: AudioChunk | None = None
    for raw in records:
        heard.chunks += 1
        try:
            chunk = decode_chunk(raw)
            heard.listen(pipeline.feed(chunk))
            last = chunk
        except RejectedRecord:
            heard.skipped += 1
    if last is not None and not last.end_of_stream:
        heard.listen(pipeline.feed(goodbye(last)))
    return heard


def difference(before: Iterable[Transcript], after: Iterable[Transcript]) -> WordErrors:
    """The words in which ``after`` differs from ``before``, channel by channel."""
    first, second = list(before), list(after)
    channels = sorted({each.channel for each in first + second})
    return pooled(word_errors(_text(first, channel), _text(second, channel)) for channel in channels)


def _text(transcripts: list[Transcript], channel: int) -> str:
    return text_of(each for each in transcripts if each.channel == channel)


def _transcripts(settings: KafkaSettings, session_ids: Collection[str]) -> Iterator[Transcript]:
    topic = settings.topics.finals
    keys = {session_id.encode() for session_id in session_ids}
    for record in stored_records(settings, topic, kept(settings, topic)):
        if record.key in keys:
            yield decode_transcript(record.value)


def _stored(session_id: str, transcripts: list[Transcript], settings: KafkaSettings) -> StoredSession:
    known = [each for each in transcripts if each.source_first_offset >= 0]
    if not known:
        raise SetupError(
            f"session {session_id!r} is unknown: {settings.topics.finals} at {settings.bootstrap_servers} holds no "
            "transcript of it; see those it holds with `voxflow listen --from-beginning`"
        )
    # A restarted job may have written a final twice; the records of one segment carry the same text.
    finals = {(each.channel, each.segment): each for each in known if each.is_final}
    offsets = Span(min(each.source_first_offset for each in known), max(each.source_last_offset for each in known) + 1)
    ended = any(each.kind is TranscriptKind.SESSION_END for each in known)
    return StoredSession(session_id, tuple(finals.values()), known[-1].source_partition, offsets, ended)


def _require_audio(session: StoredSession, audio: Span, settings: KafkaSettings) -> None:
    """Raises SetupError unless all of the session's audio is still there."""
    if audio.first > session.offsets.first or audio.end < session.offsets.end:
        raise SetupError(
            f"session {session.session_id!r}: its audio is no longer kept; it was in {settings.topics.audio} "
            f"partition {session.partition}, offsets {session.offsets.first} to {session.offsets.end - 1}, which now "
            f"holds {audio.first} to {audio.end - 1}: raise the topic's retention.ms to keep audio longer"
        )
