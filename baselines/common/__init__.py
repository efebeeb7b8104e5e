"""What all methods share: data cache, augmentation, heatmaps, networks, training, command line."""
