"""A session wherever it is kept: in the live cache, or, once that has let go of it, in the search index."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

from pipeline.config import ElasticsearchSettings, RedisSettings
from pipeline.delivery.reading import SessionState, SessionView, StoredSegment, in_order
from pipeline.delivery.sessions import SessionReader
from pipeline.errors import SetupError, ViewUnavailable

IndexLookup = Callable[[Mapping[str, str], str], Sequence[StoredSegment]]
"""The finals of a session in the search index, none where it does not know the session. Raises ViewUnavailable."""


def find_session(environ: Mapping[str, str], session_id: str, index: IndexLookup | None = None) -> SessionView:
    """The session from Redis, else from Elasticsearch. Raises SetupError if neither has it.

    A Redis that does not answer is no obstacle while Elasticsearch does; if both are away, Redis's error is raised.
    """
    settings = RedisSettings.from_environ(environ)
    try:
        view = _cached(settings, session_id)
    except ViewUnavailable as absent:
        return _indexed(environ, session_id, index or _index_lookup(), absent)
    return view or _indexed(environ, session_id, index or _index_lookup(), None)


def _cached(settings: RedisSettings, session_id: str) -> SessionView | None:
    reader = SessionReader(settings)
    try:
        return reader.session(session_id)
    finally:
        reader.close()


def _indexed(
    environ: Mapping[str, str], session_id: str, index: IndexLookup, absent: ViewUnavailable | None
) -> SessionView:
    try:
        finals = index(environ, session_id)
    except ViewUnavailable as exc:
        raise absent or SetupError(f"session {session_id!r} is not in Redis, and beyond that: {exc}") from exc
    if finals:
        return _past(session_id, finals)
    if absent is not None:
        raise absent
    raise SetupError(
        f"session {session_id!r} is neither in Redis nor in Elasticsearch: is `voxflow deliver` running? "
        "Sessions that were heard lately are shown by: voxflow listen --from-beginning"
    )


def _past(session_id: str, finals: Sequence[StoredSegment]) -> SessionView:
    """What the index knows is what was final; the cache forgets a session only after its end."""
    return SessionView(
        session_id=session_id,
        tenant=finals[0].tenant,
        state=SessionState.ENDED,
        started_at_ms=None,
        updated_at_ms=None,
        ended_at_ms=None,
        duration_ms=max(one.end_ms for one in finals),
        finals=in_order(finals),
        partials=(),
    )


def _index_lookup() -> IndexLookup:
    """Imported only when it is needed: the client of Elasticsearch is slow to load."""
    from pipeline.delivery.search import Search

    def lookup(environ: Mapping[str, str], session_id: str) -> Sequence[StoredSegment]:
        with closing(Search(ElasticsearchSettings.from_environ(environ))) as search:
            return search.session_finals(session_id)

    return lookup
