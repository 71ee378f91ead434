"""Predicted beside observed: a scenario simulated under a log's own traffic.

observed.py   what the log tells
simulated.py  the scenario under the log's arrivals
errors.py     how far apart they are
overlay.py    both over time
report.py     tables
page.py       plots
"""
