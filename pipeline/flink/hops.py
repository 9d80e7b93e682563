"""How chunks go to their sessions, and requests with all their audio to their lanes: the hops whose cost counts.

``DataStream.key_by`` puts an operator of Python between two others that unpickles each value, asks for its key and
pickles both again. Here the operator before gives rows of (key, value) itself, as that one would; and a chunk is a flat
tuple, which is pickled in a fifth of the time of the dataclasses it stands for (docs/scaling.md).
"""

from operator import attrgetter
from typing import Any, Final

from pyflink.common import Row
from pyflink.common.typeinfo import TypeInformation, Types
from pyflink.datastream import DataStream, KeyedStream
from pyflink.java_gateway import get_gateway

from pipeline.domain.types import AudioChunk, Codec, InferenceRequest, Received, SourcePosition
from pipeline.flink.lanes import lane_of

PackedChunk = tuple[Any, ...]
"""The fields of a chunk, its codec as a plain string, then its bytes, its place and its times."""

BY_SESSION: Final = Types.ROW([Types.STRING(), Types.PICKLED_BYTE_ARRAY()])
"""Rows of (session, packed chunk)."""

BY_LANE: Final = Types.ROW([Types.INT(), Types.PICKLED_BYTE_ARRAY()])
"""Rows of (lane, request)."""

_FIELDS: Final = attrgetter(*AudioChunk.__slots__)
_CODEC: Final = AudioChunk.__slots__.index("codec")
_CHUNK_FIELDS: Final = len(AudioChunk.__slots__)
_CODECS: Final = {codec.value: codec for codec in Codec}


def keyed_row(item: Received) -> Row:
    """What ingest gives for a chunk: its session, by which it is keyed, and the chunk."""
    return Row(item.chunk.session_id, packed(item))


def packed(item: Received) -> PackedChunk:
    """The chunk as plain values."""
    fields = list(_FIELDS(item.chunk))
    fields[_CODEC] = item.chunk.codec.value  # an Enum is pickled by name, with an import when it is read
    source = item.source
    return (*fields, item.raw, source.topic, source.partition, source.offset, item.at_ms, item.stored_at_ms)


def unpacked(values: PackedChunk) -> Received:
    """The chunk that ``packed`` made plain."""
    fields = list(values[:_CHUNK_FIELDS])
    fields[_CODEC] = _CODECS[fields[_CODEC]]
    raw, topic, partition, offset, at_ms, stored_at_ms = values[_CHUNK_FIELDS:]
    return Received(AudioChunk(*fields), raw, SourcePosition(topic, partition, offset), at_ms, stored_at_ms)


def lane_row(request: InferenceRequest, lanes: tuple[int, ...]) -> Row:
    """What a session gives for a request: the lane, by which it is keyed, and the request."""
    return Row(lane_of(request.session_id, lanes), request)


def keyed(rows: DataStream, key_type: TypeInformation) -> KeyedStream:
    """A stream of rows of (key, value), keyed as ``key_by`` would, without its operator."""
    selector = get_gateway().jvm.KeyByKeySelector()
    java_type = Types.ROW([key_type]).get_java_type_info()
    return KeyedStream(rows._j_data_stream.keyBy(selector, java_type), Types.PICKLED_BYTE_ARRAY(), rows)
