"""The ``voxflow`` command: each subcommand is a module of this package, imported only when it is used."""

import importlib

import click

from pipeline.errors import VoxflowError

SUBCOMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("pipeline.cli.demo:demo", "Start everything, speak a recording into it, show its text."),
    "up": ("pipeline.cli.stack:up", "Start the local stack: Kafka, Flink, Redis and Elasticsearch."),
    "deploy": ("pipeline.cli.deploy:deploy", "Start the transcription job on the local cluster, or stop it."),
    "publish": ("pipeline.cli.publish:publish", "Send audio files to Kafka, at the speed of speech."),
    "listen": ("pipeline.cli.listen:listen", "Show transcripts as they arrive."),
    "transcribe": (
        "pipeline.cli.transcribe:transcribe",
        "Play audio files to the job as live sessions, show their text.",
    ),
    "replay": ("pipeline.cli.replay:replay", "Recognise a stored session again and show what changed."),
    "usage": ("pipeline.cli.usage:usage", "Show who used how much, minute by minute."),
    "deliver": ("pipeline.cli.deliver:deliver_command", "Write the texts to Redis and Elasticsearch."),
    "session": ("pipeline.cli.session:session", "Show what was said in a session, and what is being said."),
    "export": ("pipeline.cli.export:export", "Write a session's text as subtitles, plain text or JSON."),
    "search": ("pipeline.cli.search:search", "Find who said something, and where in the recording."),
    "rebuild": ("pipeline.cli.rebuild:rebuild", "Write Redis or Elasticsearch anew from the topic of finals."),
    "topics": ("pipeline.cli.topics:topics", "Create the topics and show their state."),
    "models": ("pipeline.cli.models:models", "Show the engines and their models, check one, quantise one."),
    "status": ("pipeline.cli.stack:status", "Show what runs, where, and what does not."),
    "logs": ("pipeline.cli.stack:logs", "Show the logs of the local stack."),
    "down": ("pipeline.cli.stack:down", "Stop the local stack."),
}
"""Name to (module:command, what it does), in the order in which a newcomer needs them."""

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the number of SIGINT."""


class LazyGroup(click.Group):
    """A group that imports a subcommand on its use, and prints expected errors as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        module, _, attribute = SUBCOMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in SUBCOMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except VoxflowError as error:
            click.echo(f"voxflow: {error}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="voxflow", message="voxflow %(version)s")
def main() -> None:
    """Streaming speech to text on Apache Kafka and Apache Flink.

    \b
    New here? `voxflow demo` shows the whole of it in a few minutes.
    By hand, one step after the other:
      voxflow up              start Kafka, Flink and the rest on this machine
      voxflow deploy          start the transcription job
      voxflow listen          show the text, in a second terminal
      voxflow publish FILE    speak a recording into it
      voxflow down            stop everything

    Each command explains itself with --help. Settings are environment variables, such as VOXFLOW_KAFKA_PORT.
    """
