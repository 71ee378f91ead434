"""A JVM in a container: what it makes of CPU and memory limits, its heap, and the pauses of its collector.

Models   Requests allocate when their work begins. When eden is full, every thread of the application stops while the
         collector's threads burn CPU within the container's quota and weight; who comes meanwhile waits. Where the old
         generation fills up, collections are full ones; where that does not make room, OutOfMemoryError is thrown into
         the request. Outside the heap: stacks of the threads made so far (the service's `base_memory` holds metaspace,
         code cache and buffers). Nothing happens while nobody allocates.
Units    Bytes, seconds of CPU time.
Source   OpenJDK 17: cgroupUtil_linux.cpp (CPUs), gcConfig.cpp (which collector), arguments.cpp (set_heap_size), and
         what `heap` and `g1` name. Costs of copying and marking were measured on 17.0.15.
Omits    What `heap` and `g1` omit; safepoints for other reasons; threads that use no CPU pass a pause unstopped; soft
         references; ZGC, Shenandoah and the parallel collector; threads that end after a minute of idleness.
Checked  tests/unit/test_jvm.py, experiments/validation/jvm.py
"""

from models.jvm.g1 import G1Heap
from models.jvm.heap import Heap
from models.jvm.jvm import JavaRoute, Jvm, OutOfMemory
from models.jvm.spec import Ergonomics, JvmSpec, cpu_count, default_heap

__all__ = ["Ergonomics", "G1Heap", "Heap", "JavaRoute", "Jvm", "JvmSpec", "OutOfMemory", "cpu_count", "default_heap"]
