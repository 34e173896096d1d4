"""Does it compute the right numbers on this machine? Golden values, planted truths, peers' numbers, on demand."""
