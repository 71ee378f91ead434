from models.request cimport Request
