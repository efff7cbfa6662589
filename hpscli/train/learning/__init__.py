"""How weights change: optimisers, rates, averages, what is frozen, the adversary."""
