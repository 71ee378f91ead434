"""What a command does once its turn has come, as numbers: nothing is made for a command but its process."""

SCRIPT, GET, SET, DEL = range(4)

HAS_LOCK, TAKE_LOCK, DROP_LOCK = range(4, 7)
"""On the lock of a class (`models.cache.locking`)."""
