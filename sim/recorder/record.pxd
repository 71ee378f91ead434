cdef class Recorded:
    cdef public long long ordinal, endpoint, user, ip, status, attempts
    cdef public double arrived_at_s, ended_at_s, wait_s, cpu_s, throttled_s, cache_s, db_s, delay_s
    cdef public object outcome, reason, replica, cache, steps_s


cdef class Columns:
    cdef long long[:] ordinal
    cdef double[:] arrived_at_s, ended_at_s, wait_s, cpu_s, throttled_s, cache_s, db_s, delay_s
    cdef int[:] attempts, endpoint, status
    cdef short[:] outcome, reason
    cpdef write(self, Py_ssize_t row, Recorded request, double ended_at_s, short outcome, int status, short reason)
