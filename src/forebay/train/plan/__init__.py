"""What one training is, known before its first step: data, hardware and settings without `auto`."""
