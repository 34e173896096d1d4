"""What leaves for the paper: methods, code, tables."""
