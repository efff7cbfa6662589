"""For authors of plugins and for the golden tests: conformance checks and replays."""
