"""Snapshots outlive the release that wrote them: versions, upgrades, and files that earlier releases wrote."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.domain.actions import Action
from pipeline.domain.assembler import TRANSCRIPTS, Assembler
from pipeline.domain.session_snapshot import SESSION
from pipeline.domain.snapshots import UNVERSIONED, SnapshotFormat
from pipeline.domain.types import Codec, InferenceRequest, RequestKind, SegmentClosed
from pipeline.errors import UnknownSnapshot
from tests.domain.golden import (
    EVENTS,
    SESSION_STATES,
    TRANSCRIPT_STATES,
    GoldenSession,
    GoldenTranscripts,
    assembled,
    misfits,
    sessions,
    transcripts,
)
from tests.domain.helpers import Keeper, heard, requests, session_of, stored, timeless

RENAMED = SnapshotFormat("a thing", 1, (lambda saved: {"length_ms": saved["length"]},))
LONGER = SnapshotFormat("a thing", 1, (*RENAMED.upgrades, lambda saved: {"length_samples": saved["length_ms"] * 16}))

CHANGED = """
The snapshot has another shape than version {version} of its kind, which running jobs have written:
{misfits}
A field more, with a default, is no harm. For anything else add an upgrade to {format}, so that its version rises, and
run `python -m tests.domain.golden` for golden files of the new version; those of the old ones stay.
"""


def test_the_version_is_one_more_with_each_upgrade() -> None:
    assert [SnapshotFormat("a thing", 1).version, RENAMED.version, LONGER.version] == [1, 2, 3]


def test_a_snapshot_of_today_stays_as_it_is() -> None:
    saved = {"version": 3, "length_samples": 160}
    assert LONGER.upgraded(saved) is saved


@pytest.mark.parametrize("saved", [{"version": 1, "length": 10}, {"version": 2, "length_ms": 10}])
def test_an_older_snapshot_is_brought_up_to_date_step_by_step(saved: dict[str, int]) -> None:
    assert LONGER.upgraded(saved)["length_samples"] == 160


@pytest.mark.parametrize("saved", [{}, {"length": 1}, (1, 2)])
def test_what_is_from_before_there_were_versions_can_be_read_where_that_is_known(saved: object) -> None:
    assert SnapshotFormat("a thing", UNVERSIONED, (lambda old: ("read", old),)).upgraded(saved) == ("read", saved)


@pytest.mark.parametrize("version", [0, 4, "4", None])
def test_a_snapshot_of_an_unknown_version_is_refused_with_the_cure(version: object) -> None:
    with pytest.raises(UnknownSnapshot) as refused:
        LONGER.upgraded({"version": version})
    assert str(refused.value) == (
        f"the state of a thing has version {version!r}, this release reads versions 1 to 3: run the release that wrote "
        "it, or let that release's sessions end, stop it, and start this one with `voxflow deploy --fresh`"
    )


def test_a_session_of_a_later_release_is_refused() -> None:
    saved = {**session_of().snapshot(), "version": SESSION.version + 1}
    keeper = Keeper()
    keeper.snapshot = saved
    with pytest.raises(UnknownSnapshot, match="a session has version"):
        keeper.restored()


def test_a_session_with_a_field_of_a_later_release_is_refused() -> None:
    keeper = Keeper()
    keeper.keep(session_of())
    keeper.snapshot["progress"]["mood"] = 1  # type: ignore[index]
    with pytest.raises(UnknownSnapshot, match="Progress has no field mood"):
        keeper.restored()


def test_transcripts_of_a_later_release_are_refused() -> None:
    saved = {**Assembler().snapshot(), "version": TRANSCRIPTS.version + 1}
    with pytest.raises(UnknownSnapshot, match="a session's transcripts has version"):
        Assembler.restored(saved)  # type: ignore[arg-type]


# Files that a release wrote. Each is a session, or its transcripts, in the middle of its life.

SESSIONS = [golden for version in range(SESSION.oldest, SESSION.version + 1) for golden in sessions(version)]
TRANSCRIBED = [
    golden for version in range(TRANSCRIPTS.oldest, TRANSCRIPTS.version + 1) for golden in transcripts(version)
]

every_session = pytest.mark.parametrize("golden", SESSIONS, ids=lambda golden: golden.name)
every_transcripts = pytest.mark.parametrize("golden", TRANSCRIBED, ids=lambda golden: golden.name)


def test_there_are_files_of_every_state_in_the_present_versions() -> None:
    written = {f"session-v{SESSION.version}-{name}" for name in SESSION_STATES}
    assert {golden.name for golden in SESSIONS} >= written
    written = {f"transcripts-v{TRANSCRIPTS.version}-{name}" for name in TRANSCRIPT_STATES}
    assert {golden.name for golden in TRANSCRIBED} >= written


@every_session
def test_a_session_that_was_written_down_goes_on_as_if_nothing_had_happened(golden: GoldenSession) -> None:
    restored, undisturbed = golden.restored(), golden.undisturbed()
    rest = golden.chunks[golden.fed :]
    found, expected = lasting(golden, heard(restored, rest)), lasting(golden, heard(undisturbed, rest))
    assert list(map(soundless, found)) == list(map(soundless, expected))
    # Builds of libopus may differ in the last bit, so what it decoded for the file may differ from what it does here.
    allowed = 1 if golden.snapshot["format"][0] == Codec.OPUS else 0
    assert np.abs(samples(found) - samples(expected)).max(initial=0) <= allowed
    if golden.version == SESSION.version:
        assert stored(restored.snapshot()) == stored(undisturbed.snapshot())


def lasting(golden: GoldenSession, actions: list[Action]) -> list[Action]:
    """All of them; but of a session that an earlier release began, nothing of partials, which that one asked for at
    other moments, so that it numbered its requests otherwise.
    """
    if golden.version == SESSION.version:
        return actions
    return [unnumbered(action) for action in actions if not is_partial(action)]


def is_partial(action: Action) -> bool:
    return isinstance(action, InferenceRequest) and action.kind is RequestKind.PARTIAL


def unnumbered(action: Action) -> Action:
    return replace(action, revision=0) if isinstance(action, InferenceRequest | SegmentClosed) else action


def soundless(action: Action) -> object:
    return timeless(replace(action, audio=b"") if isinstance(action, InferenceRequest) else action)


def samples(actions: list[Action]) -> NDArray[np.int64]:
    """Those of all requests, one after the other."""
    return np.frombuffer(b"".join(each.audio for each in requests(actions)), np.int16).astype(np.int64)


@every_session
def test_chunks_that_are_sent_again_mean_nothing_to_a_session_that_was_written_down(golden: GoldenSession) -> None:
    assert heard(golden.restored(), golden.chunks[: golden.fed]) == []


@pytest.mark.parametrize("golden", sessions(SESSION.version), ids=lambda one: one.name)
def test_the_snapshot_of_a_session_has_the_shape_of_its_version(golden: GoldenSession) -> None:
    found = misfits(golden.snapshot, stored(golden.undisturbed().snapshot()))
    assert not found, changed("SESSION in pipeline/domain/session_snapshot.py", SESSION.version, found)


@every_transcripts
def test_transcripts_that_were_written_down_go_on_as_if_nothing_had_happened(golden: GoldenTranscripts) -> None:
    restored, undisturbed = Assembler.restored(golden.snapshot), Assembler()
    assembled(undisturbed, EVENTS[: golden.fed])
    assert assembled(restored, EVENTS[golden.fed :]) == assembled(undisturbed, EVENTS[golden.fed :])


@pytest.mark.parametrize("golden", transcripts(TRANSCRIPTS.version), ids=lambda one: one.name)
def test_the_snapshot_of_transcripts_has_the_shape_of_its_version(golden: GoldenTranscripts) -> None:
    assembler = Assembler()
    assembled(assembler, EVENTS[: golden.fed])
    found = misfits(golden.snapshot, stored(assembler.snapshot()))
    assert not found, changed("TRANSCRIPTS in pipeline/domain/assembler.py", TRANSCRIPTS.version, found)


def changed(where: str, version: int, found: list[str]) -> str:
    return CHANGED.format(version=version, format=where, misfits="\n".join(found))


def test_a_change_of_shape_is_found_wherever_it_is() -> None:
    golden = {"at": {"ms": 1}, "held": [{"seq": 1, "raw": b""}], "end": None}
    today = {"at": {"ms": 1.0}, "held": [{"seq": 1}], "end": 5, "more": 1}
    assert misfits(golden, today) == ["snapshot.at.ms: int became float", "snapshot.held[0].raw is gone"]


def test_the_files_show_what_their_names_promise() -> None:
    found = {golden.name.removeprefix("session-v1-"): golden for golden in sessions(1)}
    tracks = {name: golden.snapshot["tracks"] for name, golden in found.items()}
    assert [track["endpointer"][0] for name in ("idle", "opus-in-speech", "early-final") for track in tracks[name]] == [
        0,
        2,
        3,
    ]
    assert tracks["early-final"][0]["place"]["early_revision"] is not None
    assert len(found["held-back"].snapshot["ordering"][3]) == 2
    assert len(tracks["stereo"]) == 2
    assert found["opus-in-speech"].snapshot["decoder"]["packets"]
    assert found["ended"].snapshot["progress"]["finished"]
