"""A graph is made once, and whatever happens to the cache, the graph that comes out is the right one."""

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import current_thread

import pytest

from pipeline.engines.graph_cache import MOST_KEPT, GraphCache, cache_folder
from pipeline.errors import ModelMissing

GRAPH = b"a graph" * 100


class Maker:
    """Makes the graph, and counts how often it had to."""

    def __init__(self, graph: bytes = GRAPH) -> None:
        self.graph = graph
        self.made = 0

    def __call__(self) -> bytes:
        self.made += 1
        return self.graph


def test_a_graph_is_made_once_and_then_read(tmp_path: Path) -> None:
    maker = Maker()
    for _ in range(3):
        assert GraphCache(tmp_path / "new", "k1").graph("encoder", maker) == GRAPH
    assert maker.made == 1


def test_another_key_has_another_graph(tmp_path: Path) -> None:
    GraphCache(tmp_path, "k1").graph("encoder", Maker())
    assert GraphCache(tmp_path, "k2").graph("encoder", Maker(b"other")) == b"other"
    assert GraphCache(tmp_path, "k1").graph("encoder", Maker(b"never made")) == GRAPH


def cut_off(kept: bytes) -> bytes:
    return kept[:-1]


def one_bit_flipped(kept: bytes) -> bytes:
    return kept[:-1] + bytes([kept[-1] ^ 1])


def emptied(kept: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("spoil", [cut_off, one_bit_flipped, emptied])
def test_a_spoilt_file_is_made_again(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    cache, maker = GraphCache(tmp_path, "k"), Maker()
    cache.graph("encoder", maker)
    (file,) = tmp_path.iterdir()
    file.write_bytes(spoil(file.read_bytes()))
    assert [cache.graph("encoder", maker) for _ in range(2)] == [GRAPH] * 2
    assert maker.made == 2


def test_where_nothing_can_be_written_the_graph_is_made_and_the_reason_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder can be made in here")
    with caplog.at_level(logging.WARNING):
        assert GraphCache(tmp_path / "file" / "cache", "k").graph("encoder", Maker()) == GRAPH
    assert "cannot keep a graph as" in caplog.text


def test_old_graphs_of_a_name_make_room_for_new_ones(tmp_path: Path) -> None:
    GraphCache(tmp_path, "k").graph("decoder", Maker())
    for release in range(MOST_KEPT + 3):
        GraphCache(tmp_path, f"k{release}").graph("encoder", Maker())
    assert len(list(tmp_path.glob("encoder-*"))) == MOST_KEPT
    assert len(list(tmp_path.glob("decoder-*"))) == 1
    newest = Maker()
    GraphCache(tmp_path, f"k{MOST_KEPT + 2}").graph("encoder", newest)
    assert newest.made == 0


def test_the_cache_lies_where_the_user_keeps_caches() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/var/cache/me"}) == Path("/var/cache/me/voxflow")
    assert cache_folder({"XDG_CACHE_HOME": "relative", "HOME": "/home/me"}) == Path("/home/me/.cache/voxflow")


def test_a_process_without_a_home_keeps_nothing() -> None:
    maker = Maker()
    cache = GraphCache(cache_folder({}), "k")
    assert [cache.graph("encoder", maker) for _ in range(2)] == [GRAPH] * 2
    assert maker.made == 2


def test_what_makes_a_graph_runs_in_a_thread_of_its_own_and_its_error_is_the_callers(tmp_path: Path) -> None:
    def broken() -> bytes:
        raise ModelMissing(f"in {current_thread().name}")

    with pytest.raises(ModelMissing, match="in voxflow-graph"):
        GraphCache(tmp_path, "k").graph("encoder", broken)


@pytest.mark.usefixtures("moonshine")
def test_an_engine_that_starts_from_the_cache_does_not_import_onnx() -> None:
    script = (
        "import sys; from pipeline.engines.base import EngineSettings, load_recognizer;"
        "load_recognizer(EngineSettings()); print('onnx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
