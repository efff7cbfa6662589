"""What the networks share that predict the vertices of a mesh: METRO, Mesh Graphormer, FastMETRO."""
