"""What all methods share: data cache, augmentation, heatmaps, networks, training, command line.

It imports the benchmark, and finds methods by their folder; it names none.
"""
