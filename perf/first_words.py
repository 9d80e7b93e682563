"""The engine in a fresh process: what passes until it has loaded, warmed up, and understood its first words.

Prints one JSON object; perf/cold_start.py runs it.
"""

import json
import os
import time
from itertools import pairwise

STARTED_S = time.perf_counter()


def main() -> None:
    from perf.wer import audio
    from pipeline.client.recordings import BECKETT, recording
    from pipeline.engines.base import EngineSettings, load_recognizer

    samples = audio(recording(BECKETT))[: 3 * 16_000]
    imported_s = time.perf_counter()
    recognizer = load_recognizer(EngineSettings.from_environ(os.environ))
    loaded_s = time.perf_counter()
    recognizer.warm_up()
    warm_s = time.perf_counter()
    recognizer.recognize([samples])
    moments_s = (STARTED_S, imported_s, loaded_s, warm_s, time.perf_counter())
    names = ("imports_ms", "load_ms", "warm_up_ms", "first_recognition_ms")
    spans = pairwise(moments_s)
    print(json.dumps({name: round(1000 * (to - since)) for name, (since, to) in zip(names, spans, strict=True)}))


if __name__ == "__main__":
    main()
