"""Steps and server in containers: everything that talks to a container engine. The steps themselves never do."""
