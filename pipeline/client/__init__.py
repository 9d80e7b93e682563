"""A client of the running pipeline: audio goes out at the pace of speech, transcripts come back."""
