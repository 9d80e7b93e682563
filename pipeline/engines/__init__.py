"""Speech engines and what runs them: model files, recognisers, the speech detector and the batcher."""
