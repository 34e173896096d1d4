"""A lab's server: who may come in, what they may do, and what the outside sees of it."""
