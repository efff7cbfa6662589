"""Stand-ins: a few made-up people with the labels of a data set that is not here.

They say whether a recipe runs: that its losses find their labels, its joint sets meet, its protocol
measures. They say nothing about what a model learns.
"""
