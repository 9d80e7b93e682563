"""A standalone Flink cluster from the jars inside the apache-flink wheel.

Three things make PyFlink jobs run on it in thread mode:
- the ``--add-opens`` options of the wheel's own config.yaml are kept (``flink_options.java_options``);
- Kafka's connector and flink-python lie in the cluster's library folder (FLINK_LIB_DIR, links under home), so every job
  has them without uploading them;
- classes of pemja, the bridge to Python, come from that folder only: its native library loads once a process.
"""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Final

from pipeline.config import StackSettings
from pipeline.local import flink_options
from pipeline.local.flink_options import folder, wheel
from pipeline.local.java import LOGGING, QUICK_COMPILER, STEADY, jvm
from pipeline.local.ports import Port
from pipeline.local.process import Process

JOB_MANAGER: Final = "jobmanager"
JOB_MANAGER_CLASS: Final = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER: Final = "taskmanager"
TASK_MANAGER_CLASS: Final = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
TASK_MANAGER_COLLECTOR: Final = "-XX:+UseG1GC"
"""Sessions' state lives in its heap: a collector that stops the world for all of it would be heard in the captions."""


def task_manager_names(settings: StackSettings) -> list[str]:
    return [f"{TASK_MANAGER}-{number}" for number in range(1, settings.task_managers + 1)]


def process(settings: StackSettings, name: str) -> Process:
    """The process of that name, running or not."""
    return Process(name, settings.home / "run" / f"{name}.pid", settings.home / "logs" / f"{name}.log")


def prepare(settings: StackSettings) -> None:
    """Writes the configuration and the library folder; harmless while the cluster runs."""
    conf, lib = folder(settings, "conf"), folder(settings, "lib")
    for name in ("conf", "lib", "tmp", "ha", "checkpoints", "savepoints"):
        folder(settings, name).mkdir(parents=True, exist_ok=True)
    options = flink_options.configuration(settings)
    (conf / "config.yaml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in options.items()))
    (conf / "log4j-cli.properties").write_bytes(LOGGING.read_bytes())
    link_jars(lib, settings.java / "flink")


def ports_of(settings: StackSettings) -> tuple[Port, ...]:
    """Where the JobManager listens; TaskManagers take any free port."""
    return (
        Port("Flink's web interface", settings.flink_rest_port, "VOXFLOW_FLINK_REST_PORT"),
        Port("Flink's JobManager", settings.flink_rpc_port, "VOXFLOW_FLINK_RPC_PORT"),
    )


def start_job_manager(settings: StackSettings) -> None:
    """Starts the JobManager. Raises StackError."""
    java = jvm(flink_options.JOB_MANAGER_HEAP_MB, jars(settings))
    command = [*java, QUICK_COMPILER, *flags(), JOB_MANAGER_CLASS, *arguments(settings)]
    log = ["-D", f"web.log.path={process(settings, JOB_MANAGER).log}"]
    process(settings, JOB_MANAGER).start([*command, *log], environment(settings))


def start_task_manager(settings: StackSettings, name: str) -> None:
    """Starts the TaskManager of that name. Raises StackError."""
    java = jvm(flink_options.TASK_MANAGER_HEAP_MB, jars(settings), TASK_MANAGER_COLLECTOR)
    direct = f"-XX:MaxDirectMemorySize={flink_options.TASK_MANAGER_DIRECT_MB}m"
    command = [*java, *flags(), direct, TASK_MANAGER_CLASS, *arguments(settings)]
    log = ["-D", f"taskmanager.log.path={process(settings, name).log}"]
    with_pid = f"exec {shlex.join([*command, *log])} -D taskmanager.resource-id={name}-$$"
    process(settings, name).start(["bash", "-c", with_pid], environment(settings))


def resource_id(settings: StackSettings, name: str) -> str:
    """What the JobManager calls the TaskManager of that name: by its pid, since it remembers a dead one for a while."""
    return f"{name}-{process(settings, name).pid()}"


def jars(settings: StackSettings) -> list[Path]:
    """The class path of both servers."""
    return sorted(folder(settings, "lib").glob("*.jar"))


def flags() -> list[str]:
    """What both servers' JVMs are told beside their heap."""
    return [f"-XX:MaxMetaspaceSize={flink_options.METASPACE_MB}m", *flink_options.java_options().split()]


def arguments(settings: StackSettings) -> list[str]:
    return ["--configDir", str(folder(settings, "conf"))]


def client() -> str:
    """The wheel's script that submits jobs."""
    return str(wheel() / "bin" / "flink")


def environment(settings: StackSettings) -> dict[str, str]:
    """What the servers, the wheel's scripts and the Python inside TaskManagers read from the environment.

    pemja's interpreter finds its virtual environment by the first ``python3`` on the PATH, as any embedded one does.
    """
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("FLINK_", "_FLINK"))}
    return {
        **inherited,
        **threads,
        **STEADY,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "FLINK_HOME": str(wheel()),
        "FLINK_CONF_DIR": str(folder(settings, "conf")),
        "FLINK_LIB_DIR": str(folder(settings, "lib")),
        "FLINK_PLUGINS_DIR": str(wheel() / "plugins"),
        "FLINK_LOG_DIR": str(settings.home / "logs"),
        "FLINK_PID_DIR": str(settings.home / "run" / "flink"),
    }


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
