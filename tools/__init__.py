"""What maintainers run; imported by nobody."""
