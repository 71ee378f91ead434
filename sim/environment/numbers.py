"""What the numbers of entries mean. Every entry has one of its own, and later ones have greater ones."""

ENDED = -1
"""Ticket of a light process that has ended, and of a timer that is disarmed: equals no entry's number."""

LATER = 1 << 52
"""What a number is greater by for each step of SimPy's priorities: entries of an instant come up by these first."""
