"""Files of predicted hands: read, checked, turned into predictions and back."""
