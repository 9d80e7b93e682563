"""Which session each file becomes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.client.sessions import file_sessions, unique_session_id


def test_each_file_gets_a_session_named_after_it() -> None:
    first, second = file_sessions([Path("a/talk one.wav"), Path("b/talk one.wav")])
    assert first.session_id.startswith("talk-one-")
    assert first.session_id != second.session_id


def test_a_given_id_names_the_only_file() -> None:
    assert file_sessions([Path("a.wav")], "mine")[0].session_id == "mine"


def test_a_given_id_for_several_files_is_refused() -> None:
    with pytest.raises(ValueError, match="2 files"):
        file_sessions([Path("a.wav"), Path("b.wav")], "mine")


@given(st.text(max_size=400))
def test_any_stem_makes_a_session_id_that_is_accepted(stem: str) -> None:
    session_id = unique_session_id(stem)
    assert 1 <= len(session_id) <= 256
    assert not any(char.isspace() for char in session_id)
