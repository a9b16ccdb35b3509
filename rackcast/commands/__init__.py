"""One file for each sub-command: arguments in, files and text out."""
