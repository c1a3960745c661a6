"""Tables: data frames of numbers, rendered as CSV, Markdown and LaTeX; a module a subject."""
