"""What every lens has: view, parts, table, controls, export dialog."""
