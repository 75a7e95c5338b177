"""What others are told of runs: notifications, metrics, traces.

It refuses to delay or fail a run: what takes time is done by a process of its own with a deadline, and what goes wrong
is said once on stderr. Libraries that only some want are imported there alone.
"""
