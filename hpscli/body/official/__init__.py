"""Files of body models as their owners hand them out: read safely, recognised, imported."""
