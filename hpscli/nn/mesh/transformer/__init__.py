"""The transformer of METRO and Mesh Graphormer: three encoders over joints and coarse vertices."""
