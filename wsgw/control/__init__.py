"""The control port: health, metrics, and the live connections. The AWS-compatible control plane will stand here."""
