"""What goes from one operator to the next arrives as it was."""

import pickle

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.types import AudioChunk, Codec, InferenceRequest, Received, RequestKind, SourcePosition, StageTimes
from pipeline.flink.hops import keyed_row, lane_row, packed, unpacked

TIMES = st.integers(0, 2**62)
TEXTS = st.text(max_size=20)
CHUNKS = st.builds(
    AudioChunk,
    session_id=TEXTS,
    seq=TIMES,
    captured_at_ms=TIMES,
    codec=st.sampled_from(Codec),
    sample_rate_hz=st.sampled_from([8_000, 48_000]),
    channels=st.sampled_from([1, 2]),
    packets=st.lists(st.binary(max_size=40), max_size=6).map(tuple),
    end_of_stream=st.booleans(),
    tenant=TEXTS,
    language=st.none() | TEXTS,
    options=st.dictionaries(TEXTS, TEXTS, max_size=3),
    traceparent=st.none() | TEXTS,
)
ITEMS = st.builds(
    Received, CHUNKS, st.binary(max_size=80), st.builds(SourcePosition, TEXTS, TIMES, TIMES), TIMES, stored_at_ms=TIMES
)


@given(ITEMS)
def test_a_packed_chunk_unpacks_to_itself(item: Received) -> None:
    assert unpacked(pickle.loads(pickle.dumps(packed(item)))) == item


@given(ITEMS)
def test_a_packed_chunk_is_made_of_plain_values(item: Received) -> None:
    """Anything else would be pickled by its name, at many times the cost."""
    assert {type(value) for value in packed(item)} <= {str, int, bool, bytes, tuple, dict, type(None)}


def test_a_row_is_keyed_by_the_session() -> None:
    chunk = AudioChunk("s", 0, 0, Codec.OPUS, 16_000, 1, (b"x",))
    assert keyed_row(Received(chunk, b"", SourcePosition("audio", 0, 0), 0))[0] == "s"


def test_the_requests_of_a_session_share_a_lane_and_carry_themselves() -> None:
    one, other = request(revision=1), request(revision=2)
    lane, given = lane_row(one, (3, 11, 40))
    assert given is one
    assert lane_row(other, (3, 11, 40))[0] == lane in (3, 11, 40)


def request(revision: int) -> InferenceRequest:
    return InferenceRequest("s", "t", 0, 0, revision, RequestKind.FINAL, 0, 100, b"", None, StageTimes())
