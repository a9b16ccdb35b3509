"""Life in a simulated rack: what happens to it, in order or on command; see `changes` and `events`."""
