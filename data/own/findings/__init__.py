"""What is right and wrong with a recording, part by part: what is counted, the texts, the values."""
