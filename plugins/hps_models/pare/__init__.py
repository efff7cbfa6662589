"""PARE: every joint looks at the pixels of its own body part."""
