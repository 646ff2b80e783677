"""Processes of one machine: the supervisor, its workers, and what it says of them on one control port.

It may import everything below the command line.
"""
