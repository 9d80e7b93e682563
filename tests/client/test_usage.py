"""The usage topic as a table: the record of each minute that holds."""

from dataclasses import replace

from pipeline.client.usage import newest
from pipeline.domain.usage import Usage, UsageReport, totals_of, usage_of

MINUTE = usage_of("acme", 60_000, totals_of(UsageReport("acme", 60_000, audio_ms=100)), 0)


def revised(revision: int, audio_ms: int) -> Usage:
    return replace(MINUTE, revision=revision, audio_ms=audio_ms)


def test_the_highest_revision_holds_whenever_it_comes() -> None:
    records = [revised(1, 100), revised(4, 400), revised(3, 300)]
    assert [one.audio_ms for one in newest(records)] == [400]


def test_of_equal_revisions_the_later_record_holds() -> None:
    assert [one.audio_ms for one in newest([revised(2, 100), revised(2, 200)])] == [200]


def test_minutes_and_tenants_are_apart_and_in_order() -> None:
    earlier, other = replace(MINUTE, window_start_ms=0), replace(MINUTE, tenant="globex")
    assert newest([other, MINUTE, earlier]) == [earlier, MINUTE, other]
