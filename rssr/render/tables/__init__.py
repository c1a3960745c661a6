"""Tables: data frames of numbers, rendered as CSV, Markdown, LaTeX and HTML; one module per subject."""
