"""From a configuration to objects: data sets, test sets, training sets, models, artifacts and their paths, jobs.

Nothing is computed here, no image is read and PyTorch is not imported: Snakemake's own process lives in this room.
"""
