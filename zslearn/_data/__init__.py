"""What X is, below training: rows of features, from memory, disk or a device."""
