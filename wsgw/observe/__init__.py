"""What an operator sees: logs, access logs, metrics. May import what is below it; nothing here is waited for."""
