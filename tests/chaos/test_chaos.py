"""Whatever dies, and whatever becomes of the chunks, the finals are those of an undisturbed run."""

from pathlib import Path

import pytest

from tests.chaos.cluster import cluster_in
from tests.chaos.stage import Stage
from tests.chaos.together import CHANGES, together

pytestmark = pytest.mark.e2e

SPEECH_S = 60


def test_everything_that_dies_in_mid_speech_while_chunks_go_astray_changes_no_final(tmp_path: Path) -> None:
    with cluster_in(tmp_path / "stack", print) as cluster:
        found = together(Stage(cluster, len(CHANGES) + 1, SPEECH_S, tmp_path))
    assert found.problem is None
    assert found.verdict.is_clean, found.verdict
    assert found.verdict.identical == found.verdict.expected > 50
