"""What recipes need, promise and name, looked up without training."""
