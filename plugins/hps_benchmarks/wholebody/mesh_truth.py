"""True meshes of a batch: as annotated, or posed by the annotated parameters."""

from hpscli.metrics.truth import Truth


class MeshTruth(Truth):
    """Truth that always makes meshes, whatever the metrics of its protocol are."""

    @property
    def needs_mesh(self) -> bool:
        """-> yes."""
        return True
