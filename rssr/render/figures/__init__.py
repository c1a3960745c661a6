"""Figures from the files of earlier steps; one module per subject, one style."""
