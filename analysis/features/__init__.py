"""Numbers per stimulus: activations, surprisal, controls."""
