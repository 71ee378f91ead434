from models.request cimport Request
from sim.streams.keyed cimport Draws
from sim.probe cimport Tally


cdef class Query:
    cdef public Draws _cpu, _io, _plan, _replay, _row
    cdef public Tally time_s
    cdef public bint is_plain
    cdef public double _cpu_share
    cdef public object _name, _rows, table, writes
    cpdef tuple demand_s(self, identity, lane, given_s)
