"""Situations that findings speak of, as settings for both runs of a proof, and in words."""

from __future__ import annotations

from typing import NamedTuple

_NAME = "doctor"


class Situation(NamedTuple):
    """What holds in both runs."""

    settings: tuple[str, ...]
    words: str


def hangs(target: str, lasts_s: int = 20) -> Situation:
    """What is asked does not answer for a while, and then goes on."""
    return _fault(target, f"kind: hang, target: {target}, at: 10s, lasts: {lasts_s}s", f"hangs for {lasts_s} s of it")


def fails(target: str) -> Situation:
    """A service answers every request with 500 for a while."""
    return _fault(target, f"kind: error, target: {target}, at: 10s, lasts: 40s", "answers 500 for 40 s of it")


def restarts(target: str) -> Situation:
    """A deploy: one replica after the other is replaced."""
    return _fault(target, f"kind: rolling_restart, target: {target}, at: 10s", "is deployed anew in it")


def _fault(target: str, said: str, words: str) -> Situation:
    return Situation((f"faults.{_NAME}={{{said}}}",), f"{target.partition('.')[2]} {words}")


def hasty(per_s: float = 20.0, users: int = 1) -> Situation:
    """Instead of all traffic: users who ask again as soon as they have an answer, nearly so often a second."""
    settings = (
        "traffic.open=null", "traffic.trace=null", "traffic.shape=null", "traffic.surges={}",
        f"traffic.users={{population: {users}, think_time: {round(1000 / per_s, 3)}ms}}",
    )  # fmt: skip
    who = "a single user asks" if users == 1 else f"{users} users ask"
    return Situation(settings, f"{who} up to {per_s:.3g} times a second{'' if users == 1 else ' each'}")
