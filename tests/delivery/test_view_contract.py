"""What every view promises, over each of them."""

from dataclasses import replace

from tests.delivery.conftest import Kept
from tests.delivery.helpers import AWKWARD_ID, deliveries, final, session_end

MEGABYTE = "word " * 200_000


def texts(kept: Kept, session_id: str = "s") -> list[str]:
    return [one.text for one in kept.finals(session_id)]


def test_finals_are_read_back_in_the_order_of_speech(kept: Kept) -> None:
    assert kept.view.write(deliveries(final(1), final(0), final(10), final(2))) == []
    assert texts(kept) == ["text 0", "text 1", "text 2", "text 10"]


def test_a_final_is_read_back_with_its_times_and_its_tenant(kept: Kept) -> None:
    kept.view.write(deliveries(final(3, tenant="ours", channel=1, language="en")))
    (one,) = kept.finals("s")
    assert (one.tenant, one.channel, one.segment, one.start_ms, one.end_ms, one.language, one.is_final) == (
        *("ours", 1, 3, 3000, 4000, "en", True),
    )


def test_an_empty_batch_is_taken(kept: Kept) -> None:
    assert kept.view.write([]) == []


def test_writing_a_batch_again_changes_nothing(kept: Kept) -> None:
    batch = deliveries(final(0), final(1), session_end())
    kept.view.write(batch)
    before = kept.finals("s")
    kept.view.write(batch)
    assert kept.finals("s") == before


def test_the_newest_revision_wins_whatever_comes_last(kept: Kept) -> None:
    old, new = final(0, revision=1, text="old"), final(0, revision=2, text="new")
    kept.view.write(deliveries(old, new, old))
    kept.view.write(deliveries(old))
    assert texts(kept) == ["new"]


def test_sessions_and_channels_do_not_mix(kept: Kept) -> None:
    there = replace(final(0), session_id="t", text="there")
    kept.view.write(deliveries(final(0), there, final(0, channel=1, text="right")))
    assert texts(kept) == ["text 0", "right"]
    assert texts(kept, "t") == ["there"]


def test_any_session_id_and_any_text_is_just_a_text(kept: Kept) -> None:
    awkward = final(0, session_id=AWKWARD_ID, tenant=AWKWARD_ID, text=AWKWARD_ID)
    kept.view.write(deliveries(awkward, final(0, session_id=f"{AWKWARD_ID} other")))
    assert texts(kept, AWKWARD_ID) == [AWKWARD_ID]


def test_a_text_of_a_megabyte_is_kept_whole(kept: Kept) -> None:
    kept.view.write(deliveries(final(0, text=MEGABYTE)))
    assert texts(kept) == [MEGABYTE]
