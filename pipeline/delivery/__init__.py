"""From the transcript topics to the views that applications read: a live cache and a search index."""
