"""A standalone Flink cluster from the scripts and jars inside the apache-flink wheel.

Three things make PyFlink jobs run on it in thread mode:
- the ``--add-opens`` options of the wheel's own config.yaml are kept (``env.java.opts.all``);
- Kafka's connector and flink-python lie in the cluster's library folder (FLINK_LIB_DIR, links under home), so every job
  has them without uploading them;
- classes of pemja, the bridge to Python, come from that folder only: its native library loads once a process.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from ruamel.yaml import YAML

from pipeline.config import StackSettings, default_execution_mode
from pipeline.errors import SetupError
from pipeline.local.ports import Port
from pipeline.local.process import Process

JOB_MANAGER = "jobmanager"
TASK_MANAGER = "taskmanager"
LOGGING = Path(__file__).with_name("log4j2.properties")


def task_manager_names(settings: StackSettings) -> list[str]:
    return [f"{TASK_MANAGER}-{number}" for number in range(1, settings.task_managers + 1)]


def process(settings: StackSettings, name: str) -> Process:
    """The process of that name, running or not."""
    return Process(name, settings.home / "run" / f"{name}.pid", settings.home / "logs" / f"{name}.log")


def prepare(settings: StackSettings) -> None:
    """Writes the configuration and the library folder; harmless while the cluster runs."""
    conf, lib = folder(settings, "conf"), folder(settings, "lib")
    for name in ("conf", "lib", "tmp", "checkpoints", "savepoints"):
        folder(settings, name).mkdir(parents=True, exist_ok=True)
    options = {**configuration(settings), "env.java.opts.all": java_options()}
    (conf / "config.yaml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in options.items()))
    for name in ("log4j-console.properties", "log4j-cli.properties"):
        (conf / name).write_bytes(LOGGING.read_bytes())
    link_jars(lib, settings.java / "flink")


def ports_of(settings: StackSettings) -> tuple[Port, ...]:
    """Where the JobManager listens; TaskManagers take any free port."""
    return (
        Port("Flink's web interface", settings.flink_rest_port, "VOXFLOW_FLINK_REST_PORT"),
        Port("Flink's JobManager", settings.flink_rpc_port, "VOXFLOW_FLINK_RPC_PORT"),
    )


def start_job_manager(settings: StackSettings) -> None:
    """Starts the JobManager. Raises StackError."""
    command = [script("jobmanager.sh"), "start-foreground", "-D", f"web.log.path={process(settings, JOB_MANAGER).log}"]
    process(settings, JOB_MANAGER).start(command, environment(settings))


def start_task_manager(settings: StackSettings, name: str) -> None:
    """Starts the TaskManager of that name. Raises StackError."""
    options = f"-D taskmanager.resource-id={name}-$$ -D {quote(f'taskmanager.log.path={process(settings, name).log}')}"
    command = ["bash", "-c", f"exec {quote(script('taskmanager.sh'))} start-foreground {options}"]
    process(settings, name).start(command, environment(settings))


def resource_id(settings: StackSettings, name: str) -> str:
    """What the JobManager calls the TaskManager of that name: by its pid, since it remembers a dead one for a while."""
    return f"{name}-{process(settings, name).pid()}"


def script(name: str) -> str:
    return str(wheel() / "bin" / name)


def environment(settings: StackSettings) -> dict[str, str]:
    """What the wheel's scripts and the Python inside TaskManagers read from the environment.

    pemja's interpreter finds its virtual environment by the first ``python3`` on the PATH, as any embedded one does.
    """
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("FLINK_", "_FLINK"))}
    return {
        **inherited,
        **threads,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "FLINK_HOME": str(wheel()),
        "FLINK_CONF_DIR": str(folder(settings, "conf")),
        "FLINK_LIB_DIR": str(folder(settings, "lib")),
        "FLINK_LOG_DIR": str(settings.home / "logs"),
        "FLINK_PID_DIR": str(settings.home / "run" / "flink"),
    }


def configuration(settings: StackSettings) -> Mapping[str, str | int | bool]:
    """Flink's configuration; every name is Flink's."""
    return {
        "jobmanager.rpc.address": "localhost",
        "jobmanager.rpc.port": settings.flink_rpc_port,
        "jobmanager.bind-host": "localhost",
        "jobmanager.memory.process.size": "1200m",
        "taskmanager.host": "localhost",
        "taskmanager.bind-host": "localhost",
        "taskmanager.numberOfTaskSlots": settings.slots_per_task_manager,
        "taskmanager.memory.process.size": "1600m",
        "taskmanager.memory.managed.size": "128m",
        "taskmanager.load-balance.mode": "SLOTS",
        "rest.address": "localhost",
        "rest.bind-address": "localhost",
        "rest.port": settings.flink_rest_port,
        "rest.bind-port": str(settings.flink_rest_port),
        "io.tmp.dirs": str(folder(settings, "tmp")),
        "cluster.registration.error-delay": "250 ms",
        "heartbeat.interval": "1 s",
        "heartbeat.timeout": "6 s",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "500 ms",
        "restart-strategy.exponential-delay.max-backoff": "5 s",
        "restart-strategy.exponential-delay.reset-backoff-threshold": "1 min",
        "state.backend.type": "hashmap",
        "execution.checkpointing.interval": f"{settings.checkpoint_interval_ms} ms",
        "execution.checkpointing.storage": "filesystem",
        "execution.checkpointing.dir": folder(settings, "checkpoints").as_uri(),
        "execution.checkpointing.savepoint-dir": folder(settings, "savepoints").as_uri(),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.buffer-timeout.interval": "5 ms",
        "classloader.parent-first-patterns.additional": "pemja.",
        "classloader.check-leaked-classloader": False,
        "python.execution-mode": default_execution_mode(),
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
        "python.fn-execution.bundle.time": 10,
    }


def java_options() -> str:
    """The add-opens options that Flink needs on Java 17, from the wheel's own configuration."""
    options = YAML(typ="safe").load(wheel() / "conf" / "config.yaml")
    return str(options["env"]["java"]["opts"]["all"])


def link_jars(lib: Path, connector: Path) -> None:
    """Makes ``lib`` hold links to exactly these jars: the wheel's own, flink-python and the connector."""
    jars = [*(wheel() / "lib").glob("*.jar"), *(wheel() / "opt").glob("flink-python-*.jar"), *connector.glob("*.jar")]
    wanted = {jar.name: jar.resolve() for jar in jars}
    for link in lib.iterdir():
        if wanted.get(link.name) != link.resolve():
            link.unlink()
    for name, jar in wanted.items():
        if not (lib / name).exists():
            (lib / name).symlink_to(jar)


def folder(settings: StackSettings, name: str) -> Path:
    return settings.home / "flink" / name


def wheel() -> Path:
    """The installed pyflink package, which holds Flink itself. Raises SetupError."""
    spec = importlib.util.find_spec("pyflink")
    if spec is None or spec.origin is None:
        raise SetupError("pyflink is not installed in this Python; run: make setup")
    return Path(spec.origin).parent
