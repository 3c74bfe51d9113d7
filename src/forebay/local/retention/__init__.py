"""What a state folder keeps, and what `forebay prune` removes from it."""
