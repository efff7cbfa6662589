"""Poses without pictures: files made from motion captures, and what an adversary reads of them."""
