"""HTTP within limits: connections, access rules, bodies and responses."""
