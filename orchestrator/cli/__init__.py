"""One file per command: options → workflow → render.

A file here that defines `command` is a command, listed in `--help` under its `SECTION`; nothing else registers it. Only
click and the standard library are imported when a command file is, so that `--help` stays fast; everything heavier is
imported inside the command. No decision is taken here: what a command does stands in `workflow`.
"""
