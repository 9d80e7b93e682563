"""Subtitles that players accept."""

from pipeline.domain.subtitles import Cue, srt, txt, vtt

HELLO, THERE = Cue(1_500, 2_250, "Hello."), Cue(3_725_004, 3_726_000, "There  you\n\nare.")


def test_subrip_numbers_its_blocks_and_has_commas_in_its_times() -> None:
    assert srt([HELLO, THERE]) == (
        "1\n00:00:01,500 --> 00:00:02,250\nHello.\n\n2\n01:02:05,004 --> 01:02:06,000\nThere you are.\n"
    )


def test_webvtt_begins_with_its_name_and_has_points_in_its_times() -> None:
    assert vtt([HELLO, THERE]) == (
        "WEBVTT\n\n00:00:01.500 --> 00:00:02.250\nHello.\n\n01:02:05.004 --> 01:02:06.000\nThere you are.\n"
    )


def test_text_has_a_line_each() -> None:
    assert txt([HELLO, THERE]) == "Hello.\nThere you are.\n"


def test_webvtt_escapes_what_would_be_markup_or_a_time() -> None:
    assert "a &lt;b&gt; --&gt; c &amp;amp;\n" in vtt([Cue(0, 1, "a <b> --> c &amp;")])


def test_cues_are_in_the_order_of_speech_and_silence_is_left_out() -> None:
    assert txt([Cue(2, 3, "second"), Cue(1, 2, " \n"), Cue(0, 1, "first")]) == "first\nsecond\n"


def test_speakers_are_named_in_each_format() -> None:
    cue = [Cue(0, 1, "Hello.", "channel 1")]
    assert "\nchannel 1: Hello.\n" in srt(cue)
    assert "\n<v channel 1>Hello.</v>\n" in vtt(cue)
    assert txt(cue) == "channel 1: Hello.\n"


def test_a_cue_never_ends_when_it_starts() -> None:
    assert "00:00:01.000 --> 00:00:01.001" in vtt([Cue(1000, 1000, "Oh.")])


def test_a_hundred_hours_need_three_digits() -> None:
    assert "100:00:00,000 -->" in srt([Cue(360_000_000, 360_000_001, "Late.")])


def test_nothing_said_is_an_empty_file_of_the_format() -> None:
    assert (srt([]), vtt([]), txt([])) == ("", "WEBVTT\n", "")
