"""The control interface of a simulated rack, one file for each subject; see `interface`."""
