cpdef long long closed_identity(long long user, long long ordinal) except -1
