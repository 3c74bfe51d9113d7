"""What `forebay up` and `forebay down` do, as a list of commands made from facts; nothing here runs one."""
