"""Replays of what AGORA's own evaluation, and OSX's export for it, returned."""
