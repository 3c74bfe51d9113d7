"""Steps and server in containers. Only this package talks to the container engine; the steps never do."""
