"""The cache in a real Redis: live texts, the state of sessions, what is published, what a restart must not break."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from pipeline.adapters.redis import Client
from pipeline.config import DeliverySettings, RedisSettings
from pipeline.delivery.cache import CacheView, events_channel, live_key, session_keys
from pipeline.delivery.reading import SessionState, SessionView
from pipeline.delivery.sessions import SessionReader
from pipeline.domain.types import StageTimes, Transcript, Word
from pipeline.errors import ViewEmptied, ViewUnavailable
from tests.delivery.conftest import RedisServer
from tests.delivery.helpers import (
    AWKWARD_ID,
    FINALS,
    NOW_MS,
    deliveries,
    delivery,
    final,
    partial,
    session_end,
    times,
)

pytestmark = pytest.mark.e2e

TALK = (
    *(partial(0, 0), partial(0, 2), final(0, revision=3), partial(1, 0)),
    *(
        partial(0, 1, channel=1),
        final(0, channel=1, start_ms=500),
        final(0, channel=1, start_ms=500, times=times(9_000)),
    ),
    *(final(1, revision=1), final(1, revision=4, text="corrected"), session_end(5_000, segments=3)),
    *(partial(2, 0), partial(3, 1), session_end(12_000, segments=3)),
)
"""Two channels, a session that goes on after its end, and a final that a job published again after a restart."""


def read(sessions: SessionReader, session_id: str = "s") -> SessionView:
    view = sessions.session(session_id)
    assert view is not None
    return view


def partial_texts(sessions: SessionReader) -> list[str]:
    return [one.text for one in read(sessions).partials]


def published(client: Client, session_id: str, cache: CacheView, *batches: Sequence[Transcript]) -> list[str]:
    """The texts that subscribers of the session hear while the batches are written."""
    listener = client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(events_channel(session_id))
    listener.get_message(timeout=1)
    for batch in batches:
        cache.write(deliveries(*batch))
    heard = []
    while (message := listener.get_message(timeout=0.2)) is not None:
        heard.append(json.loads(message["data"])["text"])
    listener.close()
    return heard


def test_the_newest_partial_of_each_channel_is_shown(cache: CacheView, sessions: SessionReader) -> None:
    cache.write(deliveries(partial(0, 1), partial(0, 4), partial(0, 3), partial(0, 2, channel=1)))
    assert partial_texts(sessions) == ["partial 0.4", "partial 0.2"]


def test_a_final_takes_the_place_of_its_partials_and_they_do_not_come_back(
    cache: CacheView, sessions: SessionReader
) -> None:
    cache.write(deliveries(partial(0, 7), final(0, revision=3), partial(0, 9)))
    assert [one.text for one in read(sessions).finals] == ["text 0"]
    assert partial_texts(sessions) == []


def test_a_partial_of_the_next_segment_stays_when_the_final_before_it_comes_late(
    cache: CacheView, sessions: SessionReader
) -> None:
    cache.write(deliveries(partial(1, 0), final(0), partial(0, 8)))
    assert partial_texts(sessions) == ["partial 1.0"]


def test_words_and_errors_are_kept(cache: CacheView, sessions: SessionReader) -> None:
    words = (Word("hello", 0.5, 10, 20), Word("there"))
    cache.write(deliveries(final(0, words=words), final(1, text="", error="no engine")))
    assert [(one.words, one.error) for one in read(sessions).finals] == [(words, None), ((), "no engine")]


def test_a_session_knows_its_times_and_its_end(cache: CacheView, sessions: SessionReader) -> None:
    cache.write(deliveries(final(0, tenant="ours"), final(1, tenant="ours")))
    live = read(sessions)
    assert (live.state, live.tenant, live.started_at_ms, live.updated_at_ms, live.ended_at_ms, live.duration_ms) == (
        *(SessionState.LIVE, "ours", NOW_MS, NOW_MS + 2000, None, 2000),
    )
    cache.write(deliveries(session_end(9000, tenant="ours")))
    ended = read(sessions)
    assert (ended.state, ended.ended_at_ms, ended.duration_ms) == (SessionState.ENDED, NOW_MS + 9000, 9000)


def test_speech_after_an_end_makes_the_session_live_again(cache: CacheView, sessions: SessionReader) -> None:
    cache.write(deliveries(final(0), session_end(5000), final(6)))
    assert read(sessions).state is SessionState.LIVE
    assert sessions.live_sessions() == ["s"]
    cache.write(deliveries(session_end(9000, segments=2)))
    assert read(sessions).state is SessionState.ENDED


def test_a_session_id_used_again_long_after_its_end_is_live_though_its_audio_clock_began_anew(
    cache: CacheView, sessions: SessionReader
) -> None:
    later = StageTimes(requested_at_ms=NOW_MS + 90_000)
    cache.write(deliveries(final(8), session_end(10_000), partial(700, 0, start_ms=0, end_ms=400, times=later)))
    assert read(sessions).state is SessionState.LIVE
    assert partial_texts(sessions) == ["partial 700.0"]


def test_live_sessions_are_listed_by_their_last_text_for_all_and_for_each_tenant(
    cache: CacheView, sessions: SessionReader
) -> None:
    cache.write(deliveries(final(3, session_id="a"), final(1, session_id="b", tenant="ours"), final(2, session_id="c")))
    cache.write(deliveries(session_end(session_id="c")))
    assert sessions.live_sessions() == ["a", "b"]
    assert sessions.live_sessions("ours") == ["b"]
    assert sessions.live_sessions("default", limit=1) == ["a"]


def test_a_session_lives_for_a_while_after_its_end_and_no_key_for_ever(cache: CacheView, redis: Client) -> None:
    cache.write(deliveries(final(0), partial(1)))
    assert {redis.ttl(key) for key in session_keys("s")} == {600}
    cache.write(deliveries(session_end()))
    assert {redis.ttl(key) for key in session_keys("s")} == {60}


def test_a_repeat_does_not_prolong_the_life_of_an_ended_session(cache: CacheView, redis: Client) -> None:
    cache.write(deliveries(final(0), session_end()))
    for key in session_keys("s"):
        redis.expire(key, 5)
    cache.write(deliveries(final(0), session_end()))
    assert {redis.ttl(key) for key in session_keys("s")} <= {5, 4, -2}


def test_ids_of_sessions_whose_end_never_came_leave_the_lists_when_others_come(
    cache: CacheView, redis: Client, sessions: SessionReader
) -> None:
    redis.zadd(live_key(), {"forgotten": NOW_MS - 601_000, "recent": NOW_MS - 1000})
    cache.write(deliveries(final(0)))
    assert sessions.live_sessions() == ["s", "recent"]


def test_each_transcript_is_published_once_and_only_if_it_is_news(cache: CacheView, redis: Client) -> None:
    first = [partial(0, 1), partial(0, 0), final(0), partial(0, 2)]
    heard = published(redis, "s", cache, first, first, [session_end(), session_end(), replace(final(0), revision=1)])
    assert heard == ["partial 0.1", "text 0", ""]


def test_an_awkward_session_id_has_its_own_channel_and_list(
    cache: CacheView, redis: Client, sessions: SessionReader
) -> None:
    assert published(redis, AWKWARD_ID, cache, [final(0, session_id=AWKWARD_ID)]) == ["text 0"]
    assert sessions.live_sessions() == [AWKWARD_ID]
    assert read(sessions, AWKWARD_ID).session_id == AWKWARD_ID


def test_no_session_id_reads_as_the_key_of_another_session(cache: CacheView, sessions: SessionReader) -> None:
    cache.write(deliveries(final(0, session_id="finals:x"), final(0, session_id="x", text="mine")))
    assert [one.text for one in read(sessions, "x").finals] == ["mine"]


def test_a_server_that_forgot_the_scripts_is_given_them_again(
    cache: CacheView, redis: Client, sessions: SessionReader
) -> None:
    cache.write(deliveries(final(0)))
    redis.script_flush()
    cache.write(deliveries(final(1)))
    assert len(read(sessions).finals) == 2


def test_a_flush_is_noticed_at_the_next_batch_even_an_empty_one(cache: CacheView, redis: Client) -> None:
    cache.write(deliveries(final(0)))
    redis.flushall()
    with pytest.raises(ViewEmptied) as emptied:
        cache.write([])
    assert emptied.value.partitions == {(FINALS, 0)}
    with pytest.raises(ViewEmptied):
        cache.write(deliveries(final(0)))
    assert cache.write(deliveries(final(0))) == []


def test_an_empty_redis_asks_for_the_whole_topic_once(redis: Client, redis_server: RedisServer) -> None:
    cache = CacheView(redis_server.redis, DeliverySettings(), FINALS)
    with pytest.raises(ViewEmptied):
        cache.write(deliveries(final(7)))
    cache.write(deliveries(final(0), final(7)))
    redis.flushall()
    with pytest.raises(ViewEmptied):
        cache.write(deliveries(final(8)))


def test_partials_are_not_worth_reading_a_topic_again(redis: Client, redis_server: RedisServer) -> None:
    cache = CacheView(redis_server.redis, DeliverySettings(), FINALS)
    assert cache.write([delivery(partial(0), topic="partials")]) == []


def test_a_key_that_holds_something_else_refuses_its_session_and_no_other(
    cache: CacheView, redis: Client, sessions: SessionReader
) -> None:
    redis.set(session_keys("odd")[1], "not a hash")
    (refused,) = cache.write(deliveries(final(0), final(0, session_id="odd"), final(1)))
    assert refused.delivery.record.session_id == "odd"
    assert "'voxflow:finals:odd'" in refused.reason
    assert "delete it" in refused.reason
    assert len(read(sessions).finals) == 2


def test_a_full_redis_is_waited_for_and_takes_the_batch_once_there_is_room(
    cache: CacheView, redis: Client, sessions: SessionReader
) -> None:
    cache.write(deliveries(final(0)))
    redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(ViewUnavailable, match="refuses for now: .*maxmemory"):
            cache.write(deliveries(final(1)))
    finally:
        redis.config_set("maxmemory", "0")
    cache.write(deliveries(final(1)))
    assert len(read(sessions).finals) == 2


def test_a_server_that_is_away_is_named_without_the_password() -> None:
    settings = RedisSettings("redis://user:secret@localhost:9/3")
    with pytest.raises(ViewUnavailable) as away:
        CacheView(settings, DeliverySettings(), FINALS).write([])
    assert "redis://localhost:9/3" in str(away.value)
    assert "voxflow up" in str(away.value)
    assert "secret" not in str(away.value) + repr(settings)


def test_a_reader_who_listens_before_reading_misses_nothing(cache: CacheView, sessions: SessionReader) -> None:
    news = sessions.news("s")
    cache.write(deliveries(partial(0, 0), final(0)))
    assert [one.text for one in (*news.poll(1), *news.poll(1))] == ["partial 0.0", "text 0"]
    news.close()


@given(told=some.lists(some.sampled_from(TALK), min_size=1, max_size=20), data=some.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_view_of_a_session_depends_neither_on_order_nor_on_repeats(
    cache: CacheView, redis: Client, sessions: SessionReader, told: list[Transcript], data: some.DataObject
) -> None:
    repeats = data.draw(some.lists(some.sampled_from(told), max_size=10))
    views = []
    for transcripts in (told, data.draw(some.permutations([*told, *repeats]))):
        redis.delete(*session_keys("s"), live_key(), live_key("default"))
        cut = data.draw(some.integers(0, len(transcripts)))
        cache.write(deliveries(*transcripts[:cut]))
        cache.write(deliveries(*transcripts[cut:]))
        views.append((sessions.session("s"), sessions.live_sessions(), redis.hgetall(session_keys("s")[0])))
    assert views[0] == views[1]
