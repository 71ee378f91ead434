"""HikariCP: one pool of database connections per replica.

Models   A borrower takes an idle connection at once, or waits first come first served and fails after
         connection_timeout. The pool grows one connection after the other (a single adder thread), while somebody
         waits or fewer than minimum_idle are idle. Connections end at max_lifetime less a random part, in use on
         their return; idle ones above minimum_idle end after idle_timeout, on the housekeeper's 30 s grid. One
         that has been idle for more than 500 ms is validated before it is lent, which burns the database's CPU and is
         given up after validation_timeout. Keepalive finds connections whose database has died while they are idle.
         A start tries to connect as initialization_fail_timeout says. The driver gives up logging in after the pool's
         connection_timeout, and a statement after socket_timeout: the server works on, and keeps its connection and
         locks until it is through.
Units    Seconds of simulated time.
Source   HikariCP HikariPool, HikariConfig, PoolBase, ConcurrentBag: release 4.0.3 (Spring Boot 2.7), 5.0.1, 5.1.0 and
         6.0.0; CHANGES (6.1.0: lives vary by 25 %, 6.2.1: keepalive 2 min, 6.3.0: its variance 20 %); pgjdbc
         PGProperty (socketTimeout 0, prepareThreshold 5).
Omits    The few microseconds in which a newcomer may barge before a waiter, and each thread's preference for
         the connections it had before: the one returned last is lent. Which of several idle connections is trimmed.
         Leak detection (logs only), suspension; what keepalive costs, and that it also finds a database that hangs.
         Before 6.0 a connection that outlives max_lifetime in use is ended by its next borrower rather than on return;
         from 6.0 its end wakes no adder for waiters where minimum_idle is 0.
         Lifetimes that end in silence are looked at when the pool is touched again, with the result that they would
         have had: connections replaced since then are as old as they would be. The database sees no gap between the
         old and the new one, and a replacement that would be under way at that instant begins then.
         A pool whose adder fails tries again only when it is touched, while nobody has or awaits a connection.
Checked  experiments/validation/hikaricp.py, tests/properties/test_connection_pool.py, tests/unit/test_driver.py,
         tests/theory/test_pool_as_queue.py, tests/unit/test_connection_pool_spec.py, tests/real/test_hikari_real.py
"""

from models.connection_pool.connection import Connection, Database
from models.connection_pool.growth import GrowthRule, growth_rule
from models.connection_pool.hikari import Hikari
from models.connection_pool.settings import HikariSpec, Settings

__all__ = ["Connection", "Database", "GrowthRule", "Hikari", "HikariSpec", "Settings", "growth_rule"]
