"""Running the system: the local stack, dashboards, policies, runbooks."""
