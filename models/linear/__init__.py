"""Linear models on standardised inputs."""
