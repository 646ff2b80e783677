"""wsgw: a self-hosted gateway for Amazon API Gateway's model."""

__version__ = "0.1.0"
