"""The training loop, its batches, losses, checkpoints and validation recall."""
