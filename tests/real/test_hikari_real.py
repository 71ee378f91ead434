"""The real HikariCP beside the model: one script of borrowing and returning, step by step, decisions compared.

Debian's libhikaricp-java (2.7.9) is driven by a small Java program, compiled here. After each step both have come to
rest, so that what is compared is who was served, in which order, and how many connections there are: no clock is read.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.validation.databases import Stand
from models.outcomes import PoolTimeout
from models.request import Request
from sim.environment import Activity

JARS = [Path("/usr/share/java") / name for name in ("HikariCP.jar", "slf4j-api.jar")]
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not all(jar.exists() for jar in JARS), reason="libhikaricp-java is not installed"),
    pytest.mark.skipif(shutil.which("javac") is None, reason="javac is not installed"),
]

DRIVER = """
import com.zaxxer.hikari.*;
import java.lang.reflect.*;
import java.sql.Connection;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import javax.sql.DataSource;

/** Reads steps: "pool max min timeoutMs", "borrow n", "return n", "break n", "pause ms"; tells after each. */
public class Drive {
    static final AtomicInteger opened = new AtomicInteger(), closed = new AtomicInteger();
    static final AtomicInteger validated = new AtomicInteger();
    static final List<String> ends = Collections.synchronizedList(new ArrayList<>());
    static final Map<String, Connection> held = new ConcurrentHashMap<>();
    static HikariDataSource pool;
    static int maximum, minimum, asked;

    static Object plain(Class<?> kind) {
        if (kind == boolean.class) return false;
        if (kind == int.class) return 0;
        return null;
    }

    static Connection connect() throws InterruptedException {
        Thread.sleep(5);
        opened.incrementAndGet();
        return (Connection) Proxy.newProxyInstance(Drive.class.getClassLoader(), new Class<?>[] {Connection.class},
            (self, method, given) -> switch (method.getName()) {
                case "isValid" -> { validated.incrementAndGet(); yield true; }
                case "getAutoCommit" -> true;
                case "close" -> { closed.incrementAndGet(); yield null; }
                case "hashCode" -> System.identityHashCode(self);
                case "equals" -> self == given[0];
                case "toString" -> "connection";
                default -> plain(method.getReturnType());
            });
    }

    static DataSource source() {
        return (DataSource) Proxy.newProxyInstance(Drive.class.getClassLoader(), new Class<?>[] {DataSource.class},
            (self, method, given) ->
                method.getName().equals("getConnection") ? connect() : plain(method.getReturnType()));
    }

    /** Until nobody waits for what could be had, and, where the pool fills itself, as many are idle as are kept. */
    static void rest(boolean isFilling) throws Exception {
        HikariPoolMXBean bean = pool.getHikariPoolMXBean();
        int calm = 0;
        for (int turn = 0; turn < 5000 && calm < 5; turn++) {
            int waiting = bean.getThreadsAwaitingConnection(), total = bean.getTotalConnections();
            int active = bean.getActiveConnections(), kept = isFilling ? Math.min(minimum, maximum - active) : 0;
            boolean isCalm = ends.size() + waiting == asked && bean.getIdleConnections() >= kept
                && total == opened.get() - closed.get() && (waiting == 0 || active == maximum);
            calm = isCalm ? calm + 1 : 0;
            Thread.sleep(2);
        }
    }

    static void tell() {
        HikariPoolMXBean bean = pool.getHikariPoolMXBean();
        System.out.println(bean.getTotalConnections() + " " + bean.getActiveConnections() + " "
            + bean.getThreadsAwaitingConnection() + " " + opened + " " + String.join(",", ends));
    }

