"""An engine by the name of the function that makes it, a user's own, or by the short name of one of Voxflow's."""

from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import Any, Final, cast

from pipeline.domain.ports import Recognizer
from pipeline.errors import SetupError

VARIABLE: Final = "VOXFLOW_RECOGNIZER"

SHORT_NAMES: Final = {
    "moonshine": "pipeline.engines.moonshine:MoonshineRecognizer.load",
    "whisper": "pipeline.engines.whisper:WhisperRecognizer.load",
    "onnx": "pipeline.engines.onnx_folder:OnnxFolderRecognizer.load",
}
"""The engines that Voxflow brings along."""


def named(spec: str) -> Callable[..., Any]:
    """The function that ``package.module:function``, or one of SHORT_NAMES, names. Raises SetupError."""
    module_name, colon, attribute = SHORT_NAMES.get(spec, spec).partition(":")
    if not (module_name and colon and attribute):
        raise SetupError(
            f"{VARIABLE}={spec!r} names no function; expected package.module:function or one of "
            f"{', '.join(SHORT_NAMES)}"
        )
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as exc:
        # The module itself, a package that it lies in, or something that it imports.
        raise SetupError(
            f"{VARIABLE}={spec!r}: there is no module {exc.name!r}; install it in the Python that runs the job"
        ) from exc
    try:
        found = attrgetter(attribute)(module)
    except AttributeError:
        raise SetupError(f"{VARIABLE}={spec!r}: {module_name} has no {attribute!r}") from None
    if not callable(found):
        raise SetupError(f"{VARIABLE}={spec!r} names no function, but a value of type {type(found).__name__}")
    return cast(Callable[..., Any], found)


def checked_recognizer(made: Any, spec: str) -> Recognizer:
    """``made``, which the function that ``spec`` names returned, if it is a Recognizer. Raises SetupError."""
    fields = {"name": str, "version": str, "max_samples": int}
    wrong = [f"{name}: {kind.__name__}" for name, kind in fields.items() if not isinstance(_of(made, name), kind)]
    wrong += [f"{name}()" for name in ("canonical_samples", "recognize", "warm_up") if not callable(_of(made, name))]
    if wrong:
        raise SetupError(
            f"{VARIABLE}={spec!r} returned a {type(made).__name__} without {', '.join(wrong)}; "
            "it must return a Recognizer (pipeline/domain/ports.py)"
        )
    return cast(Recognizer, made)


def _of(made: Any, name: str) -> Any:
    return getattr(made, name, None)
