"""Theme and the colour of each model."""
