"""An example of a package that adds to BrainLens: one file for each thing that it adds."""
