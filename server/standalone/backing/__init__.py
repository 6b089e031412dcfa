"""The backing services of the embedded stack, one module each: program, files, address, child process.

Used by the supervisor and by the tests alike; who restarts what is decided in `supervision`.
"""
