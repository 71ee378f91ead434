cdef class Recorded:
    cdef public long long ordinal, endpoint, user, ip, status, attempts
    cdef public double arrived_at_s, ended_at_s, wait_s, cpu_s, throttled_s, cache_s, db_s, delay_s
    cdef public object outcome, reason, replica, cache, steps_s
