"""What a deployment goes on from: the newest complete state of the one before it, and nothing else."""

import os
from pathlib import Path

import pytest

from pipeline.errors import StackError
from pipeline.local.states import Deployment, States, state_at

FIRST, SECOND = "1" * 32, "2" * 32


@pytest.fixture
def states(tmp_path: Path) -> States:
    return States(tmp_path, "job")


def completed(folder: Path, at_s: int) -> Path:
    """A state that Flink completed at ``at_s``."""
    folder.mkdir(parents=True)
    (folder / "_metadata").touch()
    os.utime(folder / "_metadata", (at_s, at_s))
    return folder


def checkpoint(states: States, job_id: str, number: int, at_s: int) -> Path:
    return completed(states.folder / "checkpoints" / job_id / f"chk-{number}", at_s)


def savepoint(states: States, job_id: str, name: str, at_s: int) -> Path:
    return completed(states.savepoints_of(job_id) / f"savepoint-{name}", at_s)


def newest(states: States) -> Path | None:
    found = states.newest()
    return found and found.path


def test_without_a_deployment_there_is_nothing_to_go_on_from(states: States) -> None:
    checkpoint(states, FIRST, 1, 10)
    assert states.newest() is None


def test_the_checkpoint_completed_last_is_the_newest_whatever_its_number(states: States) -> None:
    states.remember(Deployment(FIRST))
    checkpoint(states, FIRST, 9, 10)
    last = checkpoint(states, FIRST, 10, 20)
    assert newest(states) == last


def test_a_checkpoint_that_was_never_completed_does_not_count(states: States) -> None:
    states.remember(Deployment(FIRST))
    complete = checkpoint(states, FIRST, 1, 10)
    (complete.parent / "chk-2").mkdir()
    assert newest(states) == complete


def test_a_savepoint_counts_though_nobody_lived_to_write_it_down(states: States) -> None:
    states.remember(Deployment(FIRST))
    checkpoint(states, FIRST, 1, 10)
    last = savepoint(states, FIRST, "a", 20)
    assert newest(states) == last


def test_a_job_that_went_on_after_its_savepoint_is_gone_on_from_its_later_checkpoint(states: States) -> None:
    states.remember(Deployment(FIRST))
    savepoint(states, FIRST, "a", 20)
    last = checkpoint(states, FIRST, 7, 30)
    assert newest(states) == last


def test_the_state_of_an_earlier_deployment_is_out_of_date(states: States) -> None:
    checkpoint(states, FIRST, 1, 30)
    states.remember(Deployment(SECOND))
    assert states.newest() is None


def test_a_deployment_that_ended_before_its_first_checkpoint_hands_on_what_it_started_from(states: States) -> None:
    origin = savepoint(states, FIRST, "a", 20)
    states.remember(Deployment(SECOND, origin))
    assert newest(states) == origin


def test_a_state_that_flink_has_deleted_since_is_not_gone_on_from(states: States) -> None:
    states.remember(Deployment(SECOND, states.folder / "checkpoints" / FIRST / "chk-1"))
    assert states.newest() is None


def test_a_draft_of_a_record_that_was_cut_off_by_a_crash_is_ignored(states: States) -> None:
    states.remember(Deployment(FIRST))
    (states.folder / "deployed" / "job.draft").write_text('{"job_')
    assert states.deployed() == Deployment(FIRST)


@pytest.mark.parametrize("content", ["", "[]", '{"job_id": "1"}'])
def test_a_damaged_record_is_named_with_both_ways_out(states: States, content: str) -> None:
    states.remember(Deployment(FIRST))
    (states.folder / "deployed" / "job.json").write_text(content)
    with pytest.raises(StackError, match=r"job.json is damaged.*--from PATH.*--fresh"):
        states.newest()


def test_jobs_of_other_names_are_remembered_apart(states: States) -> None:
    states.remember(Deployment(FIRST))
    assert States(states.folder, "other").deployed() is None


def test_the_newest_three_savepoints_are_kept_whichever_deployments_took_them(states: States) -> None:
    kept = [savepoint(states, SECOND, "b", 40), savepoint(states, FIRST, "d", 30), savepoint(states, FIRST, "c", 20)]
    savepoint(states, SECOND, "a", 10)
    states.drop_savepoints()
    assert sorted(states.folder.glob("savepoints/*/*/*")) == sorted(kept)


def test_only_the_older_checkpoints_beside_the_one_started_from_are_dropped(states: States) -> None:
    checkpoint(states, FIRST, 7, 10)
    chosen, later = checkpoint(states, FIRST, 8, 20), checkpoint(states, FIRST, 9, 30)
    states.drop_checkpoints_before(state_at(str(chosen)))
    assert sorted(chosen.parent.iterdir()) == [chosen, later]


def test_starting_from_a_savepoint_drops_no_other_savepoint(states: States) -> None:
    older, chosen = savepoint(states, FIRST, "a", 10), savepoint(states, FIRST, "b", 20)
    states.drop_checkpoints_before(state_at(str(chosen)))
    assert older.exists()


def test_a_path_may_be_a_file_url_as_flink_prints_it(tmp_path: Path) -> None:
    folder = completed(tmp_path / "with blank" / "savepoint-a", 10)
    assert state_at(folder.as_uri()) == state_at(str(folder))


def test_a_path_without_metadata_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=f"{tmp_path} is no complete checkpoint or savepoint: it has no _metadata"):
        state_at(str(tmp_path))


def test_a_checkpoint_is_the_jobs_and_a_savepoint_the_users(states: States) -> None:
    taken = checkpoint(states, FIRST, 1, 10), savepoint(states, FIRST, "a", 20)
    assert [state_at(str(path)).kind for path in taken] == ["checkpoint", "savepoint"]
