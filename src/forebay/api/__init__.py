"""What `import forebay` offers to Python, one module per function or class; the commands call it too."""
