"""Figures from the files of earlier steps; a module a subject, one style."""
