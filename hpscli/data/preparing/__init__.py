"""How a preparation works: keys, places, checks before, jobs on other machines."""
