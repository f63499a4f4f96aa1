"""What every deep estimator shares: its net, batches of rows, precision and device."""
