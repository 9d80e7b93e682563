"""Every error Voxflow raises on purpose, sorted by what its receiver should do.

    VoxflowError
    ├── RejectedRecord        the record is bad: dead-letter it, go on with the next one
    │   ├── UndecodableRecord     no Avro, an unknown schema, or not the bytes its schema promises
    │   ├── UnknownCodec          a codec this build cannot decode
    │   ├── InvalidChunk          a field outside its range (sample rate, channels, size, duration)
    │   ├── UndecodablePacket     the codec's library refuses a packet
    │   └── OutOfSequence         a sequence number that went backwards, jumped, or came too late
    ├── EngineError           one recognition failed: retry, fall back, or report it failed
    ├── ViewUnavailable       Redis or Elasticsearch does not answer: wait, and write the same batch again
    │   └── ViewEmptied           it answers, but has lost what it held: write those partitions again from their start
    └── SetupError            something outside is missing or wrong: stop, and tell the user the cure
        ├── ModelMissing          a model file is absent or not the one expected
        ├── ProviderMissing       the execution provider asked for is not installed
        ├── EngineStuck           calls of the engine hang, and no other engine can be had in this process
        ├── AudioFileError        a file that cannot be read as audio
        ├── BrokerUnreachable     Kafka does not answer
        ├── StackError            a server of the local stack did not start or stop
        └── UnknownSnapshot       state that another release of the job wrote and this one cannot read

Messages name the place, the value and the cure, in one line: the command line prints them as they are.
"""


class VoxflowError(Exception):
    """Base of all errors raised on purpose; never raised itself."""


class RejectedRecord(VoxflowError):
    """The record is bad and always will be: it goes to the dead-letter topic."""


class UndecodableRecord(RejectedRecord):
    """The bytes are not an Avro record of a schema known here."""


class UnknownCodec(RejectedRecord):
    """The chunk names a codec that cannot be decoded here."""


class InvalidChunk(RejectedRecord):
    """A field of the chunk is outside the range that is accepted."""


class UndecodablePacket(RejectedRecord):
    """The codec's library refuses a packet of the chunk."""


class OutOfSequence(RejectedRecord):
    """The chunk's sequence number went backwards, jumped too far, or came after its place was filled."""


class EngineError(VoxflowError):
    """The engine failed on a batch that another attempt, or another engine, may well recognise."""


class ViewUnavailable(VoxflowError):
    """A view does not answer; what was to be written must be written again later."""


class ViewEmptied(ViewUnavailable):
    """A view lost what was written to it from ``partitions``, (topic, number) each: write those from their start."""

    def __init__(self, message: str, partitions: frozenset[tuple[str, int]]) -> None:
        super().__init__(message)
        self.partitions = partitions


class SetupError(VoxflowError):
    """Something outside the process is missing or wrong, and a person must change it."""


class ModelMissing(SetupError):
    """A model file is absent, or its size or hash is not the expected one."""


class ProviderMissing(SetupError):
    """The execution provider that was asked for is not installed."""


class EngineStuck(SetupError):
    """Too many calls of the engine never came back, or no engine could be loaded in the place of one that hangs."""


class AudioFileError(SetupError):
    """A file that does not exist or cannot be read as audio."""


class BrokerUnreachable(SetupError):
    """Kafka does not answer at the address that was given."""


class StackError(SetupError):
    """A server of the local stack could not be started, reached or stopped."""


class UnknownSnapshot(SetupError):
    """State of the job in a form that this release cannot read: it is newer, or was never known."""
