"""Files that `forebay new` writes: each runs as it is. Their texts are copied; nothing imports them."""
