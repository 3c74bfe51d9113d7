"""What a cluster, a kind node and rendered objects say of themselves; nothing here changes anything."""
