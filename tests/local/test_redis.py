"""Redis in the local stack: only this machine's, without files, and named when it is missing."""

import os
from pathlib import Path

import pytest

from pipeline.config import DeliverySettings, RedisSettings, StackSettings
from pipeline.errors import SetupError, StackError
from pipeline.local import redis


def test_a_missing_server_is_named_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="redis-server is not installed.*make setup"):
        redis.start(StackSettings(home=tmp_path))


def test_the_default_url_is_the_local_stacks() -> None:
    assert RedisSettings.from_environ({"VOXFLOW_REDIS_PORT": "7000"}).url == "redis://localhost:7000/0"


def test_passwords_are_kept_out_of_what_is_shown() -> None:
    settings = RedisSettings.from_environ(
        {"VOXFLOW_REDIS_URL": "rediss://me:secret@cache.example:7000/2?ssl_ca_certs=x"}
    )
    assert settings.address == "rediss://cache.example:7000/2"
    assert "secret" not in repr(settings)


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", "redis://", "redis://x:port/0"])
def test_a_url_that_is_none_of_redis_says_what_was_expected(url: str) -> None:
    with pytest.raises(SetupError, match="expected redis://"):
        RedisSettings.from_environ({"VOXFLOW_REDIS_URL": url})


def test_a_batch_of_no_records_is_refused() -> None:
    with pytest.raises(SetupError, match="VOXFLOW_DELIVERY_BATCH=0 is too small"):
        DeliverySettings.from_environ({"VOXFLOW_DELIVERY_BATCH": "0"})


def test_each_view_has_a_group_of_its_own() -> None:
    settings = DeliverySettings.from_environ(os.environ)
    assert settings.group_of("redis") == "voxflow-deliver-redis"
