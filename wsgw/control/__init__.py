"""The control port: health, metrics, and the live connections. May import edge, authorizers and what is below.

The AWS-compatible control plane will stand here.
"""
