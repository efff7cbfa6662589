"""Mesh Graphormer: METRO with cells of the picture as tokens, and graph convolutions on the mesh."""
