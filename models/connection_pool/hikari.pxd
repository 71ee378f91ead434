from models.request cimport Request
from sim.environment.scheduled cimport Timer
from models.connection_pool.connection cimport Connection
from models.connection_pool.lives cimport Lives


cdef class Hikari(Lives):
    cdef public Timer _tick
    cdef public bint _is_closed, _trim_is_planned
    cdef public object _connection_timeout_s, _first_tick_s, _idle_timeout_s, _initialization_s, _login, _timeouts, _validation, _validations, path
    cpdef take_idle(self)
    cpdef _take(self)
    cpdef _watch(self)
