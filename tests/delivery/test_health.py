"""What a probe is told over HTTP."""

import json
import urllib.error
import urllib.request

import pytest

from pipeline.delivery.health import HealthServer, ViewHealth
from pipeline.errors import SetupError


def asked(port: int, path: str = "/healthz") -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(f"http://localhost:{port}{path}", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_one_view_that_waits_makes_the_whole_unhealthy_but_not_dead() -> None:
    redis, index = ViewHealth("redis"), ViewHealth("elasticsearch")
    with HealthServer(0, [redis, index]) as server:
        assert asked(server.port)[0] == 503
        redis.answered(1)
        index.answered(1)
        assert asked(server.port)[0] == 200
        index.failed("no answer", 2)
        index.lags(17)
        status, body = asked(server.port)
        assert asked(server.port, "/livez")[0] == 200
        assert asked(server.port, "/")[0] == 404
    views = body["views"]
    assert isinstance(views, list)
    assert status == 503
    assert [(one["view"], one["state"], one["lag"], one["last_error"]) for one in views] == [
        ("redis", "running", 0, None),
        ("elasticsearch", "waiting", 17, "no answer"),
    ]


def test_a_port_that_is_taken_is_named() -> None:
    with HealthServer(0, []) as first, pytest.raises(SetupError, match=f"health port {first.port} .*--health-port"):
        HealthServer(first.port, [])