    public static void main(String[] given) throws Exception {
        Scanner steps = new Scanner(System.in);
        int before = 0;
        while (steps.hasNextLine()) {
            String[] step = steps.nextLine().split(" ");
            switch (step[0]) {
                case "pool" -> {
                    if (pool != null) pool.close();
                    opened.set(0); closed.set(0); asked = 0; ends.clear(); held.clear();
                    maximum = Integer.parseInt(step[1]);
                    minimum = Integer.parseInt(step[2]);
                    HikariConfig config = new HikariConfig();
                    config.setMaximumPoolSize(maximum);
                    config.setMinimumIdle(minimum);
                    config.setConnectionTimeout(Long.parseLong(step[3]));
                    config.setDataSource(source());
                    pool = new HikariDataSource(config);
                    Thread.sleep(300); // the housekeeper comes after 100 ms, then only after 30 s
                    rest(true);
                    validated.set(0);
                }
                case "borrow" -> {
                    asked++;
                    Thread borrower = new Thread(() -> {
                        try {
                            Connection mine = pool.getConnection();
                            held.put(step[1], mine);
                            ends.add(step[1]);
                        } catch (java.sql.SQLException late) {
                            ends.add("timeout" + step[1]);
                        }
                    });
                    borrower.setDaemon(true);
                    borrower.start();
                    rest(false);
                }
                case "return" -> { held.remove(step[1]).close(); rest(false); }
                case "break" -> {
                    Connection mine = held.remove(step[1]);
                    pool.evictConnection(mine);
                    mine.close();
                    rest(true);
                }
                case "pause" -> Thread.sleep(Long.parseLong(step[1]));
                default -> { System.out.println("validated " + validated.getAndSet(0)); continue; }
            }
            tell();
        }
    }
}
"""


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[str]], list[str]]:
    """What the real pool says after each step."""
    folder = tmp_path_factory.mktemp("hikari")
    source = folder / "Drive.java"
    source.write_text(DRIVER)
    jars = ":".join(str(jar) for jar in JARS)
    done = subprocess.run(
        ["javac", "-cp", jars, "-d", str(folder), str(source)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr

    def run(steps: list[str]) -> list[str]:
        said = subprocess.run(
            ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}:{folder}", "Drive"],
            input="\n".join(steps) + "\n", capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert said.returncode == 0, said.stderr
        return said.stdout.splitlines()

    return run


class Model:
    """The same steps, simulated."""

    def run(self, steps: list[str]) -> list[str]:
        lines: list[str] = []
        for line in steps:
            kind, *given = line.split()
            getattr(self, f"do_{kind}")(*given)
            if kind == "validations":
                lines.append(f"validated {self.validated}")
                self.validated = 0
            else:
                pool = self.pool
                opened = self.bench.total("pool.created")
                lines.append(f"{pool.total} {pool.in_use} {pool.waiting} {opened} {','.join(self.ends)}")
        return lines

    def rest(self, seconds: float = 0.06) -> None:
        self.bench.env.run(until=self.bench.env.now + seconds)

    def do_pool(self, maximum: str, minimum: str, timeout_ms: str) -> None:
        self.bench = Stand({"connect_time": "5ms"})
        self.pool = self.bench.pool(
            version="2.7.9", maximum_pool_size=int(maximum), minimum_idle=int(minimum),
            connection_timeout=f"{timeout_ms}ms", validation="1ms",
        )  # fmt: skip
        self.ends: list[str] = []
        self.held: dict[str, Any] = {}
        self.validated = 0
        self.bench.start(self.pool)
        self.rest(0.4)

    def do_borrow(self, name: str) -> None:
        request = Request(0, 0, 0, 0, 0, self.bench.env.now)

        def work() -> Activity:
            try:
                self.held[name] = yield from self.pool.borrow(request)
            except PoolTimeout:
                self.ends.append(f"timeout{name}")
                return
            self.validated += request.db_s > 0
            self.ends.append(name)

        self.bench.env.start(work())
        self.rest()

    def do_return(self, name: str) -> None:
        self.pool.give_back(self.held.pop(name))
        self.rest()

    def do_break(self, name: str) -> None:
        self.pool.give_back(self.held.pop(name), is_broken=True)
        self.rest()

    def do_pause(self, milliseconds: str) -> None:
        self.rest(int(milliseconds) / 1000)

    def do_validations(self) -> None:
        """Told by `run`."""


def script(seed: int, length: int = 40) -> list[str]:
    """Borrowing, returning and breaking at random: only who has a connection gives one back."""
    chance = random.Random(seed)
    maximum = chance.randint(1, 4)
    steps = [f"pool {maximum} {chance.randint(1, maximum)} 30000"]
    model = Model()
    model.run(steps)
    for number in range(length):
        holders = sorted(model.held, key=int)
        if holders and chance.random() < 0.5:
            steps.append(f"{'break' if chance.random() < 0.15 else 'return'} {chance.choice(holders)}")
        else:
            steps.append(f"borrow {number}")
        model.run(steps[-1:])
    return steps


def test_who_is_served_in_which_order_and_how_many_connections_are_opened(drive: Any) -> None:
    """Each line: connections there, lent, waiters, connections opened so far, and who was served, in order."""
    steps = [step for seed in range(6) for step in script(seed, 25)]
    told = drive(steps)
    assert told == Model().run(steps)
    assert sum(int(line.split()[2]) > 0 for line in told) > 20, "there were waiters"


def test_who_waits_too_long_is_told_and_the_next_is_served(drive: Any) -> None:
    steps = [
        "pool 1 1 250", "borrow 0", "borrow 1", "borrow 2", "pause 900", "return 0", "borrow 3", "borrow 4",
        "pause 600", "return 3", "borrow 5",
    ]  # fmt: skip
    told = drive(steps)
    assert told == Model().run(steps)
    assert told[-1].split()[-1] == "0,timeout1,timeout2,3,timeout4,5"


def test_a_connection_is_validated_only_after_a_pause(drive: Any) -> None:
    steps = [
        "pool 1 1 30000", "pause 800", "borrow 0", "return 0", "validations", "borrow 1", "return 1", "borrow 2",
        "return 2", "validations", "pause 900", "borrow 3", "validations",
    ]  # fmt: skip
    told = drive(steps)
    assert told == Model().run(steps)
    assert [line for line in told if line.startswith("validated")] == ["validated 1", "validated 0", "validated 1"]
