"""The local stack as a whole: bring it up, look at it, take it down.

Every step is idempotent: ``up`` starts what is missing, ``down`` stops what is left, also after a crash in between.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import StackSettings, default_execution_mode
from pipeline.errors import StackError
from pipeline.local import elasticsearch, flink, kafka, redis, zookeeper
from pipeline.local.java import ensure_jars
from pipeline.local.ports import Port
from pipeline.local.process import Process, wait_until
from pipeline.local.rest import FlinkRest

START_TIMEOUT_S = 120.0
STOP_GRACE_S = 15.0
STOPPED_LAST = frozenset({kafka.NAME, zookeeper.NAME})
"""What Flink takes its leave of: it would wait for them, and a JobManager that could not say goodbye is waited for."""

Report = Callable[[str], None]
"""Receives one plain line for each step, as it is done."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One process of the stack; ``state`` is running, starting (alive, does not answer) or stopped."""

    name: str
    state: str
    pid: int | None
    address: str
    log: Path


@dataclass(frozen=True, slots=True)
class Service:
    """How to start one process of the stack and to know that it serves."""

    process: Process
    address: str
    start: Callable[[], None]
    ready: Callable[[], bool]
    ports: tuple[Port, ...] = ()

    def status(self) -> ServiceStatus:
        pid = self.process.pid()
        state = "stopped" if pid is None else "running" if self.ready() else "starting"
        return ServiceStatus(self.process.name, state, pid, self.address, self.process.log)


@dataclass(frozen=True, slots=True)
class Stack:
    """Kafka, ZooKeeper, Flink, Redis and Elasticsearch on this machine; files and ports as the settings say."""

    settings: StackSettings

    @property
    def rest(self) -> FlinkRest:
        return FlinkRest(self.settings.flink_rest_port)

    def up(self, report: Report) -> None:
        """Starts what is not running and waits until all of it serves. Raises StackError."""
        ensure_jars(self.settings.java, report)
        flink.prepare(self.settings)
        if default_execution_mode() == "process":
            report("this machine's Flink jobs run in process mode, which is slower: pemja is made for x86_64 only")
        services, began = self.services(), time.monotonic()
        started = start_missing(services, report)
        for service in services:
            status = self._await(service)
            took = f"up after {time.monotonic() - began:.0f} s" if status.name in started else "already up"
            report(f"{status.name} {took}: {status.address}, pid {status.pid}")

    def down(self, report: Report) -> None:
        """Stops every process that an ``up`` with this home started; jobs go on with the next. Raises StackError."""
        processes = self.processes()
        running = [process for process in processes if process.pid() is not None]
        stop_all(processes)
        report(f"stopped {', '.join(process.name for process in running)}" if running else "nothing was running")

    def restart_task_managers(self, report: Report) -> None:
        """Gives the next job fresh Python interpreters: in thread mode the old ones keep the modules they imported."""
        names = flink.task_manager_names(self.settings)
        for name in names:
            flink.process(self.settings, name).stop(STOP_GRACE_S)
        self.up(lambda line: report(line) if line.startswith(tuple(names)) else None)

    def status(self) -> list[ServiceStatus]:
        """The state of each process that the settings ask for."""
        return [service.status() for service in self.services()]

    def logs(self, service: str | None = None) -> list[Path]:
        """The log of one service, or all logs there are. Raises StackError for a service without one."""
        found = sorted((self.settings.home / "logs").glob("*.log"))
        chosen = [path for path in found if service is None or path.stem == service]
        if not chosen:
            known = ", ".join(path.stem for path in found) or "none yet; start the stack with: voxflow up"
            raise StackError(f"no log of {service or 'the stack'} in {self.settings.home / 'logs'}; there are: {known}")
        return chosen

    def services(self) -> list[Service]:
        """Kafka, ZooKeeper, the JobManager, the TaskManagers and the views, in the order of their start."""
        settings = self.settings
        broker = Service(
            process=kafka.process(settings),
            address=f"localhost:{settings.kafka_port}",
            start=lambda: kafka.start(settings),
            ready=lambda: kafka.ready(settings),
            ports=kafka.ports_of(settings),
        )
        elections = Service(
            process=zookeeper.process(settings),
            address=f"localhost:{settings.zookeeper_port}",
            start=lambda: zookeeper.start(settings),
            ready=lambda: zookeeper.ready(settings),
            ports=zookeeper.ports_of(settings),
        )
        job_manager = Service(
            process=flink.process(settings, flink.JOB_MANAGER),
            address=self.rest.url,
            start=lambda: flink.start_job_manager(settings),
            ready=self.rest.answers,
            ports=flink.ports_of(settings),
        )
        task_managers = [self._task_manager(name) for name in flink.task_manager_names(settings)]
        return [broker, elections, job_manager, *task_managers, *self._views()]

    def processes(self) -> list[Process]:
        """Every process with a pid file, also one of a larger stack that was started with other settings."""
        names = {service.process.name for service in self.services()}
        names |= {path.stem for path in (self.settings.home / "run").glob("*.pid")}
        return [flink.process(self.settings, name) for name in sorted(names)]

    def _views(self) -> list[Service]:
        """Where transcripts are looked up, but for those that the settings leave out."""
        settings = self.settings
        cache = Service(
            process=redis.process(settings),
            address=f"redis://localhost:{settings.redis_port}/0",
            start=lambda: redis.start(settings),
            ready=lambda: redis.ready(settings),
            ports=redis.ports_of(settings),
        )
        index = Service(
            process=elasticsearch.process(settings),
            address=f"http://localhost:{settings.elasticsearch_port}",
            start=lambda: elasticsearch.start(settings),
            ready=lambda: elasticsearch.ready(settings),
            ports=elasticsearch.ports_of(settings),
        )
        return [view for view in (cache, index) if view.process.name not in settings.without]

    def _task_manager(self, name: str) -> Service:
        return Service(
            process=flink.process(self.settings, name),
            address=f"{self.settings.slots_per_task_manager} slots",
            start=lambda: flink.start_task_manager(self.settings, name),
            ready=lambda: flink.resource_id(self.settings, name) in self.rest.task_managers(),
        )

    def _await(self, service: Service) -> ServiceStatus:
        """Waits until the service serves, and shows the end of its log when it does not. Raises StackError."""
        wait_until(lambda: service.ready() or service.process.pid() is None, START_TIMEOUT_S)
        status = service.status()
        if status.state != "running":
            raise StackError(failure(service, status))
        return status


def start_missing(services: Sequence[Service], report: Report) -> set[str]:
    """Starts the services that do not run, once all their ports are known to be free; their names."""
    missing = [service for service in services if service.process.pid() is None]
    for port in (port for service in missing for port in service.ports):
        port.require_free()
    for service in missing:
        service.start()
        report(f"{service.process.name} is starting")
    return {service.process.name for service in missing}


def stop_all(processes: Sequence[Process]) -> None:
    """Ends the processes, those of STOPPED_LAST when the others are over. Raises StackError."""
    last = [process for process in processes if process.name in STOPPED_LAST]
    for together in ([process for process in processes if process not in last], last):
        for process in together:
            process.terminate()
        for process in together:
            process.stop(STOP_GRACE_S)


def failure(service: Service, status: ServiceStatus) -> str:
    """What happened, the log's path, and its last lines."""
    what = "ended while starting" if status.state == "stopped" else f"did not answer within {START_TIMEOUT_S:.0f} s"
    lines = "\n  ".join(service.process.last_lines())
    return f"{status.name} {what}; its log {status.log} ends with:\n  {lines}"
