"""From CSV and JSON to what people read: tables, figures, the report."""
