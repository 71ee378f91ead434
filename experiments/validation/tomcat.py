"""Tomcat: threads, connections, the kernel's backlog."""

from __future__ import annotations

from experiments.validation.check import Component, Disagreement, expect
from experiments.validation.stand import ONE_SECOND, Stand, only
from models.replica import TomcatSpec

TOMCAT = Component(
    "Tomcat",
    version="10.1.60 on Linux 6.18",
    source="tomcat: java/org/apache/tomcat/util/net/AbstractEndpoint.java, threads/TaskQueue.java",
    section="7",
)


@TOMCAT.check(
    "Tomcat: 200 threads, 10 spare, maxConnections 8192, acceptCount 100", "Defaults are those of the real one."
)
def defaults() -> None:
    spec = TomcatSpec()
    expect((spec.threads, spec.min_spare_threads, spec.max_connections, spec.accept_count), (200, 10, 8192, 100))


@TOMCAT.check("2 threads/8192/100, ten 1 s requests: all succeed, at 1,1,2,2,…,5,5 s.", "Requests wait for a thread.")
def two_threads() -> None:
    stand = Stand(only(ONE_SECOND, workers={"kind": "tomcat", "threads": 2}), [0.0] * 10).run()
    expect(stand.outcomes, {"succeeded"})
    expect(stand.ends_s, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5])


@TOMCAT.check(
    "2/4/1: nobody refused; four took 2–3 s to connect (11 listen drops).",
    "SYNs beyond connections and backlog are dropped, and sent again every second.",
    agreement="who waits exact, the last four for more than 2 s; 10 dropped SYNs instead of 11",
)
def syn_drops() -> None:
    workers = {"kind": "tomcat", "threads": 2, "max_connections": 4, "accept_count": 1}
    step = {"kind": "delay", "duration": "1001ms"}  # the real one takes a moment to read and to write
    stand = Stand(only(step, workers=workers), [0.0] * 10).run()
    expect(stand.outcomes, {"succeeded"})
    expect(stand.recording.whole.counts["services.api.replica-1.syn_drops"], 10, "dropped SYNs")
    waits_s = [round(float(row["wait_s"]), 3) for row in stand.rows]
    expect(waits_s[:6], [0, 0, 1.001, 1.001, 2.002, 2.002], "connected at once")
    if not all(stand.rows[n]["wait_s"] > 2 for n in (6, 7, 8, 9)):
        raise Disagreement(f"the last four connected too early: {waits_s}")


@TOMCAT.check("The 201st request waits in an unbounded queue", "Nobody is refused for want of threads.")
def unbounded_queue() -> None:
    stand = Stand(only(ONE_SECOND, workers={"kind": "tomcat"}), [0.0] * 1001).run()
    expect(stand.ends_s, [float(1 + n // 200) for n in range(1001)])


@TOMCAT.check("Threads grow to max before queueing", "A request is worked on at once while there are threads to make.")
def threads_grow() -> None:
    jvm = {"live_set": "1M", "allocation_per_request": "1K"}
    workers = {"kind": "tomcat", "threads": 20, "min_spare_threads": 10}
    stand = Stand(only(ONE_SECOND, workers=workers, jvm=jvm), [0.0] * 15 + [5.0] * 30).run()
    expect(stand.ends_s[:15], [1.0] * 15)
    expect(stand.recording.whole.levels["services.api.replica-1.jvm.threads"].peak, 20)


TOMCAT.leaves_out(
    "connection timeout 60 s (Tomcat constant)", "Clients of a simulated system never connect without a request."
)
TOMCAT.leaves_out(
    "Idle keep-alive uses a connection, no thread",
    "A request in progress stands for its connection; idle ones are not modelled.",
)
