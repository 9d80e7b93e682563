"""Options that name a moment and may be left out."""

import click

from pipeline.cli.usage import moment_ms


def maybe_moment_ms(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """As ``moment_ms``: a duration before now, or a moment in ISO 8601, in milliseconds since 1970; None if unset."""
    return None if value is None else moment_ms(ctx, param, value)
