"""The parts of `hps prepare`: checks before, jobs, results."""
