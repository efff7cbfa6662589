"""Looking at what labels say: do they fit the picture, the body, each other, and the test set."""
